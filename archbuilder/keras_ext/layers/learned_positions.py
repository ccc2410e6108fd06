"""Learned position embeddings, as in BERT, GPT and the Vision Transformer."""

from __future__ import annotations

import keras
from keras import ops

from archbuilder.keras_ext.layers._typing import Config, Shape, Tensor


@keras.saving.register_keras_serializable(package="archbuilder")
class LearnedPositions(keras.layers.Layer):
    """Adds a learned position embedding to each vector of a sequence.

    `output[:, position] = input[:, position] + positions[position]`

    Positions count from 0. A sequence may be shorter than `length`, but not longer. Masks pass
    through.

    Source: Gehring et al. 2017, "Convolutional Sequence to Sequence Learning", section 3.1.

    Args:
        length: Integer, the maximum length of a sequence.
        embeddings_initializer: Initializer for the embeddings.
        **kwargs: Keyword arguments of every layer, such as `name` and `dtype`.

    Input shape:
        `(batch, length, depth)`; the length may be unknown.

    Output shape:
        Same as the input shape.
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
        """Create the embeddings, of shape `(length, depth)`."""
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
        """Return the inputs plus the embeddings of their positions."""
        _, length, depth = ops.shape(inputs)
        # `ops.slice` raises if the sequence is too long. `[:length]` would be clipped instead: a
        # layer with a single position would then add it to the whole sequence.
        return inputs + ops.slice(ops.convert_to_tensor(self.positions), (0, 0), (length, depth))

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """Return the shape of the inputs."""
        return input_shape

    def get_config(self) -> Config:
        """Return the arguments of the constructor."""
        return {
            **super().get_config(),
            "length": self.length,
            "embeddings_initializer": keras.initializers.serialize(self.embeddings_initializer),
        }
