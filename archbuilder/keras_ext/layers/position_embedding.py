"""Learned position embeddings, as in BERT, GPT and the Vision Transformer."""

from __future__ import annotations

import keras
from keras import ops

from archbuilder.keras_ext.constructor_config import ConstructorConfig
from archbuilder.keras_ext.layers._typing import Shape, Tensor


@keras.saving.register_keras_serializable(package="archbuilder")
class PositionEmbedding(ConstructorConfig, keras.layers.Layer):
    """Adds a learned position embedding to each vector of a sequence.

    `output[:, position] = input[:, position] + positions[position]`

    Positions count from 0. A sequence may be shorter than `sequence_length`, but not longer. Masks
    pass through.

    **Trap.** The layer of the same name in KerasHub returns the embeddings alone; this one adds
    them to its input.

    Source: Gehring et al. 2017, "Convolutional Sequence to Sequence Learning", section 3.1.

    Args:
        sequence_length: Integer, the maximum length of a sequence.
        embeddings_initializer: Initializer for the embeddings.
        **kwargs: Keyword arguments of every layer, such as `name` and `dtype`.

    Input shape:
        `(batch, length, depth)`; the length may be unknown.

    Output shape:
        Same as the input shape.
    """

    def __init__(
        self, sequence_length: int, embeddings_initializer: object = "uniform", **kwargs: object
    ) -> None:
        super().__init__(**kwargs)
        if sequence_length < 1:
            raise ValueError(f"sequence_length must be at least 1, not {sequence_length}")
        self.sequence_length = sequence_length
        self.embeddings_initializer = keras.initializers.get(embeddings_initializer)
        self.supports_masking = True
        self.input_spec = keras.layers.InputSpec(ndim=3)

    def build(self, input_shape: Shape) -> None:
        """Create the embeddings, of shape `(sequence_length, depth)`."""
        _, input_length, depth = input_shape
        if depth is None:
            raise ValueError("the last axis must have a known size")
        if input_length is not None and input_length > self.sequence_length:
            raise ValueError(
                f"the sequence has {input_length} positions, but sequence_length is"
                f" {self.sequence_length}"
            )
        self.positions = self.add_weight(
            shape=(self.sequence_length, depth),
            initializer=self.embeddings_initializer,
            name="positions",
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
