"""`archbuilder compile --weights`, as a person types it."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
import pytest

from archbuilder.cli import main

NET = """
archbuilder: 1
name: net
params: {classes: 3}
inputs: {x: [4]}
layers:
  - {Dense: 5, name: hidden}
  - {Dense: $classes, name: head}
"""
TWO = """
archbuilder: 1
name: pair
networks:
  first: {inputs: {x: [4]}, layers: [Dense: 2]}
  second: {inputs: {x: [4]}, layers: [Dense: 3]}
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with blueprints, and the weights of one of them."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "net.yaml").write_text(NET)
    (tmp_path / "pair.yaml").write_text(TWO)
    assert main(["compile", "net.yaml", "-o", "source.keras"]) == 0
    return tmp_path


def test_compile_with_weights(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A model starts with the weights of another."""
    assert main(["compile", "net.yaml", "--weights", "source.keras"]) == 0
    assert "net: loaded 4 of 4 weights from 'source.keras', by name" in capsys.readouterr().err
    source, compiled = (
        keras.saving.load_model(folder / f"{name}.keras") for name in ("source", "net")
    )
    for mine, expected in zip(compiled.weights, source.weights, strict=True):
        np.testing.assert_array_equal(np.asarray(mine), np.asarray(expected))


def test_mismatched_weights(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing is written, and the message tells what does not fit and what to do."""
    command = ["compile", "net.yaml", "--set", "classes=7", "--weights", "source.keras"]
    capsys.readouterr()
    assert main(command) == 1
    message, report = capsys.readouterr()[::-1]
    assert message.startswith("error: the weights in 'source.keras' do not fit net")
    assert report == ""
    assert "2 of its 4 weights match" in message
    assert "head/kernel is 5x7 in the model and 5x3 in the file, as 'head/vars/0'" in message
    assert "--skip-mismatch" in message
    assert not (folder / "net.keras").exists()
    assert main([*command, "--skip-mismatch"]) == 0
    assert "net: loaded 2 of 4 weights from 'source.keras'" in capsys.readouterr().err
    assert (folder / "net.keras").exists()


def test_long_list_of_mismatched_weights(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The list is cut and says how long it is; a dry run has the whole list."""
    text = "archbuilder: 1\nparams: {units: 4}\ninputs: {x: [4]}\n"
    (folder / "deep.yaml").write_text(text + "layers: [{Dense: $units, repeat: 12}]\n")
    assert main(["compile", "deep.yaml", "-o", "deep.keras"]) == 0
    command = ["compile", "deep.yaml", "--set", "units=5", "--weights", "deep.keras"]
    capsys.readouterr()
    assert main([*command, "-o", "other.keras"]) == 1
    message = capsys.readouterr().err
    assert message.count(" in the model and ") == 20
    assert "and 4 more; 'archbuilder compile BLUEPRINT --weights FILE --dry-run' lists" in message
    for options, code in (([], 1), (["--skip-mismatch"], 0)):
        assert main([*command, *options, "--dry-run"]) == code
        captured = capsys.readouterr()
        assert captured.err.count(" in the model and ") == 24
        assert ("no file written" in captured.out) == (code == 0)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["net.yaml", "--weights", "none.h5"], "cannot read 'none.h5': there is no such file"),
        (
            ["net.yaml", "--skip-mismatch"],
            "--match and --skip-mismatch can only be used with --weights",
        ),
        (["net.yaml", "--weights", "net.yaml"], "is not a weights file"),
        (["pair.yaml", "--weights", "source.keras"], "--weights first=source.keras"),
        (["pair.yaml", "--weights", "third=source.keras"], "the networks first, second"),
        (
            ["net.yaml", "--weights", "source.keras", "--weights", "source.keras"],
            "is given twice for the network 'net'",
        ),
        (["net.yaml", "--weights", "source.keras", "-o", "a.json"], "stores no weights"),
    ],
)
def test_invalid_options(
    arguments: list[str], message: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each is told in one line, before anything is written."""
    assert main(["compile", *arguments]) == 2
    captured = capsys.readouterr()
    assert message in captured.err
    assert not (folder / "a.json").exists()


def test_network_option(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Weights go to the network that is named; the others start anew."""
    assert main(["compile", "pair.yaml", "-o", "models"]) == 0
    command = ["compile", "pair.yaml", "-o", "again", "--weights", "second=models/second.keras"]
    assert main(command) == 0
    assert "second: loaded 2 of 2 weights" in capsys.readouterr().err
    kernels = [
        np.asarray(keras.saving.load_model(folder / name / "second.keras").weights[0])
        for name in ("models", "again")
    ]
    np.testing.assert_array_equal(*kernels)
