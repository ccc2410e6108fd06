"""Positions as vectors that are learned, as BERT, the GPTs and the Vision Transformer have them."""

from __future__ import annotations

import keras
from keras import ops

from archbuilder.keras_ext.layers._typing import Config, Shape, Tensor


@keras.saving.register_keras_serializable(package="archbuilder")
class LearnedPositions(keras.layers.Layer):
    """Adds to each vector of a sequence the learned vector of its position.

    `output[:, position] = input[:, position] + positions[position]`

    Positions count from 0. A sequence may be shorter than `length`, and not longer. Masks pass
    through.

    Source: Gehring et al. 2017, "Convolutional Sequence to Sequence Learning", section 3.1.

    Args:
        length: Integer, the longest sequence.
        embeddings_initializer: Initializer for the vectors.
        **kwargs: The arguments of every layer, such as `name` and `dtype`.

    Input shape:
        `(batch, length, depth)`; the length may be left open.

    Output shape:
        The same.
    """

    def __init__(
        self, length: int, embeddings_initializer: object = "uniform", **kwargs: object
    ) -> None:
        super().__init__(**kwargs)
        if length < 1:
            raise ValueError(f"length must be above zero, not {length}")
        self.length = length
        self.embeddings_initializer = keras.initializers.get(embeddings_initializer)
        self.supports_masking = True
        self.input_spec = keras.layers.InputSpec(ndim=3)

    def build(self, input_shape: Shape) -> None:
        """Make the vectors, one for each position."""
        _, input_length, depth = input_shape
        if depth is None:
            raise ValueError("the last axis, the vectors, must have a known size")
        if input_length is not None and input_length > self.length:
            raise ValueError(
                f"a sequence of {input_length} is longer than the {self.length} positions"
            )
        self.positions = self.add_weight(
            shape=(self.length, depth), initializer=self.embeddings_initializer, name="positions"
        )

    def call(self, inputs: Tensor) -> Tensor:
        """The inputs with their positions added."""
        _, length, depth = ops.shape(inputs)
        # A slice beyond the end is a mistake for `ops.slice`, where `[:length]` would be short.
        return inputs + ops.slice(ops.convert_to_tensor(self.positions), (0, 0), (length, depth))

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """The shape of the inputs."""
        return input_shape

    def get_config(self) -> Config:
        """The arguments of the constructor."""
        return {
            **super().get_config(),
            "length": self.length,
            "embeddings_initializer": keras.initializers.serialize(self.embeddings_initializer),
        }
