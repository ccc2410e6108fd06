"""The lengths of capsules, which stand for the probabilities of their entities."""

from __future__ import annotations

import keras
from keras import ops

from archbuilder.keras_ext.layers._typing import Shape, Tensor
from archbuilder.keras_ext.layers.capsule_ops import at_least_float32, norms


@keras.saving.register_keras_serializable(package="archbuilder")
class CapsuleNorm(keras.layers.Layer):
    """Computes the Euclidean length of every capsule.

    `output[i] = sqrt(sum(input[i, d] ** 2))`

    The gradient at a vector of zeros is zero instead of infinite. Under mixed precision, lengths
    are computed in float32.

    Source: Sabour, Frosst and Hinton 2017, "Dynamic Routing Between Capsules", sections 2 and 3.

    Args:
        **kwargs: Keyword arguments of every layer, such as `name` and `dtype`.

    Input shape:
        `(batch, ..., capsules, dimension)`.

    Output shape:
        `(batch, ..., capsules)`.
    """

    def __init__(self, **kwargs: object) -> None:
        super().__init__(**kwargs)
        self.input_spec = keras.layers.InputSpec(min_ndim=2)
        # No weights: Keras marks such a layer as built with this private method.
        self._build_at_init()

    def call(self, inputs: Tensor) -> Tensor:
        """Return the lengths, of shape `(batch, ..., capsules)`."""
        vector_norms, _ = norms(at_least_float32(inputs))
        return ops.cast(ops.squeeze(vector_norms, axis=-1), inputs.dtype)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """Return the shape of the inputs without its last axis."""
        return input_shape[:-1]
