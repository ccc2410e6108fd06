"""What is wrong with data is shown beside the line of the blueprint that names the data."""

from __future__ import annotations

from pathlib import Path

import pytest

from archbuilder.cli import main

NET = """\
archbuilder: 1
name: net
inputs: {x: {shape: [2], dtype: int32}}
layers:
  - ops.cast: {dtype: float32}
  - Dense: {units: 2, activation: softmax}
data:
  train: {csv: {file: tab.csv, target: kind}}
  validation: {csv: other.csv}
training: {loss: SparseCategoricalCrossentropy, epochs: 1}
"""
RIGHT = "a,b,kind\n1,2,x\n3,4,y\n"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name in ("tab.csv", "other.csv"):
        Path(name).write_text(RIGHT)
    Path("net.yaml").write_text(NET)
    return tmp_path


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(
    ("file", "text", "location"),
    [
        ("tab.csv", RIGHT.replace("4", "oops"), "net.yaml:8:23"),
        ("tab.csv", RIGHT.replace("4", "4.5"), "net.yaml:8:23"),
        ("other.csv", RIGHT.replace("4", "4.5"), "net.yaml:9:21"),
        ("other.csv", RIGHT.replace("b", "c"), "net.yaml:9:21"),
    ],
    ids=["while it is read", "for the network", "of the validation set", "another column"],
)
def test_data_errors_have_a_location(
    capsys: pytest.CaptureFixture[str], file: str, text: str, location: str
):
    """The message has the file, and the place where it is named, whatever finds the error."""
    Path(file).write_text(text)
    assert main(["train", "net.yaml"]) == 1
    message, arrow, *_ = capsys.readouterr().err.splitlines()
    assert message.startswith("error[invalid-data]: ")
    assert f"'{file}'" in message
    assert arrow.split() == ["-->", location]


@pytest.mark.usefixtures("folder")
def test_data_errors_of_the_command_line_have_no_location(capsys: pytest.CaptureFixture[str]):
    """The person who named it needs no place."""
    Path("own.csv").write_text(RIGHT.replace("4", "oops"))
    assert main(["train", "net.yaml", "--data", "own.csv"]) == 1
    assert capsys.readouterr().err.startswith("error: line 3 of 'own.csv' has 'oops'")
