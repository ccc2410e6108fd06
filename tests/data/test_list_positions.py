"""Lists of one row that belong together: positions in other lists, and lists of one length."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from helpers.feature_tables import KINDS, source_of, write_table

from archbuilder.cli import main
from archbuilder.config.sources import DataPath, FeatureConfig
from archbuilder.config.sources.base import SkippableSource
from archbuilder.data.file_access import DataFileOpener
from archbuilder.data.sources import load_source
from archbuilder.diagnostics.errors import RunError

ATOMS = [[5, 6, 7], [8, 9], [4], [], [1, 2, 3, 4, 5]]
ENDS = [[0, 2, 1], [1, 1], [0], [], [4, 0]]
FEATURES = {
    "atoms": FeatureConfig("atoms", length=(2, 5), separator=";"),
    "ends": FeatureConfig("ends", length=4, separator=";", positions_of="atoms"),
}


def write(
    folder: Path, kind: str, center: Sequence[int] = (), **lists: Sequence[object]
) -> DataPath:
    """A table of lists, which are texts with a semicolon in csv; with a number on each row."""
    columns = {
        name: [";".join(map(str, each)) for each in rows] if kind == "csv" else rows
        for name, rows in lists.items()
    }
    numbers = {"center": center} if center else {}
    return write_table(folder, kind, {**columns, **numbers, "y": [0] * 5})


@pytest.mark.parametrize("kind", KINDS)
def test_positions(tmp_path: Path, kind: str):
    """They reach the network as they are; others name the row, the value and the list."""
    unit = "row" if kind == "parquet" else "line"
    dataset = load_source(
        source_of(write(tmp_path, kind, atoms=ATOMS, ends=ENDS), **FEATURES), DataFileOpener()
    )
    ends = dataset.inputs["ends"].column.gather(np.arange(5))
    expected = [[0, 2, 1, 0], [1, 1, 0, 0], [0] * 4, [0] * 4, [4, 0, 0, 0]]
    np.testing.assert_array_equal(ends, expected)
    for row, value, text in (
        (1, -1, "which has 2 values there: positions are integers from 0 to 1"),
        (2, 1, "which has 1 value there: positions are integers from 0 to 0"),
        (3, 0, "which is empty there"),
    ):
        wrong = [[*each, value] if number == row else each for number, each in enumerate(ENDS)]
        source = source_of(write(tmp_path, kind, atoms=ATOMS, ends=wrong), **FEATURES)
        with pytest.raises(RunError) as error:
            load_source(source, DataFileOpener())
        message = str(error.value)
        assert f"has {value} in the field 'ends'" in message.replace("column", "the field")
        assert message.endswith(text)
        number = row + 2 if kind == "csv" else row + 1
        assert f"{unit} {number} of" in message or f"':{number} has" in message
        assert isinstance(source, SkippableSource)
        skipped = load_source(replace(source, on_error="skip"), DataFileOpener())
        assert skipped.count == 4


@pytest.mark.parametrize("kind", KINDS)
def test_single_positions(tmp_path: Path, kind: str):
    """A number on each row may be a position too, in a list or among a fixed number of values."""
    features = {
        "atoms": FEATURES["atoms"],
        "center": FeatureConfig("center", positions_of="atoms"),
        "pair": FeatureConfig(columns=("center", "y"), positions_of=4),
    }
    atoms = [*ATOMS[:3], [1], ATOMS[4]]
    source = source_of(write(tmp_path, kind, [2, 0, 0, 0, 3], atoms=atoms), **features)
    center = load_source(source, DataFileOpener()).inputs["center"].column
    assert np.asarray(center.gather(np.arange(5))).tolist() == [2, 0, 0, 0, 3]
    source = source_of(write(tmp_path, kind, [2, 0, 1, 0, 3], atoms=atoms), **features)
    with pytest.raises(RunError, match=r"has 1 in .*'center', a position in .*'atoms', which has"):
        load_source(source, DataFileOpener())
    source = source_of(write(tmp_path, kind, [2, 0, 0, 0, 4], atoms=atoms), **features)
    with pytest.raises(RunError, match=r"has 4 in .*'center', but positions are integers from 0"):
        load_source(source, DataFileOpener())


def test_positions_of_values_that_are_cut_off(tmp_path: Path):
    """A list that is shortened at its end has no value at its last positions."""
    atoms = FeatureConfig("atoms", length=4, truncating="post")
    path = write(tmp_path, "jsonl", atoms=ATOMS, ends=ENDS)
    with pytest.raises(RunError, match=r"has 5 values there, of which 'truncating' leaves 4: posi"):
        load_source(source_of(path, **{**FEATURES, "atoms": atoms}), DataFileOpener())


def test_positions_in_categories(tmp_path: Path):
    """An empty list of categories becomes one missing category, which no position names."""
    features = {**FEATURES, "atoms": FeatureConfig("atoms", length=5, vocabulary=True)}
    path = write(tmp_path, "jsonl", atoms=ATOMS, ends=[*ENDS[:3], [0], ENDS[4]])
    with pytest.raises(RunError, match=r"has 0 in the field 'ends', .* which is empty there"):
        load_source(source_of(path, **features), DataFileOpener())


def test_fractions_are_no_positions(tmp_path: Path):
    """Nor are numbers in parts of a list of lists."""
    path = write(tmp_path, "jsonl", atoms=ATOMS, ends=[[[0, 0.5]], [], [], [], []])
    with pytest.raises(RunError, match=r"has 0\.5 in the field 'ends', .* integers from 0 to 2"):
        load_source(source_of(path, **FEATURES), DataFileOpener())


@pytest.mark.parametrize("kind", KINDS)
def test_lists_of_one_length(tmp_path: Path, kind: str):
    """A list takes the length, padding and truncation of another, and has as many values."""
    features = {
        "atoms": FeatureConfig("atoms", length=(2, 4), separator=";", truncating="post"),
        "charges": FeatureConfig("charges", separator=";", same_length_as="atoms"),
        "is_charge": FeatureConfig(mask_of="charges"),
    }
    charges = [[-each for each in row] for row in ATOMS]
    path = write(tmp_path, kind, atoms=ATOMS, charges=charges)
    dataset = load_source(source_of(path, **features), DataFileOpener())
    inputs = {
        name: np.asarray(each.column.gather(np.arange(5))) for name, each in dataset.inputs.items()
    }
    np.testing.assert_array_equal(inputs["charges"], -inputs["atoms"])
    np.testing.assert_array_equal(inputs["is_charge"], inputs["atoms"] != 0)
    assert dataset.inputs["charges"].lengths is not None
    path = write(tmp_path, kind, atoms=ATOMS, charges=[*charges[:4], [1, 2]])
    with pytest.raises(RunError, match=r" has 2 values in .*'charges', and 5 in .*'atoms'$"):
        load_source(source_of(path, **features), DataFileOpener())


NET = """
archbuilder: 1
name: net
inputs: {atoms: [null, 2], ends: {shape: [null], dtype: int32}}
layers:
  - {Reshape: [-1, 1], from: ends}
  - {ops.take_along_axis: {axis: 1}, from: [atoms, previous]}
  - GlobalMaxPooling1D
  - Dense: 1
data:
  jsonl:
    file: graphs.jsonl
    inputs:
      atoms: {column: atoms, length: [2, 4]}
      ends: {column: ends, length: [2, 4], positions_of: atoms}
    targets: y
training: {loss: MeanSquaredError, epochs: 1, validation_split: 0}
"""


def test_commands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture):
    """Positions are checked wherever data is read, also in other data than that of training."""
    monkeypatch.chdir(tmp_path)
    rows = [{"atoms": [[1, 2]] * size, "ends": [size - 1], "y": 0.5} for size in (1, 2, 3, 4)]
    Path("graphs.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    rows[2]["ends"] = [1, 3]
    Path("wrong.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    Path("net.yaml").write_text(NET)
    assert main(["train", "net.yaml", "--run-dir", "run"]) == 0
    capsys.readouterr()
    for command in (
        ["train", "net.yaml", "--data", "wrong.jsonl", "--run-dir", "other"],
        ["evaluate", "run", "--data", "wrong.jsonl"],
        ["predict", "run", "wrong.jsonl"],
        ["inspect-data", "net.yaml", "--data", "wrong.jsonl"],
    ):
        assert main(command) != 0, command
        assert (
            "'wrong.jsonl':3 has 3 in the field 'ends', a position in the field 'atoms', which has"
            " 3 values there: positions are integers from 0 to 2"
        ) in capsys.readouterr().err
    write_table(tmp_path, "parquet", {name: [row[name] for row in rows] for name in rows[0]})
    for command in (["evaluate", "run", "--data"], ["predict", "run"]):
        assert main([*command, "table.parquet"]) == 2
        assert (
            "'table.parquet' is not in the format of 'jsonl', of which the data has features: give"
            " a .jsonl file"
        ) in capsys.readouterr().err
