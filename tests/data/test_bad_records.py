"""`on_error: skip`: what is wrong is left out, counted and told; without it, it stops the run."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from archbuilder.config.sources import (
    Csv,
    DataPath,
    DataSource,
    Jsonl,
    Pairs,
    Parquet,
    Text,
    TokenizerConfig,
)
from archbuilder.data.bad_records import BadRecords
from archbuilder.data.file_access import DataFileOpener
from archbuilder.data.sources import load_source
from archbuilder.diagnostics.errors import RunError
from archbuilder.files.sandbox import SandboxPath


def csv(folder: Path, **options) -> Csv:
    text = 'a,b,kind\n1,2,x\n1,2\n1,two,y\n3,nan,z\n"5\n",6,x\n7,8,\xff\n9,9,y\n'
    (folder / "d.csv").write_bytes(text.encode("latin-1"))
    return Csv(DataPath(str(folder / "d.csv")), **options)


def jsonl(folder: Path, **options) -> Jsonl:
    lines = [
        '{"x": 1, "y": "a"}',
        "[1]",
        '{"x": 1}',
        '{"x": [1], "y": "a"}',
        '{"x": ',
        '{"x": 2, "y": "b"}',
    ]
    (folder / "d.jsonl").write_text("\n".join(lines))
    return Jsonl(DataPath(str(folder / "d.jsonl")), **options)


def parquet(folder: Path, **options) -> Parquet:
    columns = {"a": [1.0, None, 3.0, 4.0], "b": [[1, 2], [1, 2], [1], [3, 4]], "y": [0, 1, 0, 1]}
    pq.write_table(pa.table(columns), folder / "d.parquet")
    inputs = {"a": "a", "b": "b"}
    return Parquet(DataPath(str(folder / "d.parquet")), inputs=inputs, **options)


def pairs(folder: Path, **options) -> Pairs:
    (folder / "d.tsv").write_text("a b\tb a\nno pair\na b c d\ta\nb\tb\n")
    return Pairs(DataPath(str(folder / "d.tsv")), TokenizerConfig("words"), 3, **options)


def text(folder: Path, **options) -> Text:
    (folder / "t.jsonl").write_text('{"t": "abab"}\n{"u": "x"}\n{"t": "ba"}\n')
    return Text(DataPath(str(folder / "t.jsonl")), TokenizerConfig(), 2, "t", **options)


SOURCES = {
    csv: (
        3,
        "skipped 4 of 7 lines: line 3 of .* has 2 values, not 3; line [48] of .*; and 1 more",
    ),
    jsonl: (2, r"skipped 4 of 6 lines: .*d\.jsonl':2 is not a JSON object"),
    parquet: (2, "skipped 2 of 4 rows: row 2 of .* in column 'a'.*; row 3 of .* in column 'b'"),
    pairs: (2, r"skipped 2 of 4 lines: .*:2 is not a pair .*; .*:3 has a text of 4 tokens"),
    text: (3, r"skipped 1 lines: .*:2 has no text 't'"),
}


@pytest.mark.parametrize("make", SOURCES)
def test_bad_lines_are_skipped_and_reported(tmp_path: Path, make):
    """As many as are right are there, and the first wrong ones are named."""
    count, message = SOURCES[make]
    with pytest.raises(RunError):
        load_source(make(tmp_path), DataFileOpener())
    dataset = load_source(make(tmp_path, on_error="skip"), DataFileOpener())
    assert dataset.count == count
    with pytest.raises(AssertionError, match=message):
        raise AssertionError(" ".join(dataset.notes))


@pytest.mark.parametrize("make", [pairs, text])
def test_a_run_reports_skipped_lines_again(tmp_path: Path, make):
    """The cached tokens come with the notes of the lines that are not among them."""
    opener = DataFileOpener(cache_dir=SandboxPath(tmp_path, ("text",)))
    first = load_source(make(tmp_path, on_error="skip"), opener)
    source = make(tmp_path, on_error="skip")
    Path(source.file.path).unlink()
    again = load_source(source, opener)
    assert (again.notes, again.count) == (first.notes, first.count)
    assert "skipped" in again.notes[-1]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "does not list skipped lines: it is not JSON"),
        ('{"count": -1, "messages": []}', "does not list skipped lines: the field 'count'"),
        ('{"count": 1, "messages": [2]}', "does not list skipped lines: the field 'messages"),
        ('{"count": 1, "messages": []}', "does not list skipped lines: it has another number"),
    ],
)
def test_damaged_lists_of_skipped_lines(tmp_path: Path, content: str, message: str):
    """The error names the file."""
    path = SandboxPath(tmp_path).joinpath("training-skipped.json")
    path.write(content.encode())
    with pytest.raises(RunError, match=rf"training-skipped\.json' {message}"):
        BadRecords("skip", "lines").restore(path)


def test_skipped_lines_keep_inputs_and_targets_aligned(tmp_path: Path):
    """Inputs and targets stay beside each other."""
    dataset = load_source(csv(tmp_path, on_error="skip"), DataFileOpener())
    (feature,), (target,) = dataset.inputs.values(), dataset.targets.values()
    assert np.asarray(feature.column.gather(np.arange(3))).tolist() == [[1, 2], [5, 6], [9, 9]]
    assert np.asarray(target.gather(np.arange(3))).tolist() == [0, 0, 1]


@pytest.mark.parametrize(
    "make",
    [
        lambda folder: Csv(DataPath(str(folder / "d")), on_error="skip"),
        lambda folder: Jsonl(DataPath(str(folder / "d")), on_error="skip"),
        lambda folder: Pairs(DataPath(str(folder / "d")), TokenizerConfig(), on_error="skip"),
    ],
)
def test_all_lines_are_bad(tmp_path: Path, make):
    """Then there is nothing to train on."""
    (tmp_path / "d").write_text("a,b\nx\ny\n")
    source: DataSource = make(tmp_path)
    with pytest.raises(RunError, match=r"none of \d lines can be read|there is no text|no text"):
        load_source(source, DataFileOpener())


def test_skipped_line_does_not_set_shape_or_dtype(tmp_path: Path):
    """Neither the shape nor the integers of the lines that are right."""
    file = tmp_path / "d.jsonl"
    lines = [
        '{"x": [1, 2, 3]}',
        '{"x": [0.5, 0.5]}',
        '{"x": [1.5, 2], "y": 0}',
        '{"x": [1, 2], "y": 1}',
    ]
    file.write_text("\n".join(lines))
    (feature,) = load_source(
        Jsonl(DataPath(str(file)), on_error="skip"), DataFileOpener()
    ).inputs.values()
    assert feature.column.numpy(np.arange(2)).tolist() == [[1.5, 2], [1, 2]]
    assert np.asarray(feature.integer_mask).tolist() == [False, True]


def test_bad_header_is_not_skipped(tmp_path: Path):
    """The line behind them would be taken for them."""
    file = tmp_path / "d.csv"
    file.write_bytes("größe,y\n1,a\n2,b\n3,a\n".encode("latin-1"))
    with pytest.raises(RunError, match=r"line 1 of .* is not valid UTF-8; save the file as UTF-8"):
        load_source(Csv(DataPath(str(file)), on_error="skip"), DataFileOpener())


def test_bad_first_line_without_header(tmp_path: Path):
    """Although the number of columns follows from the first line that is right."""
    file = tmp_path / "d.csv"
    file.write_bytes(b"\xff,a\n1,a\n2,b\n")
    source = Csv(DataPath(str(file)), header=False, on_error="skip")
    dataset = load_source(source, DataFileOpener())
    assert dataset.count == 2
    assert any(each.startswith("skipped 1 of 3 lines: ") for each in dataset.notes)
