"""Lengths of vectors, for the layers of capsules, safe where all of a vector is zero."""

from __future__ import annotations

import keras
from keras import ops

from archbuilder.keras_ext.layers._typing import Tensor


def at_least_float32(tensor: Tensor) -> Tensor:
    """A tensor in no less than float32: squares of float16 overflow from 256 on."""
    return ops.cast(tensor, keras.backend.result_type(tensor.dtype, "float32"))


def norms(vectors: Tensor) -> tuple[Tensor, Tensor]:
    """The lengths along the last axis, which stays with a size of one, and their squares.

    The slope of a square root is infinite at zero. Here it is zero.
    """
    squares = ops.sum(ops.square(vectors), axis=-1, keepdims=True)
    is_nonzero = squares > 0
    roots = ops.sqrt(ops.where(is_nonzero, squares, ops.ones_like(squares)))
    return ops.where(is_nonzero, roots, ops.zeros_like(squares)), squares


def squash(vectors: Tensor) -> Tensor:
    """The vectors with the length `n ** 2 / (1 + n ** 2)` where it was `n`."""
    vector_norms, squares = norms(vectors)
    return vectors * vector_norms / (1 + squares)
