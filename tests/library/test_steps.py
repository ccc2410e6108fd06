"""Every blueprint of the library takes steps of training, and its loss moves."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from library.families import FAMILIES
from library.files import every_variant
from library.proof import alone, given
from library.test_saving import models

import archbuilder
from archbuilder import library
from archbuilder.backend.memory import machine_bytes
from archbuilder.tables import size

STEPS = 3


EXAMPLES = 2
"""Two, as one example less its mean leaves nothing where a norm is of features."""


def assert_the_loss_moves(model: keras.Model) -> None:
    """Three steps towards random targets change the loss, which stays finite."""
    inputs = alone(given(model, length=9, tokens=11, examples=EXAMPLES))
    targets = keras.tree.map_structure(random_like, model(inputs))
    losses = keras.tree.map_structure(loss_of, model.output)
    model.compile(keras.optimizers.SGD(0.01), loss=losses)
    made = [
        float(model.train_on_batch(inputs, targets, return_dict=True)["loss"])
        for _ in range(STEPS + 1)
    ]
    assert np.isfinite(made).all()
    assert len(set(made)) > 1


def loss_of(output: keras.KerasTensor) -> str:
    """The cross entropy of a softmax, for the error of one that saturates has no slope."""
    last = output._keras_history.operation
    softmax = getattr(last, "activation", None) is keras.activations.softmax
    return "categorical_crossentropy" if softmax else "mean_squared_error"


def random_like(output: keras.KerasTensor) -> np.ndarray:
    """Targets of the shape of an output."""
    return np.random.default_rng(4).random(output.shape)


@pytest.mark.parametrize("family", FAMILIES)
def test_small_forms_train(family: str) -> None:
    """Every blueprint takes steps of training."""
    keras.utils.set_random_seed(3)
    for model in models(family).values():
        assert_the_loss_moves(model)


@pytest.mark.proof
@pytest.mark.parametrize(("name", "variant"), every_variant())
def test_published_sizes_train(name: str, variant: str) -> None:
    """Every variant that fits half of the memory takes them at its published size."""
    keras.utils.set_random_seed(3)
    blueprint = archbuilder.load(library.path(name))
    analyses = blueprint.analyse(variant=variant).values()
    needed = sum(each.training_bytes(EXAMPLES) for each in analyses)
    if needed > machine_bytes() // 2:
        pytest.skip(f"training takes {size(needed)}")
    compiled = blueprint.compile(variant=variant)
    for model in compiled.values() if isinstance(compiled, dict) else [compiled]:
        assert_the_loss_moves(model)
    keras.backend.clear_session()
