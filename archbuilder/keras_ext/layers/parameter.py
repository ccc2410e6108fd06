"""A learned tensor without a batch axis, as a layer."""

from __future__ import annotations

from collections.abc import Sequence

import keras
from keras import ops

from archbuilder.keras_ext.constructor_config import ConstructorConfig
from archbuilder.keras_ext.layers._typing import Config, Shape, Tensor


@keras.saving.register_keras_serializable(package="archbuilder")
class Parameter(ConstructorConfig, keras.layers.Layer):
    """A learned tensor without a batch axis: the same for all examples.

    Such tensors are tables of relative positions, queries of a decoder, initial states, scales of
    residuals and temperatures. Every layer of a functional Keras model needs an input, so this one
    is called on a tensor of which it reads nothing.

    Args:
        shape: The shape of the tensor; an empty list is a single number.
        initializer: Initializer for the tensor.
        regularizer: Regularizer for the tensor.
        constraint: Constraint for the tensor.
        dtype: The dtype of the tensor, or a policy such as mixed_bfloat16.
        **kwargs: Keyword arguments of every layer, such as `name` and `trainable`.

    Input shape:
        Any.

    Output shape:
        `shape`, without a batch axis.
    """

    def __init__(
        self,
        shape: Sequence[int],
        initializer: object = "glorot_uniform",
        regularizer: object = None,
        constraint: object = None,
        dtype: object = None,
        **kwargs: object,
    ) -> None:
        # The dtype of the input means nothing to the layer, so Keras does not cast it.
        super().__init__(dtype=dtype, autocast=False, **kwargs)
        self.shape = tuple(shape)
        self.initializer = keras.initializers.get(initializer)
        self.regularizer = keras.regularizers.get(regularizer)
        self.constraint = keras.constraints.get(constraint)

    def build(self, input_shape: Shape) -> None:
        """Create the tensor."""
        del input_shape
        self.value = self.add_weight(
            shape=self.shape,
            initializer=self.initializer,
            regularizer=self.regularizer,
            constraint=self.constraint,
            name="value",
        )

    def call(self, unused: Tensor) -> Tensor:
        """Return the tensor in the dtype of computations."""
        del unused
        return ops.cast(self.value, self.compute_dtype)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """Return the shape of the tensor."""
        del input_shape
        return self.shape

    def compute_output_spec(self, unused: Tensor) -> keras.KerasTensor:
        """Return the symbolic tensor."""
        del unused
        # Keras 3.15.1 takes the empty shape of a number for a structure without shapes.
        return keras.KerasTensor(self.shape, dtype=self.compute_dtype)

    def get_config(self) -> Config:
        """Return the arguments of the constructor, in JSON without the mark of a tuple."""
        return {**super().get_config(), "shape": [*self.shape]}
