"""Which examples are the validation set when the data has none of its own."""

from __future__ import annotations

import json
from pathlib import Path

import keras
import numpy as np
import pytest

from archbuilder.cli import main

NET = """
archbuilder: 1
name: net
inputs: {x: [2]}
layers: [{Dense: 1}]
data: {npz: d.npz}
training: {TRAINING, validation_split: 0.25, shuffle: false}
"""
STEPS = "loss: MeanSquaredError, epochs: 2, batch_size: 4, checkpoint_every_seconds: 0"
HELD = 5


@pytest.fixture
def series(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[np.ndarray, np.ndarray]:
    """Examples that change with time, in the file of the blueprint."""
    monkeypatch.chdir(tmp_path)
    time = np.linspace(0, 3, 20, dtype=np.float32)
    x, y = np.stack([time, time**2], axis=1), time**3
    np.savez("d.npz", x=x, y=y)
    Path("net.yaml").write_text(NET.replace("TRAINING", STEPS))
    return x, y


def history(run: str) -> list[dict[str, float]]:
    rows = [json.loads(line) for line in Path(run, "history.jsonl").read_text().splitlines()]
    return [{name: each for name, each in row.items() if name != "seconds"} for row in rows]


def test_validation_split_without_shuffle(
    series: tuple[np.ndarray, np.ndarray], capsys: pytest.CaptureFixture[str]
):
    """The last examples, as with Keras's `validation_split`; and the run says so."""
    assert main(["train", "net.yaml", "--run-dir", "run"]) == 0
    assert "15 training / 5 validation examples (last examples)\n" in capsys.readouterr().out
    model = keras.saving.load_model("run/net.keras")
    predicted = np.asarray(model(series[0][-HELD:]))[:, 0]
    expected = np.mean((predicted - series[1][-HELD:]) ** 2)
    assert history("run")[-1]["val_loss"] == pytest.approx(expected, rel=1e-5)
    assert main(["inspect-data", "net.yaml"]) == 0
    assert "validation examples  5 (last examples)\n" in capsys.readouterr().out


@pytest.mark.usefixtures("series")
def test_validation_split_after_resume():
    """It comes to the same numbers as a run that was not interrupted."""
    assert main(["train", "net.yaml", "--run-dir", "whole"]) == 0
    assert main(["train", "net.yaml", "--run-dir", "run", "--epochs", "1"]) == 0
    assert main(["train", "--resume", "run", "--epochs", "2"]) == 0
    assert history("run") == history("whole")


@pytest.mark.usefixtures("series")
@pytest.mark.parametrize(("shuffle", "how"), [("false", "last examples"), ("true", "random split")])
def test_validation_split_in_closed_form(
    shuffle: str, how: str, capsys: pytest.CaptureFixture[str]
):
    """A network that is trained in closed form has no epochs, but a validation set."""
    text = NET.replace("TRAINING", "objective: ridge")
    Path("net.yaml").write_text(text.replace("shuffle: false", f"shuffle: {shuffle}"))
    assert main(["train", "net.yaml", "--run-dir", "run"]) == 0
    assert f"15 training / 5 validation examples ({how})\n" in capsys.readouterr().out
