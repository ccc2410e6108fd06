"""Max pooling that remembers where each maximum stood, as DeconvNet has it."""

from __future__ import annotations

import keras
from keras import ops

from archbuilder.keras_ext.layers._typing import Config, Shape, Tensor
from archbuilder.keras_ext.layers.pooling_windows import standardize_pool_size, window_offsets


@keras.saving.register_keras_serializable(package="archbuilder")
class MaxPoolingWithSwitches2D(keras.layers.Layer):
    """Gives the largest value of every window, and where in the window it stood.

    `pooled[y, x] = max(input[p y + i, q x + j])` over all `0 <= i < p` and `0 <= j < q`
    `switches[y, x] = q i + j` of the first `(i, j)` that has it

    for every channel by itself, where `(p, q)` is the `pool_size`. Windows do not overlap; rows and
    columns that fill no window are left out. `MaxUnpooling2D` puts values back where the switches
    say.

    **Trap.** PyTorch, Caffe and TensorFlow count places in the whole map, not in the window. A
    switch `s` is `(p y + s // q) * width + q x + s % q` for them.

    Source: Zeiler and Fergus 2013, "Visualizing and Understanding Convolutional Networks",
    section 2.1; Noh, Hong and Han 2015, "Learning Deconvolution Network for Semantic
    Segmentation", section 3.2.1.

    Args:
        pool_size: Integer or pair of integers, the height and the width of a window.
        **kwargs: The arguments of every layer, such as `name` and `dtype`.

    Input shape:
        `(batch, height, width, channels)`; height and width may be left open.

    Output shape:
        Twice `(batch, height // p, width // q, channels)`: the maxima, and the switches as int32.
    """

    def __init__(self, pool_size: int | tuple[int, int] = 2, **kwargs: object) -> None:
        super().__init__(**kwargs)
        self.pool_size = standardize_pool_size(pool_size)
        self.input_spec = keras.layers.InputSpec(ndim=4)
        self._build_at_init()

    def call(self, inputs: Tensor) -> tuple[Tensor, Tensor]:
        """The maxima and their places."""
        (rows, columns), (_, height, width, _) = self.pool_size, ops.shape(inputs)
        bottom, right = height // rows * rows, width // columns * columns
        largest = inputs[:, :bottom:rows, :right:columns]
        switches = ops.zeros_like(largest, dtype="int32")
        for index, (row, column) in enumerate(window_offsets(self.pool_size)):
            candidate = inputs[:, row:bottom:rows, column:right:columns]
            is_larger = candidate > largest
            largest = ops.where(is_larger, candidate, largest)
            switches = ops.where(is_larger, index, switches)
        return largest, switches

    def compute_output_shape(self, input_shape: Shape) -> tuple[Shape, Shape]:
        """The shapes of the maxima and of the switches, which are the same."""
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
        """The maxima have the dtype of the layer, the switches are whole numbers."""
        maxima, switches = self.compute_output_shape(inputs.shape)
        return (
            keras.KerasTensor(maxima, dtype=self.compute_dtype),
            keras.KerasTensor(switches, dtype="int32"),
        )

    def get_config(self) -> Config:
        """The arguments of the constructor."""
        return {**super().get_config(), "pool_size": list(self.pool_size)}
