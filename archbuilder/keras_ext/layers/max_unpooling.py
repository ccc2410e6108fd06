"""Unpooling: values go back to the positions of the pooled maxima, as in DeconvNet."""

from __future__ import annotations

import keras
from keras import ops

from archbuilder.keras_ext.constructor_config import ConstructorConfig
from archbuilder.keras_ext.layers._typing import Config, Shape, Tensor
from archbuilder.keras_ext.layers.pooling_windows import standardize_pool_size, window_offsets


@keras.saving.register_keras_serializable(package="archbuilder")
class MaxUnpooling2D(ConstructorConfig, keras.layers.Layer):
    """Puts each value into a window of zeros, at the index given by its argmax.

    `output[p y + i, q x + j] = input[y, x]` where `q i + j = argmax[y, x]`, and 0 elsewhere,

    for each channel separately, where `(p, q)` is the `pool_size`. The argmax comes from
    `MaxPoolingWithArgmax2D` with the same `pool_size`: an index within the window, not one in the
    whole map. Rows and columns that the pooling dropped are not restored: the output may be smaller
    than the input of the pooling.

    Source: Zeiler and Fergus 2013, "Visualizing and Understanding Convolutional Networks",
    section 2.1; Noh, Hong and Han 2015, "Learning Deconvolution Network for Semantic
    Segmentation", section 3.2.1.

    Args:
        pool_size: Integer or pair of integers, the height and the width of a window.
        **kwargs: Keyword arguments of every layer, such as `name` and `dtype`.

    Call arguments:
        inputs: The values.
        argmax: The index of each value within its window, integers.

    Input shape:
        Twice `(batch, height, width, channels)`; height and width may be unknown.

    Output shape:
        `(batch, height * p, width * q, channels)`.
    """

    def __init__(self, pool_size: int | tuple[int, int] = 2, **kwargs: object) -> None:
        super().__init__(**kwargs)
        self.pool_size = standardize_pool_size(pool_size)
        # No weights: Keras marks such a layer as built with this private method.
        self._build_at_init()

    def call(self, inputs: Tensor, argmax: Tensor) -> Tensor:
        """Return the values at their positions, with zeros elsewhere."""
        # One map per position in the window, then interleaved by stacking: a scatter would need the
        # index of every value.
        rows, columns = self.pool_size
        _, height, width, channels = ops.shape(inputs)
        zeros = ops.zeros_like(inputs)
        windows = [
            ops.where(argmax == index, inputs, zeros)
            for index, _ in enumerate(window_offsets(self.pool_size))
        ]
        output_rows = [
            ops.stack(windows[row * columns : (row + 1) * columns], axis=3) for row in range(rows)
        ]
        # -1 stands for the batch size. Height and width are tensors if they are unknown.
        shape = (-1, height * rows, width * columns, channels)
        return ops.reshape(ops.stack(output_rows, axis=2), shape)

    def compute_output_shape(self, inputs_shape: Shape, argmax_shape: Shape) -> Shape:
        """Return the shape of the inputs with height and width multiplied by the pool size.

        Raises:
            ValueError: if the inputs do not have 4 axes, or the argmax another shape.
        """
        if len(inputs_shape) != 4:
            raise ValueError(
                f"inputs must be maps (batch, height, width, channels): {inputs_shape}"
            )
        # An unknown size is taken as equal to any other.
        same_shape = len(inputs_shape) == len(argmax_shape) and all(
            size is None or argmax_size is None or size == argmax_size
            for size, argmax_size in zip(inputs_shape, argmax_shape, strict=True)
        )
        if not same_shape:
            raise ValueError(
                f"inputs and argmax must have the same shape, but inputs are {inputs_shape[1:]}"
                f" and argmax is {argmax_shape[1:]}"
            )
        batch, height, width, channels = inputs_shape
        rows, columns = self.pool_size
        return (
            batch,
            None if height is None else height * rows,
            None if width is None else width * columns,
            channels,
        )

    def compute_output_spec(self, inputs: Tensor, argmax: Tensor) -> keras.KerasTensor:
        """Return the symbolic output of a call.

        Raises:
            ValueError: if the shapes do not match, or the argmax is not of integers.
        """
        # `compute_output_shape` receives no dtypes, so the argmax is checked here.
        if not keras.backend.is_int_dtype(argmax.dtype):
            raise ValueError(f"argmax must have an integer dtype, not {argmax.dtype}")
        shape = self.compute_output_shape(inputs.shape, argmax.shape)
        return keras.KerasTensor(shape, dtype=self.compute_dtype)

    def get_config(self) -> Config:
        """Return the arguments of the constructor, in JSON without the mark of a tuple."""
        return {**super().get_config(), "pool_size": [*self.pool_size]}
