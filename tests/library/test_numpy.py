"""The small networks of the library against their equations, written out in numpy."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from library.weights import fill, in_order, relative_error

import archbuilder

Array = np.ndarray


def softmax(x: Array) -> Array:
    exponentials = np.exp(x - x.max(axis=-1, keepdims=True))
    return exponentials / exponentials.sum(axis=-1, keepdims=True)


def convolve(x: Array, kernel: Array, bias: Array) -> Array:
    """Where the kernel fits: `(batch, y, x, channels)`."""
    windows = np.lib.stride_tricks.sliding_window_view(x, kernel.shape[:2], axis=(1, 2))
    return np.einsum("byxcij,ijcf->byxf", windows, kernel) + bias


def halve(x: Array) -> Array:
    """The mean of every square of four."""
    batch, height, width, channels = x.shape
    squares = x.reshape(batch, height // 2, 2, width // 2, 2, channels)
    return squares.mean(axis=(2, 4))


def perceptron(x: Array, weights: Iterator[Array]) -> Array:
    """What each unit compares with zero."""
    return x @ next(weights) + next(weights)


def mlp(x: Array, weights: Iterator[Array]) -> Array:
    """784-512-512-10."""
    for _ in range(2):
        x = np.maximum(x @ next(weights) + next(weights), 0)
    return softmax(x @ next(weights) + next(weights))


def lenet_300_100(x: Array, weights: Iterator[Array]) -> Array:
    """784-300-100-10 with hyperbolic tangents."""
    for _ in range(2):
        x = np.tanh(x @ next(weights) + next(weights))
    return softmax(x @ next(weights) + next(weights))


def lenet5(x: Array, weights: Iterator[Array]) -> Array:
    """C1, S2, C3, S4, C5, F6 and the output."""
    for _ in range(2):
        x = halve(np.tanh(convolve(x, next(weights), next(weights))))
    x = np.tanh(convolve(x, next(weights), next(weights)))
    assert x.shape[1:] == (1, 1, 120)
    x = np.tanh(x[:, 0, 0] @ next(weights) + next(weights))
    return softmax(x @ next(weights) + next(weights))


@pytest.mark.parametrize(
    ("blueprint", "shape", "reference"),
    [
        ("perceptron", (784,), perceptron),
        ("mlp", (784,), mlp),
        ("mlp:lenet-300-100", (784,), lenet_300_100),
        ("lenet5", (32, 32, 1), lenet5),
    ],
)
def test_network_is_its_equations(blueprint: str, shape: tuple[int, ...], reference) -> None:
    """With the same weights it gives the same numbers, at full size."""
    loaded = archbuilder.load(blueprint)
    model = loaded.compile()
    weights = in_order(model, *loaded.graphs().values())
    fill(weights)
    given = np.random.default_rng(1).random((4, *shape), dtype=np.float32)
    exact = (np.asarray(weight).astype(np.float64) for weight in weights)
    expected = reference(given.astype(np.float64), exact)
    assert next(exact, None) is None
    assert relative_error(np.asarray(model(given)), expected) < 1e-5
