"""CTC: labels in the order in which they come, without the time steps at which they do."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from archbuilder.cli import main

TEXT = """
archbuilder: 1
name: net
inputs: {x: [6, 2]}
layers:
  - {SimpleRNN: {units: 12, return_sequences: true}}
  - Dense: 4
data: {npz: {file: data.npz}}
training:
  loss: CTC
  optimizer: {Adam: 0.05}
  epochs: 25
  batch_size: 10
  validation_split: 0.2
"""


def train(folder: Path, labels: np.ndarray, text: str = TEXT) -> int:
    signal = np.repeat(np.sin(labels[:, :2, np.newaxis]), 3, axis=1) * [1, -1]
    np.savez(folder / "data.npz", x=signal, y=labels)
    (folder / "net.yaml").write_text(text)
    return main(["train", str(folder / "net.yaml"), "--run-dir", str(folder / "run")])


def test_ctc_trains(tmp_path: Path):
    """Labels of different lengths, filled up with 0, suit an output of more time steps."""
    labels = np.random.default_rng(0).integers(1, 4, (50, 3))
    labels[:, 2] = np.where(labels[:, 0] == 1, 0, labels[:, 0])
    assert train(tmp_path, labels) == 0
    first, *_, last = (
        json.loads(line) for line in (tmp_path / "run" / "history.jsonl").read_text().splitlines()
    )
    assert last["val_loss"] < first["val_loss"] / 2


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ([[1, 2, 4]], "the blank 0, and labels from 1 to 3"),
        ([[1, 0, 2]], "have a 0 before other labels"),
        ([[1, 1, 1, 1]], "need up to 7 time steps, and the network gives 6"),
        ([[1.5, 2.0]], "are not integers"),
        ([[[1], [2]]], "compares labels [length] with an output [time, classes]"),
    ],
)
def test_ctc_labels_too_long(
    tmp_path: Path, labels: list, message: str, capsys: pytest.CaptureFixture[str]
):
    """They are refused before the first step, which would give an infinite loss."""
    values = np.array(labels * 10)
    np.savez(tmp_path / "data.npz", x=np.zeros((10, 6, 2)), y=values)
    (tmp_path / "net.yaml").write_text(TEXT)
    code = main(["train", str(tmp_path / "net.yaml"), "--run-dir", str(tmp_path / "run")])
    assert (code, message in capsys.readouterr().err) == (1, True)


def test_ctc_softmax_warning(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    """CTC of Keras takes logits, and has no `from_logits`."""
    text = TEXT.replace("Dense: 4", "Dense: {units: 4, activation: softmax}")
    labels = np.ones((10, 2), int)
    labels[:, 1] = 2
    assert train(tmp_path, labels, text.replace("epochs: 25", "epochs: 1")) == 0
    assert "the loss 'CTC' expects logits" in capsys.readouterr().out
