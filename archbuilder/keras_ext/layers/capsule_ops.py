"""Vector lengths and squashing for capsule layers, with finite gradients at zero."""

from __future__ import annotations

import keras
from keras import ops

from archbuilder.keras_ext.layers._typing import Tensor


def at_least_float32(tensor: Tensor) -> Tensor:
    """Cast a tensor to float32, unless it is float64: squares in float16 overflow from 256 on."""
    return ops.cast(tensor, keras.backend.result_type(tensor.dtype, "float32"))


def norms(vectors: Tensor) -> tuple[Tensor, Tensor]:
    """Return the lengths along the last axis, which is kept with size 1, and their squares."""
    # The gradient of a square root is infinite at zero, and infinity times zero is NaN. The inner
    # `where` keeps zeros away from the square root, and the outer one sets the length to zero. The
    # outer one alone would still multiply an infinite gradient by zero.
    squares = ops.sum(ops.square(vectors), axis=-1, keepdims=True)
    is_nonzero = squares > 0
    roots = ops.sqrt(ops.where(is_nonzero, squares, ops.ones_like(squares)))
    return ops.where(is_nonzero, roots, ops.zeros_like(squares)), squares


def squash(vectors: Tensor) -> Tensor:
    """Scale vectors of length `n` to the length `n ** 2 / (1 + n ** 2)`."""
    # v / n * n**2 / (1 + n**2), reduced so that nothing is divided by a length of zero.
    vector_norms, squares = norms(vectors)
    return vectors * vector_norms / (1 + squares)
