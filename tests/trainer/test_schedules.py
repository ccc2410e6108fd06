"""A schedule of ours in a recipe, and in a run that goes on."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
import pytest
from helpers.keras_objects import keras_object
from safetensors.numpy import load_file

from archbuilder.cli import main
from archbuilder.keras_backend.instantiate import build_object

TEXT = """
archbuilder: 1
name: net
inputs: {image: [8, 8]}
layers: [Flatten, {Dense: {units: 10, activation: softmax}}]
data: digits
training:
  loss: SparseCategoricalCrossentropy
  optimizer: {Adam: {learning_rate: {Noam: {model_size: 64, warmup_steps: 30}}}}
  batch_size: 96
"""


def test_noam_after_resume(tmp_path: Path):
    """A run that is taken up again comes to the weights of one that was left alone."""
    path = tmp_path / "net.yaml"
    path.write_text(TEXT)
    runs = [tmp_path / name for name in ("whole", "parts")]
    assert main(["train", str(path), "--run-dir", str(runs[0]), "--epochs", "3"]) == 0
    assert main(["train", str(path), "--run-dir", str(runs[1]), "--epochs", "1"]) == 0
    assert main(["train", "--resume", str(runs[1]), "--epochs", "3"]) == 0
    uninterrupted, parts = (
        load_file(max((run / "checkpoints").iterdir()) / "variables.safetensors") for run in runs
    )
    for name, array in uninterrupted.items():
        np.testing.assert_array_equal(parts[name], array, err_msg=name)
    rate = keras.saving.load_model(runs[1] / "net.keras").optimizer.learning_rate
    # Three epochs of 15 batches, and the rate of the step behind them.
    assert float(keras.ops.convert_to_tensor(rate)) == pytest.approx(64**-0.5 * 46**-0.5, rel=1e-6)


def test_integer_schedule_arguments():
    """A rate that begins at 0 rises to one that is less than 1."""
    arguments = {
        "initial_learning_rate": 0,
        "decay_steps": 9,
        "warmup_target": 1,
        "warmup_steps": 4,
    }
    schedule: Callable[[int], float] = build_object(
        keras_object("schedule", {"CosineDecay": arguments})
    )
    assert [float(schedule(step)) for step in (0, 1, 4)] == [0, 0.25, 1]
