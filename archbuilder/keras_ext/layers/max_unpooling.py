"""Unpooling: values go back to where the maxima of a pooling stood, as DeconvNet has it."""

from __future__ import annotations

import keras
from keras import ops

from archbuilder.keras_ext.layers._typing import Config, Shape, Tensor
from archbuilder.keras_ext.layers.pooling_windows import standardize_pool_size, window_offsets


@keras.saving.register_keras_serializable(package="archbuilder")
class MaxUnpooling2D(keras.layers.Layer):
    """Puts each value into a window of zeros, at the place that its switch tells.

    `output[p y + i, q x + j] = input[y, x]` where `q i + j = switches[y, x]`, and 0 elsewhere,

    for every channel by itself, where `(p, q)` is the `pool_size`. Switches come from
    `MaxPoolingWithSwitches2D` of the same size. Rows and columns that the pooling left out, as they
    filled no window, do not come back: the output may be smaller than what was pooled.

    Source: Zeiler and Fergus 2013, "Visualizing and Understanding Convolutional Networks",
    section 2.1; Noh, Hong and Han 2015, "Learning Deconvolution Network for Semantic
    Segmentation", section 3.2.1.

    Args:
        pool_size: Integer or pair of integers, the height and the width of a window.
        **kwargs: The arguments of every layer, such as `name` and `dtype`.

    Call arguments:
        inputs: The values.
        switches: Where they go, an integer for each.

    Input shape:
        Twice `(batch, height, width, channels)`; height and width may be left open.

    Output shape:
        `(batch, height * p, width * q, channels)`.
    """

    def __init__(self, pool_size: int | tuple[int, int] = 2, **kwargs: object) -> None:
        super().__init__(**kwargs)
        self.pool_size = standardize_pool_size(pool_size)
        self._build_at_init()

    def call(self, inputs: Tensor, switches: Tensor) -> Tensor:
        """The values at their places."""
        rows, columns = self.pool_size
        _, height, width, channels = ops.shape(inputs)
        zeros = ops.zeros_like(inputs)
        windows = [
            ops.where(switches == index, inputs, zeros)
            for index, _ in enumerate(window_offsets(self.pool_size))
        ]
        output_rows = [
            ops.stack(windows[row * columns : (row + 1) * columns], axis=3) for row in range(rows)
        ]
        shape = (-1, height * rows, width * columns, channels)
        return ops.reshape(ops.stack(output_rows, axis=2), shape)

    def compute_output_shape(self, inputs_shape: Shape, switches_shape: Shape) -> Shape:
        """Larger than the inputs by the size of the windows.

        Raises:
            ValueError: when the inputs are no maps of channels, or when a value has no switch.
        """
        if len(inputs_shape) != 4:
            raise ValueError(
                f"inputs must be maps (batch, height, width, channels): {inputs_shape}"
            )
        if not _shapes_compatible(inputs_shape, switches_shape):
            raise ValueError(
                f"every value needs a switch, but inputs are {inputs_shape[1:]}"
                f" and switches are {switches_shape[1:]}"
            )
        batch, height, width, channels = inputs_shape
        rows, columns = self.pool_size
        return (
            batch,
            None if height is None else height * rows,
            None if width is None else width * columns,
            channels,
        )

    def compute_output_spec(self, inputs: Tensor, switches: Tensor) -> keras.KerasTensor:
        """What the call gives.

        Raises:
            ValueError: when shapes do not fit, or when switches are not whole numbers.
        """
        if not keras.backend.is_int_dtype(switches.dtype):
            raise ValueError(f"switches must be whole numbers, not {switches.dtype}")
        shape = self.compute_output_shape(inputs.shape, switches.shape)
        return keras.KerasTensor(shape, dtype=self.compute_dtype)

    def get_config(self) -> Config:
        """The arguments of the constructor."""
        return {**super().get_config(), "pool_size": list(self.pool_size)}


def _shapes_compatible(first: Shape, second: Shape) -> bool:
    """Whether two shapes are the same, or may be where sizes are open."""
    return len(first) == len(second) and all(
        first_size == second_size or first_size is None or second_size is None
        for first_size, second_size in zip(first, second, strict=True)
    )
