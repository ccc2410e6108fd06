"""Random shifts of recordings and series in time."""

from __future__ import annotations

import keras
from keras import ops

from archbuilder.keras_ext.layers._typing import Tensor
from archbuilder.keras_ext.layers.random_layer import RandomLayer, symmetric_range, take_positions


@keras.saving.register_keras_serializable(package="archbuilder")
class RandomTimeShift(RandomLayer):
    """Moves each example by a random number of steps in time, in training only.

    Args:
        factor: Bounds of the shift as fractions of the length, or a number for those from its
            negative to itself. A positive shift moves an example to later steps.
        fill_mode: What fills the steps that become free: `constant`, zeros; or `wrap`, the steps
            that leave the other end.
        seed: Seed of the random numbers.
        **kwargs: Keyword arguments of every layer, such as `name` and `dtype`.

    Input shape:
        `(batch, time, ...)`.

    Output shape:
        The same.
    """

    def __init__(
        self,
        factor: float | tuple[float, float] = 0.1,
        fill_mode: str = "constant",
        seed: int | None = None,
        **kwargs: object,
    ) -> None:
        super().__init__(seed=seed, **kwargs)
        if fill_mode not in ("constant", "wrap"):
            raise ValueError(f"fill_mode must be 'constant' or 'wrap', not {fill_mode!r}")
        self.factor, self.fill_mode = factor, fill_mode
        self._bounds = symmetric_range(factor, "factor")
        if max(map(abs, self._bounds)) > 1:
            raise ValueError(f"factor must be from -1 to 1, not {factor}")

    def transform(self, inputs: Tensor) -> Tensor:
        """Return the inputs at other steps."""
        shape = ops.shape(inputs)
        length = shape[1]
        fractions = self.uniform((shape[0],), self._bounds)
        shifts = ops.cast(ops.round(fractions * ops.cast(length, "float32")), "int32")
        sources = ops.arange(length, dtype="int32") - ops.expand_dims(shifts, 1)
        shifted = take_positions(inputs, ops.mod(sources, length))
        if self.fill_mode == "wrap":
            return shifted
        is_inside = ops.logical_and(sources >= 0, sources < length)
        axes = [1] * (len(shape) - 2)
        is_inside = ops.reshape(is_inside, (*ops.shape(is_inside), *axes))
        return ops.where(is_inside, shifted, ops.zeros_like(shifted))
