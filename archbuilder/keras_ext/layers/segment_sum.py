"""Sums over the segments of each example, as messages to the nodes of its graph."""

from __future__ import annotations

import keras
from keras import ops

from archbuilder.keras_ext.constructor_config import ConstructorConfig
from archbuilder.keras_ext.layers._typing import Shape, Tensor


@keras.saving.register_keras_serializable(package="archbuilder")
class SegmentSum(ConstructorConfig, keras.layers.Layer):
    """Adds up the vectors of each segment of an example, as the messages to each node of a graph.

    `output[b, s]` is the sum of all `inputs[b, i]` with `segments[b, i] = s`, and 0 if there are
    none. A vector whose segment is negative, or is not below their number, is left out.

    Call arguments:
        inputs: The vectors, `(batch, length, depth)`.
        segments: The segment of each vector, integers of the shape `(batch, length)`.
        outputs_like: A tensor `(batch, num_segments, ...)` whose second axis is that of the output,
            as the vectors of the nodes. Its values are not used.

    Output shape:
        `(batch, num_segments, depth)`.
    """

    def __init__(self, **kwargs: object) -> None:
        super().__init__(**kwargs)
        # No weights: Keras marks such a layer as built with this private method.
        self._build_at_init()

    def call(self, inputs: Tensor, segments: Tensor, outputs_like: Tensor) -> Tensor:
        """Return the sums."""
        batch, _, depth = ops.shape(inputs)
        num_segments = ops.shape(outputs_like)[1]
        segments = ops.cast(segments, "int32")
        is_outside = ops.logical_or(segments < 0, segments >= num_segments)
        # One sum over the segments of all examples. TensorFlow leaves out negative ones.
        first = ops.expand_dims(ops.arange(batch, dtype="int32") * num_segments, 1)
        rows = ops.where(is_outside, -1, segments + first)
        sums = ops.segment_sum(
            ops.reshape(inputs, (-1, depth)), ops.reshape(rows, (-1,)), batch * num_segments
        )
        return ops.reshape(sums, (batch, num_segments, depth))

    def compute_output_shape(
        self, inputs_shape: Shape, segments_shape: Shape, outputs_like_shape: Shape
    ) -> Shape:
        """Return the shape of the sums.

        Raises:
            ValueError: if the shapes do not match.
        """
        if len(inputs_shape) != 3 or inputs_shape[2] is None:
            raise ValueError(f"inputs must be vectors (batch, length, depth): {inputs_shape}")
        lengths = {each[1] for each in (inputs_shape, segments_shape[:2]) if each[1] is not None}
        if len(segments_shape) != 2 or len(lengths) > 1:
            raise ValueError(
                f"segments must be integers (batch, length) for inputs {inputs_shape}, not of the"
                f" shape {segments_shape}"
            )
        if len(outputs_like_shape) < 2:
            raise ValueError(f"outputs_like must have a second axis: {outputs_like_shape}")
        return inputs_shape[0], outputs_like_shape[1], inputs_shape[2]

    def compute_output_spec(
        self, inputs: Tensor, segments: Tensor, outputs_like: Tensor
    ) -> keras.KerasTensor:
        """Return the symbolic output of a call.

        Raises:
            ValueError: if the shapes do not match, or segments are not integers.
        """
        # `compute_output_shape` receives no dtypes, so that of the segments is checked here.
        if not keras.backend.is_int_dtype(segments.dtype):
            raise ValueError(f"segments must have an integer dtype, not {segments.dtype}")
        shape = self.compute_output_shape(inputs.shape, segments.shape, outputs_like.shape)
        return keras.KerasTensor(shape, dtype=self.compute_dtype)
