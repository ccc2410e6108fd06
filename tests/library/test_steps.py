"""Every blueprint of the library takes steps of training, and its loss moves."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from library.families import FAMILIES
from library.proof import alone, given
from library.test_saving import models

STEPS = 3


@pytest.mark.parametrize("family", FAMILIES)
def test_the_loss_moves(family: str) -> None:
    """Three steps towards random targets change the loss, which stays finite."""
    keras.utils.set_random_seed(3)
    for model in models(family).values():
        # Two, as one example less its mean leaves nothing where a norm is of features.
        inputs = alone(given(model, length=9, tokens=11, examples=2))
        targets = keras.tree.map_structure(random_like, model(inputs))
        losses = keras.tree.map_structure(lambda _: "mean_squared_error", targets)
        model.compile(keras.optimizers.SGD(0.01), loss=losses)
        made = [
            float(model.train_on_batch(inputs, targets, return_dict=True)["loss"])
            for _ in range(STEPS + 1)
        ]
        assert np.isfinite(made).all()
        assert len(set(made)) > 1


def random_like(output: keras.KerasTensor) -> np.ndarray:
    """Targets of the shape of an output."""
    return np.random.default_rng(4).random(output.shape)
