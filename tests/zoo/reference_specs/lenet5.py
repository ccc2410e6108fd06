"""LeNet-5 against its equations."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np
from zoo.numpy_layers import Array, convolve, halve
from zoo.parity import Equations, Family


def lenet5(x: Array, weights: Iterator[Array]) -> Array:
    """C1, S2, C3, S4, C5, F6 and the output."""
    for _ in range(2):
        x = halve(np.tanh(convolve(x, next(weights), next(weights))))
    x = np.tanh(convolve(x, next(weights), next(weights)))
    assert x.shape[1:] == (1, 1, 120)
    x = np.tanh(x[:, 0, 0] @ next(weights) + next(weights))
    return x @ next(weights) + next(weights)


FAMILY: Final = Family(
    form={},
    reference="numpy, written by hand",
    small={"default": Equations("lenet5", equations=lenet5)},
    follows="It is the form of the textbooks; the paper's has 60,000 parameters.",
)
