"""The values of variables as arrays, and back."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from archbuilder.data.position import TrainingPosition
from archbuilder.diagnostics.errors import RunError
from archbuilder.files.sandbox import SandboxPath
from archbuilder.runs.checkpoint_manager import Checkpoint, CheckpointManager
from archbuilder.runs.state_dict import first_non_finite, load_state_dict, state_dict


def bfloat16_model() -> keras.Model:
    """Return a compiled network with variables of dtype bfloat16, some of them scalars."""
    inputs = keras.Input([2])
    outputs = keras.layers.Dense(3, dtype="bfloat16")(inputs)
    outputs = keras.layers.PReLU(shared_axes=[1], dtype="bfloat16")(outputs)
    model = keras.Model(inputs, outputs)
    model.compile("sgd", "mse")
    model.optimizer.build(model.trainable_variables)
    return model


def test_bfloat16_survives_a_checkpoint(tmp_path: Path):
    """Values are exact after a file, which holds the bits of bfloat16."""
    model, manager = bfloat16_model(), CheckpointManager(SandboxPath(tmp_path))
    saved = {name: array.copy() for name, array in state_dict(model).items()}
    assert any(array.dtype == tf.bfloat16.as_numpy_dtype for array in saved.values())
    manager.save(Checkpoint(TrainingPosition(0, 1), (), saved))
    for variable in model.variables:
        variable.assign(variable + 1)
    restored = manager.latest(pytest.fail)
    assert restored is not None
    load_state_dict(model, restored.arrays)
    for name, values in state_dict(model).items():
        assert np.array_equal(values, saved[name])


def test_bfloat16_that_diverged_is_reported():
    """NaN in a layer of bfloat16 is found as in one of float32."""
    model = bfloat16_model()
    assert first_non_finite(state_dict(model)) is None
    model.variables[0].assign(np.full((2, 3), np.nan))
    assert first_non_finite(state_dict(model)) == "network.00000"


@pytest.mark.parametrize(
    "damaged",
    [
        np.zeros((2, 3), np.uint8),
        np.zeros((2, 6), np.uint8),
        np.zeros((2, 3), np.float16),
        np.array(0, np.float32),
    ],
    ids=lambda array: f"{array.dtype}-{array.ndim}",
)
def test_unexpected_dtype_in_place_of_bfloat16(damaged: np.ndarray):
    """A crafted checkpoint is refused with our own error, whatever dtype it has there."""
    model = bfloat16_model()
    with pytest.raises(RunError, match=r"another shape or dtype for 'network\.00000'"):
        load_state_dict(model, {**state_dict(model), "network.00000": damaged})
