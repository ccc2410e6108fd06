"""The perceptron against its equation."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from zoo.numpy_layers import Array
from zoo.parity import Equations, Family


def perceptron(x: Array, weights: Iterator[Array]) -> Array:
    """What each unit compares with zero."""
    return x @ next(weights) + next(weights)


FAMILY: Final = Family(
    form={"inputs": 4, "classes": 2},
    reference="numpy, written by hand",
    small={
        "ten units": Equations("perceptron", equations=perceptron),
        "single": Equations("perceptron:single", equations=perceptron),
    },
)
