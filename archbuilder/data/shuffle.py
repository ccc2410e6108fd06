"""The order of examples, as a pure function of the seed and the epoch.

TensorFlow repeats one order in every epoch once a seed is set, and loses its place when a run is
taken up again. The numbers here come from numpy's bit generators, whose streams are promised not to
change between versions (those of its `permutation` are not).
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

_SPLIT_STREAM: Final = 0
_EPOCH_STREAM: Final = 1


def epoch_permutation(count: int, seed: int, epoch: int) -> NDArray[np.int64]:
    """The numbers below `count` in the order of an epoch."""
    return _permutation(count, seed, _EPOCH_STREAM, epoch)


def random_split(
    count: int, seed: int, fraction: float
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Which examples are trained on, and which are held out: about `share` of them.

    Both are in the order of the data. At least one is held out where the share is above zero, and
    at least one is trained on.
    """
    num_validation = _validation_size(count, fraction)
    order = _permutation(count, seed, _SPLIT_STREAM)
    return np.sort(order[num_validation:]), np.sort(order[:num_validation])


def tail_split(
    count: int, _seed: int, fraction: float
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The same, but what is held out is the end of the data."""
    num_train = count - _validation_size(count, fraction)
    return np.arange(num_train), np.arange(num_train, count)


def _validation_size(count: int, fraction: float) -> int:
    return min(max(round(count * fraction), 1), count - 1) if fraction > 0 else 0


def _permutation(count: int, *key: int) -> NDArray[np.int64]:
    stream = np.random.PCG64(np.random.SeedSequence(key))
    return np.argsort(stream.random_raw(count), kind="stable").astype(np.int64)
