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


def test_test_set(series: tuple[np.ndarray, np.ndarray], capsys: pytest.CaptureFixture[str]):
    """It is held out from all else, and evaluated once, with the weights of the best epoch."""
    x, y = series
    settings = "validation_split: 0.2, test_split: {last: 0.15}, save_best: loss"
    text = NET.replace("TRAINING", STEPS).replace("validation_split: 0.25", settings)
    Path("net.yaml").write_text(text.replace("shuffle: false", "seed: 1"))
    assert main(["train", "net.yaml", "--run-dir", "run", "--epochs", "1"]) == 0
    log = capsys.readouterr().out
    assert "13 training / 4 validation / 3 test examples (random split; test: last exa" in log
    assert "Test - loss: " in log
    assert main(["train", "--resume", "run", "--epochs", "2"]) == 0
    model = keras.saving.load_model("run/net.best.keras")
    expected = np.mean((np.asarray(model(x[-3:]))[:, 0] - y[-3:]) ** 2)
    record = json.loads(Path("run/run.json").read_text())
    assert record["test_metrics"] == {"loss": pytest.approx(expected, rel=1e-5)}
    capsys.readouterr()
    assert main(["evaluate", "run", "--test", "--weights", "best", "--format", "json"]) == 0
    metrics = json.loads(capsys.readouterr().out)
    assert metrics == {"loss": pytest.approx(expected, rel=1e-5)}
    assert main(["inspect-data", "net.yaml"]) == 0
    assert "validation examples  4 (random split; test: last exam" in capsys.readouterr().out
    assert main(["evaluate", "run", "--test", "--data", "d.npz"]) == 2
    assert "'test' cannot be used with 'data'" in capsys.readouterr().err


def test_sources_of_all_sets(
    series: tuple[np.ndarray, np.ndarray], capsys: pytest.CaptureFixture[str]
):
    """Each set may have its own source; nothing is split off then."""
    x, y = series
    np.savez("t.npz", x=x[:6], y=y[:6])
    sources = "{train: {npz: d.npz}, validation: {npz: d.npz}, test: {npz: t.npz}}"
    text = NET.replace("TRAINING, validation_split: 0.25", "objective: ridge")
    text = text.replace("{npz: d.npz}", sources)
    Path("net.yaml").write_text(text)
    assert main(["train", "net.yaml", "--run-dir", "run"]) == 0
    assert "20 training / 20 validation / 6 test examples\n" in capsys.readouterr().out
    predicted = np.asarray(keras.saving.load_model("run/net.keras")(x[:6]))[:, 0]
    record = json.loads(Path("run/run.json").read_text())
    expected = np.mean((predicted - y[:6]) ** 2)
    assert record["test_metrics"]["loss"] == pytest.approx(expected, rel=1e-4)
    assert main(["evaluate", "run", "--test", "--format", "json"]) == 0
    assert json.loads(capsys.readouterr().out) == pytest.approx(record["test_metrics"])
    report = ["inspect-data", "net.yaml", "--format", "json"]
    assert main(report) == 0
    assert json.loads(capsys.readouterr().out)["test_examples"] == 6
    Path("net.yaml").write_text(text.replace(", test: {npz: t.npz}", ""))
    assert main(["train", "net.yaml", "--run-dir", "other"]) == 0
    assert main(["evaluate", "other", "--test"]) == 2
    assert "the run has no test set" in capsys.readouterr().err


def test_train_split(series: tuple[np.ndarray, np.ndarray], capsys: pytest.CaptureFixture[str]):
    """Statistics and weights come from these examples alone; the validation set stays as it is."""
    x, y = series
    text = NET.replace("{Dense: 1}", "{Normalization: {adapt: true}}, {Dense: 1}")
    text = text.replace("TRAINING", "objective: {ridge: {alpha: 1e-9}}, train_split: {last: 0.25}")
    Path("net.yaml").write_text(text)
    assert main(["train", "net.yaml", "--run-dir", "run"]) == 0
    assert "5 training / 5 validation examples (last examples; training: last examples, of 15)" in (
        capsys.readouterr().out
    )
    model = keras.saving.load_model("run/net.keras")
    assert np.asarray(model.layers[1].mean).ravel() == pytest.approx(x[10:15].mean(0), rel=1e-5)
    inputs = np.column_stack([x, np.ones(20)])
    solution = np.linalg.lstsq(inputs[10:15], y[10:15], rcond=None)[0]
    assert np.asarray(model(x))[:, 0] == pytest.approx(inputs @ solution, abs=0.01)
    record = json.loads(Path("run/run.json").read_text())
    expected = np.mean((np.asarray(model(x[-HELD:]))[:, 0] - y[-HELD:]) ** 2)
    assert record["validation_metrics"]["loss"] == pytest.approx(expected, rel=1e-4)
    assert main(["evaluate", "run", "--format", "json"]) == 0
    assert json.loads(capsys.readouterr().out)["loss"] == pytest.approx(expected, rel=1e-4)
    assert main(["inspect-data", "net.yaml", "--format", "json"]) == 0
    assert json.loads(capsys.readouterr().out)["training_examples"] == 5
