"""Convolutions whose kernel is standardized, as in BiT."""

from __future__ import annotations

import keras
from keras import ops

from archbuilder.keras_ext.constructor_config import ConstructorConfig
from archbuilder.keras_ext.layers._typing import Tensor


@keras.saving.register_keras_serializable(package="archbuilder")
class StandardizedConv2D(ConstructorConfig, keras.layers.Conv2D):
    """Convolves with kernels that have mean 0 and variance 1.

    `output = conv(input, (kernel - mean) / sqrt(variance + epsilon)) + bias`

    where the mean and the variance are those of the weights of each filter, over the two spatial
    axes and the input channels of its group. The weights are trained without this restriction; the
    gradient passes through the standardization. Under mixed precision, the kernel is standardized
    in float32, because `epsilon` is 0 in float16.

    Source: Qiao et al. 2019, "Micro-Batch Training with Batch-Channel Normalization and Weight
    Standardization", arXiv:1903.10520, equations 10 and 11. `epsilon` is added to the variance as
    in the authors' code of BiT (Kolesnikov et al. 2019, arXiv:1912.11370).

    Args:
        filters: Integer, the number of output channels.
        kernel_size: Integer or two integers, the height and width of the kernels.
        strides: Integer or two integers.
        padding: `"valid"` or `"same"`.
        data_format: `"channels_last"` or `"channels_first"`.
        dilation_rate: Integer or two integers.
        groups: Integer, the number of groups into which the channels are split.
        activation: Activation function of the output.
        use_bias: Whether a bias is added.
        kernel_initializer: Initializer for the kernels.
        bias_initializer: Initializer for the bias.
        kernel_regularizer: Regularizer for the kernels, before the standardization.
        bias_regularizer: Regularizer for the bias.
        epsilon: Number that is added to the variance.
        **kwargs: Keyword arguments of every layer, such as `name` and `dtype`.

    Input shape:
        `(batch, height, width, channels)`.

    Output shape:
        Same as that of `Conv2D`.
    """

    def __init__(
        self,
        filters: int,
        kernel_size: int | tuple[int, int],
        *,
        strides: int | tuple[int, int] = (1, 1),
        padding: str = "valid",
        data_format: str | None = None,
        dilation_rate: int | tuple[int, int] = (1, 1),
        groups: int = 1,
        activation: object = None,
        use_bias: bool = True,
        kernel_initializer: object = "glorot_uniform",
        bias_initializer: object = "zeros",
        kernel_regularizer: object = None,
        bias_regularizer: object = None,
        epsilon: float = 1e-10,
        **kwargs: object,
    ) -> None:
        super().__init__(
            filters,
            kernel_size,
            strides=strides,
            padding=padding,
            data_format=data_format,
            dilation_rate=dilation_rate,
            groups=groups,
            activation=activation,
            use_bias=use_bias,
            kernel_initializer=kernel_initializer,
            bias_initializer=bias_initializer,
            kernel_regularizer=kernel_regularizer,
            bias_regularizer=bias_regularizer,
            **kwargs,
        )
        self.epsilon = epsilon

    def convolution_op(self, inputs: Tensor, kernel: Tensor) -> Tensor:
        """Return the convolution with the standardized kernel."""
        weights = ops.cast(kernel, "float32")
        mean, variance = ops.moments(weights, axes=(0, 1, 2), keepdims=True)
        standardized = (weights - mean) * ops.rsqrt(variance + self.epsilon)
        return super().convolution_op(inputs, ops.cast(standardized, self.compute_dtype))
