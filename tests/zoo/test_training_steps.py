"""Every blueprint of the library takes steps of training at its published size."""

from __future__ import annotations

import os

import keras
import numpy as np
import pytest
import tensorflow as tf
from helpers.subprocesses import PROCESSES
from zoo.files import every_variant
from zoo.parity import alone, random_inputs

import archbuilder
from archbuilder import zoo
from archbuilder.formatting import format_bytes
from archbuilder.keras_backend.machine_memory import total_memory

STEPS = 3
CROSS_ENTROPY = "categorical_crossentropy"
SQUARED_ERROR = "mean_squared_error"

EXAMPLES = 2
"""Two, as one example less its mean leaves nothing where a norm is of features."""


def assert_the_loss_moves(model: keras.Model) -> None:
    """Three steps towards random targets change the loss, which stays finite."""
    inputs = alone(random_inputs(model, length=9, tokens=11, examples=EXAMPLES))
    losses = keras.tree.map_structure(loss_of, model.output)
    targets = keras.tree.map_structure(random_targets, model(inputs), losses)
    # XLA takes longer to compile most networks than four steps take.
    model.compile(keras.optimizers.SGD(0.01), loss=losses, jit_compile=False)
    losses_per_step = [
        float(model.train_on_batch(inputs, targets, return_dict=True)["loss"])
        for _ in range(STEPS + 1)
    ]
    assert np.isfinite(losses_per_step).all()
    assert len(set(losses_per_step)) > 1


def loss_of(output: keras.KerasTensor) -> str:
    """The cross entropy of a softmax, for the error of one that saturates has no slope."""
    last = output._keras_history.operation
    softmax = getattr(last, "activation", None) is keras.activations.softmax
    return CROSS_ENTROPY if softmax or isinstance(last, keras.layers.Softmax) else SQUARED_ERROR


def random_targets(output: tf.Tensor, loss: str) -> np.ndarray:
    """Targets of the shape of an output: numbers between 0 and 1, or classes with a one each."""
    numbers = np.random.default_rng(4).random(output.shape)
    return numbers == numbers.max(-1, keepdims=True) if loss == CROSS_ENTROPY else numbers


@pytest.mark.parity
@pytest.mark.parametrize(("name", "variant"), every_variant())
def test_published_sizes_train(name: str, variant: str) -> None:
    """Every variant that fits takes them at its published size.

    Those that train beside one another share half of the memory. Each has a process of its own, as
    one process that trains hundreds does not give back what it took.
    """
    blueprint = archbuilder.load(zoo.path(name))
    analyses = blueprint.analyze(variant=variant).values()
    needed = sum(each.training_bytes(EXAMPLES) for each in analyses)
    if needed > total_memory() // 2 // int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1")):
        pytest.skip(f"training takes {format_bytes(needed)}")
    process = PROCESSES.Process(target=_train_published_size, args=(name, variant))
    process.start()
    process.join()
    assert process.exitcode == 0


def _train_published_size(name: str, variant: str) -> None:
    keras.utils.set_random_seed(3)
    compiled = archbuilder.load(zoo.path(name)).compile(variant=variant)
    for model in compiled.values() if isinstance(compiled, dict) else [compiled]:
        assert_the_loss_moves(model)
