"""A learned vector that is added, where no product stands before it."""

from __future__ import annotations

import keras
from keras import ops

from archbuilder.keras_ext.layers._typing import Config, Shape, Tensor


@keras.saving.register_keras_serializable(package="archbuilder")
class Bias(keras.layers.Layer):
    """Adds a learned vector to the last axis.

    `output[..., channel] = input[..., channel] + bias[channel]`

    It is the bias of a dense layer by itself, for products whose weights belong to another layer:
    BERT's logits of tokens come from the table of its embedding, and have a bias of their own.
    Masks pass through.

    Source: Devlin et al. 2018, "BERT", whose code (`get_masked_lm_output`) has it.

    Args:
        bias_initializer: Initializer for the vector.
        **kwargs: The arguments of every layer, such as `name` and `dtype`.

    Input shape:
        Any, with the channels last: `(batch, ..., channels)`.

    Output shape:
        The same.
    """

    def __init__(self, bias_initializer: object = "zeros", **kwargs: object) -> None:
        super().__init__(**kwargs)
        self.bias_initializer = keras.initializers.get(bias_initializer)
        self.supports_masking = True

    def build(self, input_shape: Shape) -> None:
        """Make the vector."""
        if input_shape[-1] is None:
            raise ValueError("the last axis, the channels, must have a known size")
        self.bias = self.add_weight(
            shape=(input_shape[-1],), initializer=self.bias_initializer, name="bias"
        )

    def call(self, inputs: Tensor) -> Tensor:
        """The inputs with the vector added."""
        return ops.add(inputs, self.bias)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """The shape of the inputs."""
        return input_shape

    def get_config(self) -> Config:
        """The arguments of the constructor."""
        return {
            **super().get_config(),
            "bias_initializer": keras.initializers.serialize(self.bias_initializer),
        }
