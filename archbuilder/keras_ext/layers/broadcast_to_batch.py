"""Tensors without a batch axis, repeated for each example of a batch."""

from __future__ import annotations

import keras
from keras import ops

from archbuilder.keras_ext.constructor_config import ConstructorConfig
from archbuilder.keras_ext.layers._typing import Shape, Tensor


@keras.saving.register_keras_serializable(package="archbuilder")
class BroadcastToBatch(ConstructorConfig, keras.layers.Layer):
    """Repeats a tensor without a batch axis for each example of another tensor.

    archbuilder does this for tensors without a batch axis that enter a layer with others. The step
    is for functions, which take such tensors as they are, and for outputs of a network.

    Call arguments:
        inputs: The tensor without a batch axis, such as a `Parameter`.
        batch: A tensor with a batch axis. Only its batch size is used.

    Output shape:
        That of `inputs` with the batch axis in front.
    """

    def __init__(self, **kwargs: object) -> None:
        super().__init__(**kwargs)
        # No weights: Keras marks such a layer as built with this private method.
        self._build_at_init()

    def call(self, inputs: Tensor, batch: Tensor) -> Tensor:
        """Return the tensor with a batch axis."""
        return ops.broadcast_to(inputs, (ops.shape(batch)[0], *inputs.shape))

    def compute_output_shape(self, inputs_shape: Shape, batch_shape: Shape) -> Shape:
        """Return the shape with the batch axis in front."""
        return (batch_shape[0], *inputs_shape)

    def compute_output_spec(self, inputs: Tensor, batch: Tensor) -> keras.KerasTensor:
        """Return the symbolic output of a call."""
        # With the dtype of the tensor: indices remain integers.
        shape = self.compute_output_shape(inputs.shape, batch.shape)
        return keras.KerasTensor(shape, dtype=inputs.dtype)
