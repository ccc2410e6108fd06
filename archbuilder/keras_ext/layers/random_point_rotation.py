"""Random rotations of point clouds."""

from __future__ import annotations

import math
from typing import Final

import keras
from keras import ops

from archbuilder.keras_ext.layers._typing import Tensor
from archbuilder.keras_ext.layers.random_layer import RandomLayer, over_examples, symmetric_range

_AXES: Final = "xyz"


@keras.saving.register_keras_serializable(package="archbuilder")
class RandomPointRotation(RandomLayer):
    """Rotates each point cloud about an axis by a random angle, in training only.

    Source: Qi et al. 2017, "PointNet", arXiv:1612.00593, section 5.1, about the axis that points
    up.

    Args:
        axis: The axis: `x`, `y` or `z`.
        factor: Bounds of the angle as fractions of a full turn, or a number for those from its
            negative to itself, as for `RandomRotation`. 0.5 rotates by any angle.
        seed: Seed of the random numbers.
        **kwargs: Keyword arguments of every layer, such as `name` and `dtype`.

    Input shape:
        `(batch, points, values)`: the first three values of a point are its coordinates, and others
        stay as they are.

    Output shape:
        The same.
    """

    def __init__(
        self,
        axis: str = "z",
        factor: float | tuple[float, float] = 0.5,
        seed: int | None = None,
        **kwargs: object,
    ) -> None:
        super().__init__(seed=seed, **kwargs)
        if axis not in _AXES:
            raise ValueError(f"axis must be 'x', 'y' or 'z', not {axis!r}")
        self.axis, self.factor = axis, factor
        self._bounds = symmetric_range(factor, "factor")
        self.input_spec = keras.layers.InputSpec(ndim=3)

    def transform(self, inputs: Tensor) -> Tensor:
        """Return the points, rotated."""
        if inputs.shape[-1] is None or inputs.shape[-1] < len(_AXES):
            raise ValueError(f"points need three coordinates, not {inputs.shape[-1]}")
        angle = over_examples(self.uniform((ops.shape(inputs)[0],), self._bounds), 3) * math.tau
        cos, sin = ops.cast(ops.cos(angle), inputs.dtype), ops.cast(ops.sin(angle), inputs.dtype)
        values = ops.split(inputs, inputs.shape[-1], axis=-1)
        # Counterclockwise, seen from the tip of the axis.
        first, second = ((_AXES.index(self.axis) + step) % 3 for step in (1, 2))
        values[first], values[second] = (
            values[first] * cos - values[second] * sin,
            values[first] * sin + values[second] * cos,
        )
        return ops.concatenate(values, axis=-1)
