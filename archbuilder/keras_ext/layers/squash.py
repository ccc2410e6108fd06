"""Squashing, the nonlinearity of capsules: keeps directions and maps lengths below one."""

from __future__ import annotations

import keras
from keras import ops

from archbuilder.keras_ext.layers._typing import Shape, Tensor
from archbuilder.keras_ext.layers.capsule_ops import at_least_float32, squash


@keras.saving.register_keras_serializable(package="archbuilder")
class Squash(keras.layers.Layer):
    """Shrinks short vectors to almost nothing, and long ones to a length just below one.

    `output = n ** 2 / (1 + n ** 2) * input / n`

    where `n` is the length of the vector along the last axis. A vector of zeros stays zero, with a
    gradient of zero. Under mixed precision, lengths are computed in float32. Masks pass through.

    Source: Sabour, Frosst and Hinton 2017, "Dynamic Routing Between Capsules", equation 1.

    Args:
        **kwargs: Keyword arguments of every layer, such as `name` and `dtype`.

    Input shape:
        `(batch, ..., dimension)`.

    Output shape:
        Same as the input shape.
    """

    def __init__(self, **kwargs: object) -> None:
        super().__init__(**kwargs)
        self.supports_masking = True
        # No weights: Keras marks such a layer as built with this private method.
        self._build_at_init()

    def call(self, inputs: Tensor) -> Tensor:
        """Return the squashed vectors."""
        return ops.cast(squash(at_least_float32(inputs)), inputs.dtype)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """Return the shape of the inputs."""
        return input_shape
