"""The arithmetic of small networks in numpy, written from its definitions."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np

Array: TypeAlias = np.ndarray


def softmax(x: Array, axis: int = -1) -> Array:
    """`exp(x)` as parts of their sum."""
    exponentials = np.exp(x - x.max(axis=axis, keepdims=True))
    return exponentials / exponentials.sum(axis=axis, keepdims=True)


def sigmoid(x: Array) -> Array:
    """`1 / (1 + exp(-x))`."""
    return 1 / (1 + np.exp(-x))


def convolve(x: Array, kernel: Array, bias: Array) -> Array:
    """Where the kernel fits: `(batch, y, x, channels)`."""
    windows = np.lib.stride_tricks.sliding_window_view(x, kernel.shape[:2], axis=(1, 2))
    return np.einsum("byxcij,ijcf->byxf", windows, kernel) + bias


def halve(x: Array) -> Array:
    """The mean of every square of four."""
    batch, height, width, channels = x.shape
    squares = x.reshape(batch, height // 2, 2, width // 2, 2, channels)
    return squares.mean(axis=(2, 4))
