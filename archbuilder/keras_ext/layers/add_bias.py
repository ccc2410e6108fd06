"""A bias vector as a layer of its own."""

from __future__ import annotations

import keras
from keras import ops

from archbuilder.keras_ext.constructor_config import ConstructorConfig
from archbuilder.keras_ext.layers._typing import Shape, Tensor


@keras.saving.register_keras_serializable(package="archbuilder")
class AddBias(ConstructorConfig, keras.layers.Layer):
    """Adds a learned vector to the last axis.

    `output[..., channel] = input[..., channel] + bias[channel]`

    This is the bias of a dense layer alone, for products whose kernel belongs to another layer: the
    token logits of BERT are products with its embedding table, plus a bias. Masks pass through.

    Source: Devlin et al. 2018, "BERT", function `get_masked_lm_output` of the authors' code.

    Args:
        bias_initializer: Initializer for the bias vector.
        **kwargs: Keyword arguments of every layer, such as `name` and `dtype`.

    Input shape:
        Any, with the channels last: `(batch, ..., channels)`.

    Output shape:
        Same as the input shape.
    """

    def __init__(self, bias_initializer: object = "zeros", **kwargs: object) -> None:
        super().__init__(**kwargs)
        self.bias_initializer = keras.initializers.get(bias_initializer)
        self.supports_masking = True

    def build(self, input_shape: Shape) -> None:
        """Create the bias vector."""
        if input_shape[-1] is None:
            raise ValueError("the last axis, the channels, must have a known size")
        self.bias = self.add_weight(
            shape=(input_shape[-1],), initializer=self.bias_initializer, name="bias"
        )

    def call(self, inputs: Tensor) -> Tensor:
        """Return the inputs plus the bias."""
        return ops.add(inputs, self.bias)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """Return the shape of the inputs."""
        return input_shape
