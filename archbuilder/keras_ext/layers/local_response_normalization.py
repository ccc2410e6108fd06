"""Local response normalization across channels, as in AlexNet and GoogLeNet."""

from __future__ import annotations

import keras
from keras import ops

from archbuilder.keras_ext.constructor_config import ConstructorConfig
from archbuilder.keras_ext.layers._typing import Shape, Tensor


@keras.saving.register_keras_serializable(package="archbuilder")
class LocalResponseNormalization(ConstructorConfig, keras.layers.Layer):
    """Divides each value by a power of the sum of squares of the neighboring channels.

    `output = input / (bias + alpha * sum(input[d - r .. d + r] ** 2)) ** beta`

    where `d` is the channel and `r` the `depth_radius`. Channels outside of the input count as
    zero. `alpha` multiplies the sum, as in the paper and in TensorFlow, and is not divided by the
    number of channels `n = 2 r + 1`.

    **Trap.** Caffe and PyTorch divide `alpha` by `n`. Their `alpha=1e-4, n=5` is `alpha=2e-5` here.
    The published values of AlexNet (`bias=2, alpha=1e-4, beta=0.75`, `n=5`) are those of the paper
    and need no conversion. The defaults here are those of the paper, not those of TensorFlow
    (`alpha=1`, `beta=0.5`).

    Under mixed precision, the sum is computed in float32, because squares in float16 overflow.

    Source: Krizhevsky, Sutskever and Hinton 2012, "ImageNet Classification with Deep Convolutional
    Neural Networks", section 3.3, whose `k` is `bias` and whose `n / 2` is `depth_radius`.

    Args:
        depth_radius: Integer, the number of neighboring channels on each side; 0 for none.
        bias: Number above zero, which keeps the divisor away from zero.
        alpha: Number, the factor of the sum of squares.
        beta: Number, the exponent.
        **kwargs: Keyword arguments of every layer, such as `name` and `dtype`.

    Input shape:
        Any, with the channels last: `(batch, ..., channels)`.

    Output shape:
        Same as the input shape.
    """

    def __init__(
        self,
        depth_radius: int = 2,
        bias: float = 2.0,
        alpha: float = 1e-4,
        beta: float = 0.75,
        **kwargs: object,
    ) -> None:
        super().__init__(**kwargs)
        if depth_radius < 0:
            raise ValueError(f"depth_radius must be zero or more, not {depth_radius}")
        if bias <= 0:
            raise ValueError(f"bias must be above zero, not {bias}")
        self.depth_radius = depth_radius
        self.bias = bias
        self.alpha = alpha
        self.beta = beta
        self.supports_masking = True

    def build(self, input_shape: Shape) -> None:
        """Check that the number of channels is known."""
        if input_shape[-1] is None:
            raise ValueError("the last axis, the channels, must have a known size")

    def call(self, inputs: Tensor) -> Tensor:
        """Return the normalized inputs."""
        dtype = keras.backend.result_type(inputs.dtype, "float32")
        upcast_inputs = ops.cast(inputs, dtype)
        squares = ops.square(upcast_inputs)
        # Adds shifted copies, which are few. Average pooling would work only for inputs of certain
        # ranks, and a difference of cumulative sums would lose small values to rounding.
        channels = squares.shape[-1]
        radius = min(self.depth_radius, channels - 1)
        margin = [(0, 0)] * (len(squares.shape) - 1)
        padded = ops.pad(squares, [*margin, (radius, radius)])
        window_sum = squares
        for shift in range(2 * radius + 1):
            if shift != radius:
                window_sum = window_sum + padded[..., shift : shift + channels]
        divisor = ops.power(self.bias + self.alpha * window_sum, self.beta)
        return ops.cast(upcast_inputs / divisor, inputs.dtype)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """Return the shape of the inputs."""
        return input_shape
