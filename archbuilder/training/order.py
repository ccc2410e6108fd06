"""The order of examples, as a pure function of the seed and the epoch.

TensorFlow repeats one order in every epoch once a seed is set, and loses its place when a run is
taken up again. The numbers here come from numpy's bit generators, whose streams are promised not to
change between versions (those of its `permutation` are not).
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

_SPLIT: Final = 0
_EPOCH: Final = 1


def permutation(count: int, seed: int, epoch: int) -> NDArray[np.int64]:
    """The numbers below `count` in the order of an epoch."""
    return _order(count, seed, _EPOCH, epoch)


def split(count: int, seed: int, share: float) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Which examples are trained on, and which are held out: about `share` of them.

    Both are in the order of the data. At least one is held out where the share is above zero, and
    at least one is trained on.
    """
    held = _held(count, share)
    order = _order(count, seed, _SPLIT)
    return np.sort(order[held:]), np.sort(order[:held])


def split_behind(
    count: int, _seed: int, share: float
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The same, but what is held out is the end of the data."""
    first = count - _held(count, share)
    return np.arange(first), np.arange(first, count)


def _held(count: int, share: float) -> int:
    return min(max(round(count * share), 1), count - 1) if share > 0 else 0


def _order(count: int, *key: int) -> NDArray[np.int64]:
    stream = np.random.PCG64(np.random.SeedSequence(key))
    return np.argsort(stream.random_raw(count), kind="stable").astype(np.int64)
