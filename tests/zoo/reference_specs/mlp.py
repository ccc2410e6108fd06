"""Multilayer perceptrons against their equations."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np
from zoo.numpy_layers import Array
from zoo.parity import Equations, Family


def mlp(x: Array, weights: Iterator[Array]) -> Array:
    """784-512-512-10."""
    for _ in range(2):
        x = np.maximum(x @ next(weights) + next(weights), 0)
    return x @ next(weights) + next(weights)


def lenet_300_100(x: Array, weights: Iterator[Array]) -> Array:
    """784-300-100-10 with hyperbolic tangents."""
    for _ in range(2):
        x = np.tanh(x @ next(weights) + next(weights))
    return x @ next(weights) + next(weights)


FAMILY: Final = Family(
    form={"inputs": 12, "hidden": [8, 6], "classes": 3},
    reference="numpy, written by hand",
    small={
        "default": Equations("mlp", equations=mlp),
        "lenet-300-100": Equations("mlp:lenet-300-100", equations=lenet_300_100),
    },
)
