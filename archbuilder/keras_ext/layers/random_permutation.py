"""Random orders of the points of a cloud."""

from __future__ import annotations

import keras
from keras import ops

from archbuilder.keras_ext.layers._typing import Tensor
from archbuilder.keras_ext.layers.random_layer import RandomLayer, take_positions


@keras.saving.register_keras_serializable(package="archbuilder")
class RandomPermutation(RandomLayer):
    """Puts the points of each example into a random order, in training only.

    Args:
        seed: Seed of the random numbers.
        **kwargs: Keyword arguments of every layer, such as `name` and `dtype`.

    Input shape:
        `(batch, points, ...)`.

    Output shape:
        The same.
    """

    def transform(self, inputs: Tensor) -> Tensor:
        """Return the points in another order."""
        order = ops.argsort(self.uniform(ops.shape(inputs)[:2]), axis=1)
        return take_positions(inputs, order)
