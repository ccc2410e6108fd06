"""The first generative adversarial network against its equations."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np
from zoo.numpy_layers import Array, sigmoid
from zoo.parity import Equations, Family


def generator(x: Array, weights: Iterator[Array]) -> Array:
    """Two layers of rectified units, and one of logistic ones."""
    for _ in range(2):
        x = np.maximum(x @ next(weights) + next(weights), 0)
    return sigmoid(x @ next(weights) + next(weights))


def generator_of_cifar10(x: Array, weights: Iterator[Array]) -> Array:
    """Rectified units, logistic ones, and a linear output."""
    x = np.maximum(x @ next(weights) + next(weights), 0)
    x = sigmoid(x @ next(weights) + next(weights))
    return x @ next(weights) + next(weights)


def discriminator(x: Array, weights: Iterator[Array]) -> Array:
    """Two layers of units that are the largest of five neighbours, and a logistic one."""
    for _ in range(2):
        linear = x @ next(weights) + next(weights)
        x = np.max([linear[:, piece::5] for piece in range(5)], axis=0)
    return sigmoid(x @ next(weights) + next(weights))


FAMILY: Final = Family(
    form={"noise": 6, "pixels": 12, "hidden": [8, 8], "units": 5},
    reference="numpy, written by hand",
    small={
        "generator": Equations("gan", network="generator", equations=generator),
        "discriminator": Equations("gan", network="discriminator", equations=discriminator),
    },
    full={
        "cifar10, generator": Equations(
            "gan:cifar10", network="generator", equations=generator_of_cifar10
        ),
        "cifar10, discriminator": Equations(
            "gan:cifar10", network="discriminator", equations=discriminator
        ),
    },
    follows="Units, dropout and initial weights are those of the authors' files; the paper has"
    " none of them. The biases of the generator's output begin at zero, where the authors take"
    " them from the mean of the images.",
)
