"""A learned vector in front of a sequence, as the Vision Transformer has it."""

from __future__ import annotations

import keras
from keras import ops

from archbuilder.keras_ext.layers._typing import Config, Shape, Tensor


@keras.saving.register_keras_serializable(package="archbuilder")
class ClassToken(keras.layers.Layer):
    """Puts a learned vector in front of every sequence.

    The vector is the same for all sequences. What attention makes of it stands for the sequence
    as a whole; `ops.take: {indices: 0, axis: 1}` takes it out again. The vector is never masked.

    Source: Dosovitskiy et al. 2020, "An Image Is Worth 16x16 Words", section 3.1; it comes from
    Devlin et al. 2018, "BERT", where the first token of the text has this part.

    Args:
        embeddings_initializer: Initializer for the vector.
        **kwargs: The arguments of every layer, such as `name` and `dtype`.

    Input shape:
        `(batch, length, depth)`; the length may be left open.

    Output shape:
        `(batch, length + 1, depth)`.
    """

    def __init__(self, embeddings_initializer: object = "zeros", **kwargs: object) -> None:
        super().__init__(**kwargs)
        self.embeddings_initializer = keras.initializers.get(embeddings_initializer)
        self.supports_masking = True
        self.input_spec = keras.layers.InputSpec(ndim=3)

    def build(self, input_shape: Shape) -> None:
        """Make the vector."""
        if input_shape[-1] is None:
            raise ValueError("the last axis, the vectors, must have a known size")
        self.token = self.add_weight(
            shape=(1, 1, input_shape[-1]), initializer=self.embeddings_initializer, name="token"
        )

    def call(self, inputs: Tensor) -> Tensor:
        """The vector, and the inputs behind it."""
        batch, _, depth = ops.shape(inputs)
        token = ops.cast(self.token, inputs.dtype)
        return ops.concatenate([ops.broadcast_to(token, (batch, 1, depth)), inputs], axis=1)

    def compute_mask(self, inputs: Tensor, previous_mask: Tensor | None) -> Tensor | None:
        """The mask of the inputs behind one for the vector, which counts."""
        del inputs
        if previous_mask is None:
            return None
        return ops.pad(previous_mask, [[0, 0], [1, 0]], constant_values=True)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """The shape of the inputs, one longer."""
        batch, length, depth = input_shape
        return batch, None if length is None else length + 1, depth

    def get_config(self) -> Config:
        """The arguments of the constructor."""
        return {
            **super().get_config(),
            "embeddings_initializer": keras.initializers.serialize(self.embeddings_initializer),
        }
