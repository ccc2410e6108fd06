"""Rounding of images that TensorFlow or Keras computed as floats to the dtype of their pixels."""

from __future__ import annotations

import tensorflow as tf


def round_to_dtype(values: tf.Tensor, dtype: tf.DType) -> tf.Tensor:
    """Return floats as a dtype: rounded and clipped to its range if it has integers or booleans."""
    if dtype.is_floating or values.dtype == dtype:
        return tf.cast(values, dtype)
    if dtype.is_bool:
        # Otherwise every value but 0 would be true.
        return tf.cast(tf.round(values), dtype)
    # tf.cast to an integer dtype truncates, and for uint8 it wraps around beyond 255.
    return tf.saturate_cast(tf.round(values), dtype)
