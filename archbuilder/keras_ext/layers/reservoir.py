"""Random reservoirs: sparse matrices of a given spectral radius, which echo-state networks have."""

from __future__ import annotations

import random
from typing import Final

import keras
import numpy as np
from keras import ops

from archbuilder.keras_ext.layers._typing import Config, Tensor

DRAWS: Final = 1000
"""How many matrices may be drawn until one has a cycle; `ReservoirCell` sees to it that some do."""


@keras.saving.register_keras_serializable(package="archbuilder")
class Reservoir(keras.initializers.Initializer):
    """A sparse random matrix, scaled to a spectral radius.

    A share of all connections is drawn, each with a weight that is uniform between -1 and 1. The
    matrix is multiplied by `spectral_radius / max(abs(eigenvalues))`.

    A sparse matrix of few units may have no cycle. Then it is nilpotent: all its eigenvalues are
    zero, no scale gives it a spectral radius, and it forgets everything within a few steps. Such
    matrices are drawn again; the seed decides upon all draws.

    Args:
        spectral_radius: Number above zero, the largest absolute value of an eigenvalue.
        density: Number, the share of connections that are not zero.
        seed: Integer, which makes the matrix the same every time.
    """

    def __init__(self, spectral_radius: float, density: float, seed: int | None = None) -> None:
        self.spectral_radius = spectral_radius
        self.density = density
        self.seed = seed
        self._init_seed = random.randint(1, 10**9) if seed is None else seed  # noqa: S311

    def __call__(self, shape: tuple[int, int], dtype: str | None = None) -> Tensor:
        """The matrix.

        Raises:
            ValueError: when no matrix of so few connections has a cycle.
        """
        generator = np.random.default_rng(self._init_seed)
        for _ in range(DRAWS):
            matrix = _sparse_matrix(shape[0], self.density, generator)
            if has_cycle(matrix != 0):
                radius = np.abs(np.linalg.eigvals(matrix)).max()
                return ops.convert_to_tensor(matrix * (self.spectral_radius / radius), dtype)
        raise ValueError(
            f"{DRAWS} reservoirs of {shape[0]} units had no cycle: a density of {self.density}"
            " is too low"
        )

    def get_config(self) -> Config:
        """The arguments of the constructor."""
        return {
            "spectral_radius": self.spectral_radius,
            "density": self.density,
            "seed": self.seed,
        }


def has_cycle(adjacency: np.ndarray) -> bool:
    """Whether a way along connections comes back to where it began.

    Units that nothing leads to are taken away until all that are left have something before them.
    """
    remaining = np.arange(len(adjacency))
    while remaining.size:
        has_input = adjacency[np.ix_(remaining, remaining)].any(axis=0)
        if has_input.all():
            return True
        remaining = remaining[has_input]
    return False


def _sparse_matrix(units: int, density: float, generator: np.random.Generator) -> np.ndarray:
    matrix = np.zeros(units * units)
    count = max(1, round(density * units * units))
    indices = generator.choice(units * units, size=count, replace=False)
    matrix[indices] = generator.uniform(-1.0, 1.0, size=count)
    return matrix.reshape(units, units)
