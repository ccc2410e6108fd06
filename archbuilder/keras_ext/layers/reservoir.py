"""Initializer for reservoirs of echo state networks: sparse, with a given spectral radius."""

from __future__ import annotations

import random
from typing import Final

import keras
import numpy as np
from keras import ops

from archbuilder.keras_ext.layers._typing import Config, Tensor

DRAWS: Final = 1000
"""Maximum number of draws until a matrix has a cycle.

`ReservoirCell` rejects densities at which hardly any matrix has one.
"""


@keras.saving.register_keras_serializable(package="archbuilder")
class Reservoir(keras.initializers.Initializer):
    """Initializer for a sparse random matrix with a given spectral radius.

    A fraction `density` of all connections is drawn, with weights uniform between -1 and 1. The
    matrix is then multiplied by `spectral_radius / max(abs(eigenvalues))`.

    A sparse matrix of few units may have no cycle. It is then nilpotent: all its eigenvalues are
    zero, no factor gives it a spectral radius, and it forgets its inputs within a few steps. Such
    matrices are drawn again; the seed determines all draws.

    Args:
        spectral_radius: Number above zero, the largest absolute value of an eigenvalue.
        density: Number, the fraction of connections that are not zero.
        seed: Integer, for a reproducible matrix.
    """

    def __init__(self, spectral_radius: float, density: float, seed: int | None = None) -> None:
        self.spectral_radius = spectral_radius
        self.density = density
        self.seed = seed
        # As Keras's random initializers do: drawn from Python's `random`, so that
        # `keras.utils.set_random_seed` applies, and kept, so that every call gives the same matrix.
        self._init_seed = random.randint(1, 10**9) if seed is None else seed  # noqa: S311

    def __call__(self, shape: tuple[int, int], dtype: str | None = None) -> Tensor:
        """Return a matrix of shape `(units, units)`.

        Raises:
            ValueError: if none of the drawn matrices has a cycle.
        """
        generator = np.random.default_rng(self._init_seed)
        units = shape[0]
        connections = max(1, round(self.density * units * units))
        for _ in range(DRAWS):
            weights = np.zeros(units * units)
            indices = generator.choice(units * units, size=connections, replace=False)
            weights[indices] = generator.uniform(-1.0, 1.0, size=connections)
            matrix = weights.reshape(units, units)
            # Looked up in the graph of connections: rounding gives the eigenvalues of a nilpotent
            # matrix small nonzero values.
            if has_cycle(matrix != 0):
                radius = np.abs(np.linalg.eigvals(matrix)).max()
                return ops.convert_to_tensor(matrix * (self.spectral_radius / radius), dtype)
        raise ValueError(
            f"{DRAWS} reservoirs of {units} units had no cycle: a density of {self.density}"
            " is too low"
        )

    def get_config(self) -> Config:
        """Return the arguments of the constructor."""
        return {
            "spectral_radius": self.spectral_radius,
            "density": self.density,
            "seed": self.seed,
        }


def has_cycle(adjacency: np.ndarray) -> bool:
    """Return whether a directed graph, given as a boolean adjacency matrix, has a cycle.

    Removes units without an incoming connection until none are left, or only units with one.
    """
    remaining = np.arange(len(adjacency))
    while remaining.size:
        has_input = adjacency[np.ix_(remaining, remaining)].any(axis=0)
        if has_input.all():
            return True
        remaining = remaining[has_input]
    return False
