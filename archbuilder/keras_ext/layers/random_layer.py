"""The base of layers that transform examples at random in training."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import keras
from keras import ops

from archbuilder.keras_ext.constructor_config import ConstructorConfig
from archbuilder.keras_ext.layers._typing import Shape, Tensor


class RandomLayer(ConstructorConfig, keras.layers.Layer):
    """Base of layers that transform each example of a batch on its own, and only in training.

    All random numbers come from `uniform` and `normal`, whose first axis is the examples.

    Args:
        seed: Seed of the random numbers.
        **kwargs: Keyword arguments of every layer, such as `name` and `dtype`.
    """

    def __init__(self, seed: int | None = None, **kwargs: object) -> None:
        super().__init__(**kwargs)
        self.seed = seed
        self.generator = keras.random.SeedGenerator(seed)
        # As that of Keras's image layers: `augment` replaces it to draw the numbers of all examples
        # of a batch, of which a process transforms a share.
        self.backend: Any = SimpleNamespace(random=keras.random)
        self.supports_masking = True
        self.input_spec = keras.layers.InputSpec(min_ndim=2)

    def call(self, inputs: Tensor, training: bool = False) -> Tensor:  # noqa: FBT001, FBT002 - Keras's own
        """Return the inputs, transformed in training."""
        return self.transform(inputs) if training else inputs

    def transform(self, inputs: Tensor) -> Tensor:
        """Return the inputs, transformed."""
        raise NotImplementedError

    def uniform(self, shape: Shape, bounds: tuple[float, float] = (0.0, 1.0)) -> Tensor:
        """Return random numbers between two bounds."""
        low, high = bounds
        # float32 for all dtypes: float16 would make few different numbers.
        return self.backend.random.uniform(shape, low, high, "float32", seed=self.generator)

    def normal(self, shape: Shape) -> Tensor:
        """Return random numbers with the mean 0 and the variance 1."""
        return self.backend.random.normal(shape, 0.0, 1.0, "float32", seed=self.generator)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """Return the shape of the inputs."""
        return input_shape


def symmetric_range(value: float | tuple[float, float], name: str) -> tuple[float, float]:
    """Return a pair of bounds, or those of a number and its negative.

    Raises:
        ValueError: if the first bound is above the second.
    """
    low, high = (-value, value) if isinstance(value, int | float) else value
    if low > high:
        raise ValueError(f"{name} must be a number, or two in ascending order, not {value}")
    return float(low), float(high)


def over_examples(values: Tensor, rank: int) -> Tensor:
    """Return values per example, `(batch,)`, with axes of size 1 up to a rank."""
    return ops.reshape(values, (-1, *[1] * (rank - 1)))


def take_positions(inputs: Tensor, positions: Tensor) -> Tensor:
    """Return the values at positions `(batch, length)` along the second axis."""
    indices = ops.reshape(positions, (*ops.shape(positions), *[1] * (len(inputs.shape) - 2)))
    return ops.take_along_axis(inputs, ops.broadcast_to(indices, ops.shape(inputs)), axis=1)
