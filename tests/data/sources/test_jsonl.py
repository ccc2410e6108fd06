"""Numbers in JSON lines, and targets that are words."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from archbuilder.cli import main
from archbuilder.config import data_from_argument
from archbuilder.config.sources import Csv, DataPath, DataSource, FeatureConfig, Jsonl
from archbuilder.data.file_access import DataFileOpener
from archbuilder.data.sources import load_source
from archbuilder.diagnostics.errors import RunError

NET = """
archbuilder: 1
name: net
inputs: {near: [2], far: [2, 2]}
layers:
  - {Flatten: , from: far, name: flat}
  - {Concatenate: , from: [near, flat]}
  - Dense: {units: 2, activation: softmax}
data: {jsonl: {file: data.jsonl, inputs: {near: a, far: b}, targets: kind}}
training: {loss: SparseCategoricalCrossentropy, optimizer: {Adam: 0.1}, epochs: 20}
"""


def write(path: Path, *rows: object) -> DataPath:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return DataPath(str(path))


def load(source: DataSource, fitted_source: DataSource | None = None):
    opener = DataFileOpener()
    return load_source(
        source,
        opener,
        None if fitted_source is None else load_source(fitted_source, opener).preprocessing,
    )


def labels(source: DataSource, fitted_source: DataSource | None = None) -> list[int]:
    (column,) = load(source, fitted_source).targets.values()
    return np.asarray(column.gather(np.arange(column.count))).tolist()


def test_train_on_several_fields(tmp_path: Path):
    """Lists of lists and words, from a blueprint."""
    numbers = np.random.default_rng(1)
    rows = [
        {
            "a": list(row[:2]),
            "b": [list(row[2:4]), list(row[4:])],
            "kind": "hot" if sum(row) > 3 else "cold",
        }
        for row in numbers.uniform(size=(200, 6)).tolist()
    ]
    write(tmp_path / "data.jsonl", *rows)
    (tmp_path / "net.yaml").write_text(NET)
    run = tmp_path / "run"
    assert main(["train", str(tmp_path / "net.yaml"), "--run-dir", str(run)]) == 0
    assert json.loads((run / "run.json").read_text())["validation_metrics"]["loss"] < 0.4


def test_jsonl_from_the_command_line(tmp_path: Path):
    """The fields x and y are the defaults."""
    file = write(tmp_path / "d.jsonl", {"x": [1, 2], "y": 0}, {"x": [3, 4], "y": 1})
    spec = data_from_argument(file.path)
    assert spec.train == Jsonl(file)
    assert labels(spec.train) == [0, 1]


@pytest.mark.parametrize("kind", ["jsonl", "csv"])
def test_validation_uses_training_labels(tmp_path: Path, kind: str):
    """Also where one of them is missing; and a word that is no class is told."""

    def source(name: str, words: list[str]) -> DataSource:
        if kind == "jsonl":
            rows = [{"x": [1], "y": word} for word in words]
            return Jsonl(write(tmp_path / f"{name}.jsonl", *rows))
        path = tmp_path / f"{name}.csv"
        path.write_text("x,y\n" + "".join(f"1,{word}\n" for word in words))
        return Csv(DataPath(str(path)))

    train = source("train", ["dog", "cat", "emu"])
    assert labels(train) == [1, 0, 2]
    assert labels(source("held", ["emu", "dog"]), train) == [2, 1]
    with pytest.raises(RunError, match="'fox', which is not a class"):
        labels(source("odd", ["fox"]), train)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([], "has no examples"),
        ([{"x": 1}], "has no field 'y'; it has 'x'"),
        ([[1, 2]], "is not a JSON object"),
        ([{"x": [1], "y": 1}, {"x": [1, 2], "y": 1}], "the first one has"),
        ([{"x": [[1], [1, 2]], "y": 1}], "different lengths"),
        ([{"x": "one", "y": 1}], "values of a type other than numbers"),
        ([{"x": 1, "y": "a"}, {"x": 1, "y": 2}], "values of a type other than numbers"),
        ([{"x": 1, "y": float("nan")}], "is not finite"),
    ],
)
def test_invalid_lines(tmp_path: Path, rows: list[object], message: str):
    """The line is named."""
    with pytest.raises(RunError, match=message):
        load(Jsonl(write(tmp_path / "d.jsonl", *rows)))


def test_line_is_not_json(tmp_path: Path):
    """It is named too."""
    (tmp_path / "d.jsonl").write_text('{"x": 1, "y": 1}\n{"x": \n')
    with pytest.raises(RunError, match=r"d\.jsonl':2 is not valid JSON"):
        load(Jsonl(DataPath(str(tmp_path / "d.jsonl"))))


def test_words_as_input(tmp_path: Path):
    """Although a target may be words, an input of the same field needs numbers."""
    file = write(tmp_path / "a.jsonl", {"x": "a"}, {"x": "b"})
    with pytest.raises(
        RunError, match=r"the field 'x' of .*a\.jsonl':1 has values of a type other than numbers"
    ):
        load(Jsonl(file, "x", "x"))


@pytest.mark.parametrize(
    ("feature", "value"),
    [
        (FeatureConfig("wrods", vocabulary=("a",)), "a"),
        (FeatureConfig("wrods", tokenizer="words", sequence_length=3), "a"),
        (FeatureConfig("wrods", length=3, vocabulary=("a",)), ["a"]),
        (FeatureConfig("wrods", missing=0.0), 1),
    ],
    ids=["category", "text", "list", "number"],
)
def test_field_that_no_line_has(tmp_path: Path, feature: FeatureConfig, value: object):
    """A mistyped name is not a value that is missing on each line, in any of several files."""
    write(tmp_path / "a.jsonl", {"wrods": value, "y": 0}, {"y": 1})
    source = Jsonl(DataPath(str(tmp_path / "*.jsonl")), inputs={"x": feature}, targets="y")
    assert load(source).count == 2
    write(tmp_path / "b.jsonl", {"words": value, "y": 0}, {"y": 1})
    with pytest.raises(RunError) as error:
        load(source)
    assert str(error.value) == (
        f"no line of '{tmp_path / 'b.jsonl'}' has the field 'wrods', in which null stands for a"
        " missing value; did you mean 'words'?"
    )
