"""The learned class token of the Vision Transformer."""

from __future__ import annotations

import keras
from keras import ops

from archbuilder.keras_ext.constructor_config import ConstructorConfig
from archbuilder.keras_ext.layers._typing import Shape, Tensor


@keras.saving.register_keras_serializable(package="archbuilder")
class ClassToken(ConstructorConfig, keras.layers.Layer):
    """Prepends a learned vector to every sequence.

    The vector is the same for all sequences. After the attention layers, it represents the whole
    sequence; `ops.take: {indices: 0, axis: 1}` extracts it. It is never masked.

    Source: Dosovitskiy et al. 2020, "An Image Is Worth 16x16 Words", section 3.1, after the first
    token of Devlin et al. 2018, "BERT".

    Args:
        embeddings_initializer: Initializer for the vector.
        **kwargs: Keyword arguments of every layer, such as `name` and `dtype`.

    Input shape:
        `(batch, length, depth)`; the length may be unknown.

    Output shape:
        `(batch, length + 1, depth)`.
    """

    def __init__(self, embeddings_initializer: object = "zeros", **kwargs: object) -> None:
        super().__init__(**kwargs)
        self.embeddings_initializer = keras.initializers.get(embeddings_initializer)
        self.supports_masking = True
        self.input_spec = keras.layers.InputSpec(ndim=3)

    def build(self, input_shape: Shape) -> None:
        """Create the vector."""
        if input_shape[-1] is None:
            raise ValueError("the last axis must have a known size")
        self.token = self.add_weight(
            shape=(1, 1, input_shape[-1]), initializer=self.embeddings_initializer, name="token"
        )

    def call(self, inputs: Tensor) -> Tensor:
        """Return the inputs with the vector prepended."""
        batch, _, depth = ops.shape(inputs)
        token = ops.cast(self.token, inputs.dtype)
        return ops.concatenate([ops.broadcast_to(token, (batch, 1, depth)), inputs], axis=1)

    def compute_mask(self, inputs: Tensor, previous_mask: Tensor | None) -> Tensor | None:
        """Return the mask of the inputs with True prepended for the vector."""
        del inputs
        if previous_mask is None:
            return None
        return ops.pad(previous_mask, [[0, 0], [1, 0]], constant_values=True)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """Return the shape of the inputs with the length increased by one."""
        batch, length, depth = input_shape
        return batch, None if length is None else length + 1, depth
