"""Max pooling that also returns the index of each maximum, as in DeconvNet."""

from __future__ import annotations

import keras
from keras import ops

from archbuilder.keras_ext.constructor_config import ConstructorConfig
from archbuilder.keras_ext.layers._typing import Config, Shape, Tensor
from archbuilder.keras_ext.layers.pooling_windows import standardize_pool_size, window_offsets


@keras.saving.register_keras_serializable(package="archbuilder")
class MaxPoolingWithArgmax2D(ConstructorConfig, keras.layers.Layer):
    """Returns the maximum of every window, and its index within the window (the argmax).

    `pooled[y, x] = max(input[p y + i, q x + j])` over all `0 <= i < p` and `0 <= j < q`
    `argmax[y, x] = q i + j` of the first `(i, j)` with that value

    for each channel separately, where `(p, q)` is the `pool_size`. Windows do not overlap; rows and
    columns that do not fill a window are dropped. `MaxUnpooling2D` puts values back at the
    positions of the argmax, which the DeconvNet paper calls switches.

    **Trap.** `argmax` is an index within the window, from 0 to `p q - 1`. PyTorch and Caffe return
    an index in the whole map, where an argmax `a` is `(p y + a // q) * width + q x + a % q`.
    `tf.nn.max_pool_with_argmax` counts the channels as well: there it is that index times
    `channels`, plus the channel.

    Source: Zeiler and Fergus 2013, "Visualizing and Understanding Convolutional Networks",
    section 2.1; Noh, Hong and Han 2015, "Learning Deconvolution Network for Semantic
    Segmentation", section 3.2.1.

    Args:
        pool_size: Integer or pair of integers, the height and the width of a window.
        **kwargs: Keyword arguments of every layer, such as `name` and `dtype`.

    Input shape:
        `(batch, height, width, channels)`; height and width may be unknown.

    Output shape:
        Twice `(batch, height // p, width // q, channels)`: the maxima, and the argmax as int32.
    """

    def __init__(self, pool_size: int | tuple[int, int] = 2, **kwargs: object) -> None:
        super().__init__(**kwargs)
        self.pool_size = standardize_pool_size(pool_size)
        self.input_spec = keras.layers.InputSpec(ndim=4)
        # No weights: Keras marks such a layer as built with this private method.
        self._build_at_init()

    def call(self, inputs: Tensor) -> tuple[Tensor, Tensor]:
        """Return the maxima and the argmax of each window."""
        # One comparison per position in the window, each over all windows at once. A strict `>`
        # keeps the first of several equal values. NaN is not `>` anything: it counts as larger than
        # all numbers, as in `numpy.max`, so that it does not disappear.
        (rows, columns), (_, height, width, _) = self.pool_size, ops.shape(inputs)
        bottom, right = height // rows * rows, width // columns * columns
        largest = inputs[:, :bottom:rows, :right:columns]
        argmax = ops.zeros_like(largest, dtype="int32")
        for index, (row, column) in enumerate(window_offsets(self.pool_size)):
            candidate = inputs[:, row:bottom:rows, column:right:columns]
            is_larger = ops.logical_and(
                ops.logical_or(candidate > largest, ops.isnan(candidate)),
                ops.logical_not(ops.isnan(largest)),
            )
            largest = ops.where(is_larger, candidate, largest)
            argmax = ops.where(is_larger, index, argmax)
        return largest, argmax

    def compute_output_shape(self, input_shape: Shape) -> tuple[Shape, Shape]:
        """Return the shapes of the maxima and of the argmax, which are equal."""
        batch, height, width, channels = input_shape
        rows, columns = self.pool_size
        shape = (
            batch,
            None if height is None else height // rows,
            None if width is None else width // columns,
            channels,
        )
        return shape, shape

    def compute_output_spec(self, inputs: Tensor) -> tuple[keras.KerasTensor, keras.KerasTensor]:
        """Return the symbolic maxima and argmax."""
        # Without this method, Keras would give both outputs the compute dtype of the layer.
        maxima_shape, argmax_shape = self.compute_output_shape(inputs.shape)
        return (
            keras.KerasTensor(maxima_shape, dtype=self.compute_dtype),
            keras.KerasTensor(argmax_shape, dtype="int32"),
        )

    def get_config(self) -> Config:
        """Return the arguments of the constructor, in JSON without the mark of a tuple."""
        return {**super().get_config(), "pool_size": [*self.pool_size]}
