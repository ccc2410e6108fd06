"""Random masks over steps or frequencies."""

from __future__ import annotations

import keras
from keras import ops

from archbuilder.keras_ext.layers._typing import Shape, Tensor
from archbuilder.keras_ext.layers.random_layer import RandomLayer, over_examples


@keras.saving.register_keras_serializable(package="archbuilder")
class RandomMasking(RandomLayer):
    """Replaces a random range of each example by a constant, in training only.

    The width of the range is drawn uniformly, up to a fraction of the axis, and then its position.

    Source: Park et al. 2019, "SpecAugment", arXiv:1904.08779, section 2: time masking with axis 1,
    and frequency masking with axis 2 of a spectrogram.

    Args:
        factor: Largest width, as a fraction of the axis.
        axis: The axis of the range: 1 for time, 2 for the frequencies or the channels.
        count: Number of ranges, which may overlap.
        fill_value: The constant.
        seed: Seed of the random numbers.
        **kwargs: Keyword arguments of every layer, such as `name` and `dtype`.

    Input shape:
        `(batch, time, ...)`.

    Output shape:
        The same.
    """

    def __init__(
        self,
        factor: float = 0.1,
        axis: int = 1,
        count: int = 1,
        fill_value: float = 0.0,
        seed: int | None = None,
        **kwargs: object,
    ) -> None:
        super().__init__(seed=seed, **kwargs)
        if not 0 <= factor <= 1 or axis < 1 or count < 1:
            raise ValueError(
                "factor must be from 0 to 1, and axis and count at least 1, not"
                f" {factor}, {axis} and {count}"
            )
        self.factor, self.axis, self.count, self.fill_value = factor, axis, count, fill_value

    def build(self, input_shape: Shape) -> None:
        """Check that inputs have the axis.

        Raises:
            ValueError: if they have not.
        """
        if len(input_shape) <= self.axis:
            raise ValueError(
                f"'axis' must be from 1 to {len(input_shape) - 1} for inputs of the shape"
                f" {list(input_shape)}, not {self.axis}"
            )

    def transform(self, inputs: Tensor) -> Tensor:
        """Return the inputs without some ranges."""
        shape = ops.shape(inputs)
        size, rank = ops.cast(shape[self.axis], "float32"), len(shape)
        positions = ops.reshape(
            ops.arange(shape[self.axis], dtype="float32"),
            [-1 if axis == self.axis else 1 for axis in range(rank)],
        )
        for _ in range(self.count):
            width = ops.floor(self.uniform((shape[0],), (0.0, self.factor)) * (size + 1))
            start = ops.floor(self.uniform((shape[0],)) * (size - width + 1))
            first, end = over_examples(start, rank), over_examples(start + width, rank)
            is_masked = ops.logical_and(positions >= first, positions < end)
            inputs = ops.where(is_masked, ops.cast(self.fill_value, inputs.dtype), inputs)
        return inputs
