"""The order of examples, as a pure function of the seed and the epoch.

With a seed, Keras's `fit(shuffle=True)` repeats one order in every epoch on TensorFlow, and a
resumed run cannot continue in the middle of it. Random numbers come from numpy's bit generators,
whose streams stay the same between numpy versions; those of `Generator.permutation` may change.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

# Part of the seed, so that the split and the epochs draw independent numbers.
_SPLIT_STREAM: Final = 0
_EPOCH_STREAM: Final = 1


def epoch_permutation(count: int, seed: int, epoch: int) -> NDArray[np.int64]:
    """Return the indices below `count` in the order of an epoch."""
    return _permutation(count, seed, _EPOCH_STREAM, epoch)


def random_split(
    count: int, seed: int, fraction: float
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Split examples at random into the indices of a training and a validation set.

    Both are in the order of the data. If `fraction` is not 0, each set has at least one example.
    """
    num_validation = _validation_size(count, fraction)
    order = _permutation(count, seed, _SPLIT_STREAM)
    return np.sort(order[num_validation:]), np.sort(order[:num_validation])


def tail_split(
    count: int, _seed: int, fraction: float
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Split examples like `random_split`, but take the last ones for validation."""
    num_train = count - _validation_size(count, fraction)
    return np.arange(num_train), np.arange(num_train, count)


def _validation_size(count: int, fraction: float) -> int:
    return min(max(round(count * fraction), 1), count - 1) if fraction > 0 else 0


def _permutation(count: int, *key: int) -> NDArray[np.int64]:
    # Sorting random numbers: unlike Generator.permutation, the result is the same in all versions
    # of numpy. A stable sort also fixes the order of equal numbers.
    stream = np.random.PCG64(np.random.SeedSequence(key))
    return np.argsort(stream.random_raw(count), kind="stable").astype(np.int64)
