"""Masking of capsules: all but one become zero, as input of a reconstruction network."""

from __future__ import annotations

import keras
from keras import ops

from archbuilder.keras_ext.layers._typing import Shape, Tensor
from archbuilder.keras_ext.layers.capsule_ops import at_least_float32


@keras.saving.register_keras_serializable(package="archbuilder")
class CapsuleMask(keras.layers.Layer):
    """Keeps one capsule of each example, and replaces the others with zeros.

    `output[i] = input[i] if i == label else 0`

    Without labels the longest capsule is kept, or the first of several that are equally long. Pass
    the true labels in training, so that the reconstruction trains the capsule of the true class.

    Source: Sabour, Frosst and Hinton 2017, "Dynamic Routing Between Capsules", section 4.1.

    Args:
        **kwargs: Keyword arguments of every layer, such as `name` and `dtype`.

    Call arguments:
        inputs: The capsules.
        labels: The index of the capsule to keep, one integer per example, counted from 0.

    Input shape:
        `(batch, capsules, dimension)`, and `(batch,)` for the labels.

    Output shape:
        Same as that of the capsules.
    """

    def __init__(self, **kwargs: object) -> None:
        super().__init__(**kwargs)
        self.input_spec = keras.layers.InputSpec(ndim=3)
        # No weights: Keras marks such a layer as built with this private method.
        self._build_at_init()

    def call(self, inputs: Tensor, labels: Tensor | None = None) -> Tensor:
        """Return the capsules, with all but one set to zero."""
        if labels is None:
            # Squared lengths have their maximum at the same capsule. In float16, they would
            # overflow for values from 256 on.
            labels = ops.argmax(ops.sum(ops.square(at_least_float32(inputs)), axis=-1), axis=-1)
        # Unlike a product with a one-hot mask, `where` keeps NaN and infinity of other capsules out
        # of the output.
        capsule_indices = ops.arange(ops.shape(inputs)[1], dtype="int32")
        is_selected = ops.expand_dims(ops.cast(labels, "int32"), 1) == capsule_indices
        return ops.where(ops.expand_dims(is_selected, -1), inputs, ops.zeros_like(inputs))

    def compute_output_shape(self, inputs_shape: Shape, labels_shape: Shape | None = None) -> Shape:
        """Return the shape of the capsules.

        Raises:
            ValueError: if labels do not have the shape `(batch,)`.
        """
        if labels_shape is not None and len(labels_shape) != 1:
            raise ValueError(f"labels must be one integer per example, of shape {labels_shape}")
        return inputs_shape

    def compute_output_spec(
        self, inputs: Tensor, labels: Tensor | None = None
    ) -> keras.KerasTensor:
        """Return the symbolic output of a call.

        Raises:
            ValueError: if labels are not integers, one per example.
        """
        # `compute_output_shape` receives no dtypes, so that labels are checked here.
        if labels is not None and not keras.backend.is_int_dtype(labels.dtype):
            raise ValueError(f"labels must have an integer dtype, not {labels.dtype}")
        shape = self.compute_output_shape(inputs.shape, None if labels is None else labels.shape)
        return keras.KerasTensor(shape, dtype=self.compute_dtype)
