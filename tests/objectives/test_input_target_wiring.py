"""Inputs and outputs that take their values from each other, and classes that count more."""

from __future__ import annotations

import json
from pathlib import Path

import keras
import numpy as np
import pytest

from archbuilder.cli import main
from archbuilder.config import data_from_argument
from archbuilder.data.file_access import DataFileOpener
from archbuilder.data.sources import load_source

AUTOENCODER = """
archbuilder: 1
name: net
inputs: {image: [8, 8]}
layers:
  - Flatten
  - {Dense: {units: 24, activation: relu}, name: code}
  - {Dense: {units: 64, activation: sigmoid}, name: again}
  - {Dense: 10, from: code, name: digit}
outputs: {again: again, digit: digit}
data: digits
training:
  loss: {again: MeanSquaredError, digit: {SparseCategoricalCrossentropy: {from_logits: true}}}
  loss_weights: {digit: 0.01}
  target_from_input: {again: image}
  metrics: {digit: SparseCategoricalAccuracy}
  epochs: 15
  validation_split: 0.1
"""
LABELLED = """
archbuilder: 1
name: net
inputs: {image: [8, 8], label: {shape: [], dtype: int32}}
layers:
  - {Embedding: {input_dim: 10, output_dim: 16}, from: label}
  - {Dense: {units: 10, activation: softmax}, name: digit}
outputs: {digit: digit}
data: digits
training:
  loss: CategoricalCrossentropy
  feed_targets_to_inputs: {label: digit}
  metrics: CategoricalAccuracy
  optimizer: {Adam: 0.1}
  epochs: 3
"""
WEIGHTED = """
archbuilder: 1
name: net
inputs: {image: [8, 8]}
layers:
  - Flatten
  - Dense: {units: 10, activation: softmax}
data: digits
training:
  loss: LOSS
  class_weight: {0: 0, 1: 0, 2: 0, 4: 0, 5: 0, 6: 0, 7: 0, 8: 0, 9: 0.0}
  optimizer: {Adam: 0.05}
  epochs: 10
"""


def train(folder: Path, text: str) -> Path:
    (folder / "net.yaml").write_text(text)
    assert main(["train", str(folder / "net.yaml"), "--run-dir", str(folder / "run")]) == 0
    return folder / "run"


def validation_metrics(run: Path) -> dict[str, float]:
    metrics: dict[str, float] = json.loads((run / "run.json").read_text())["validation_metrics"]
    return metrics


def test_target_from_input(tmp_path: Path):
    """It gives the image again, flattened and scaled as the output is."""
    run = train(tmp_path, AUTOENCODER)
    assert validation_metrics(run)["again_loss"] < 0.03
    model = keras.saving.load_model(run / "net.keras")
    dataset = load_source(data_from_argument("digits").train, DataFileOpener())
    images = np.asarray(next(iter(dataset.inputs.values())).column.gather(np.arange(50))) / 16
    again = np.asarray(model(images.astype(np.float32))["again"])
    error = np.square(again - images.reshape(50, 64)).mean()
    assert error < 0.5 * images.var(axis=0).mean()


def test_feed_targets_to_inputs(tmp_path: Path):
    """A network that sees the label has only to say it again."""
    assert validation_metrics(train(tmp_path, LABELLED))["categorical_accuracy"] == 1


@pytest.mark.parametrize("loss", ["SparseCategoricalCrossentropy", "CategoricalCrossentropy"])
def test_class_weight_of_zero(tmp_path: Path, loss: str):
    """Where all others have no weight, the network knows no other."""
    run = train(tmp_path, WEIGHTED.replace("LOSS", loss))
    model = keras.saving.load_model(run / "net.keras")
    noise = np.random.default_rng(1).uniform(size=(20, 8, 8)).astype(np.float32)
    assert (np.asarray(model(noise)).argmax(axis=1) == 3).all()


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "target_from_input: {again: image}",
            "target_from_input: {agian: image}",
            "no output 'agian'",
        ),
        (
            "target_from_input: {again: image}",
            "target_from_input: {again: imagge}",
            "no input 'imagge'",
        ),
        (
            "target_from_input: {again: image}",
            "target_from_input: [again]",
            "a mapping of outputs to inputs",
        ),
        ("target_from_input: {again: image}", "target_from_input: {digit: image}", "takes"),
        (
            "target_from_input:",
            "class_weight: {digit: {10: 2}}\n  target_from_input:",
            "there is a weight for class",
        ),
        (
            "target_from_input:",
            "class_weight: {again: {1: 2}}\n  target_from_input:",
            "has no class labels for 'class_weight'",
        ),
        ("target_from_input:", "class_weight: {1: 2}\n  target_from_input:", "must name them"),
        (
            "target_from_input:",
            f"class_weight: {{digit: {dict.fromkeys(range(10), 0)}}}\n  target_from_input:",
            "all classes of the output 'digit' have a weight of 0",
        ),
        (
            "target_from_input:",
            "class_weight: {digit: {one: 2}}\n  target_from_input:",
            "a weight for class 'one'",
        ),
        (
            "target_from_input:",
            "class_weight: {digit: {1: -2}}\n  target_from_input:",
            "the weight of class '1'",
        ),
    ],
)
def test_invalid_wiring(
    tmp_path: Path, old: str, new: str, message: str, capsys: pytest.CaptureFixture[str]
):
    """Each is told before training begins."""
    assert old in AUTOENCODER
    (tmp_path / "net.yaml").write_text(AUTOENCODER.replace(old, new))
    assert main(["train", str(tmp_path / "net.yaml"), "--run-dir", str(tmp_path / "run")]) != 0
    assert message in capsys.readouterr().err


def test_loss_weight_of_a_single_output(tmp_path: Path):
    """Also where it is the only one, whose loss nothing else is added to."""
    numbers = []
    for weight in ("1", "3"):
        (tmp_path / weight).mkdir()
        text = LABELLED.replace("training:", f"training:\n  loss_weights: {{digit: {weight}}}")
        numbers.append(
            validation_metrics(train(tmp_path / weight, text.replace("Adam: 0.1", "Adam: 1e-6")))
        )
    assert numbers[1]["loss"] == pytest.approx(3 * numbers[0]["loss"], rel=1e-3)
