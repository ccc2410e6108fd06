"""The order of examples, as a pure function of the seed and the epoch.

With a seed, Keras's `fit(shuffle=True)` repeats one order in every epoch on TensorFlow, and a
resumed run cannot continue in the middle of it. Random numbers come from numpy's bit generators,
whose streams stay the same between numpy versions; those of `Generator.permutation` may change.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Final

import numpy as np
from numpy.typing import NDArray

# Part of the seed, so that the splits and the epochs draw independent numbers.
_EPOCH_STREAM: Final = 1
_BATCH_STREAM: Final = 4
_CLASS_STREAM: Final = 5
_POOL_BATCHES: Final = 100
"""Number of batches whose examples are sorted by size together."""


class SplitStream(IntEnum):
    """The random numbers of a split, which are others for each set."""

    VALIDATION = 0
    TEST = 2
    TRAIN = 3


def epoch_permutation(count: int, seed: int, epoch: int) -> NDArray[np.int64]:
    """Return the indices below `count` in the order of an epoch."""
    return _permutation(count, seed, _EPOCH_STREAM, epoch)


def grouped_permutation(
    sizes: NDArray[np.int64], batch_size: int, seed: int, epoch: int
) -> NDArray[np.int64]:
    """Return the order of an epoch in which each batch has examples of similar size.

    Shuffled examples are sorted by size within pools of batches, and the batches are shuffled. The
    last batch is of any size if it is not full: the largest examples would otherwise be in it.
    """
    order = epoch_permutation(len(sizes), seed, epoch)
    num_batches = len(order) // batch_size
    grouped, rest = np.split(order, [num_batches * batch_size])
    for start in range(0, len(grouped), _POOL_BATCHES * batch_size):
        pool = grouped[start : start + _POOL_BATCHES * batch_size]
        pool[:] = pool[np.argsort(sizes[pool], kind="stable")]
    batches = grouped.reshape(num_batches, batch_size)
    batch_order = _permutation(num_batches, seed, _BATCH_STREAM, epoch)
    return np.concatenate([batches[batch_order].reshape(-1), rest])


def class_permutation(count: int, seed: int, epoch: int, number: int) -> NDArray[np.int64]:
    """Return the indices below `count` in the order in which an epoch draws from a class."""
    return _permutation(count, seed, _CLASS_STREAM, epoch, number)


def split_order(count: int, seed: int, stream: SplitStream) -> NDArray[np.int64]:
    """Return the indices below `count` in the order in which a split holds them out."""
    return _permutation(count, seed, stream)


def held_out_count(total: int, fraction: float, available: int) -> int:
    """Return the size of a fraction of a total: at least one, and one less than are available."""
    return min(max(round(total * fraction), 1), available - 1) if fraction > 0 else 0


def _permutation(count: int, *key: int) -> NDArray[np.int64]:
    # Sorting random numbers: unlike Generator.permutation, the result is the same in all versions
    # of numpy. A stable sort also fixes the order of equal numbers.
    stream = np.random.PCG64(np.random.SeedSequence(key))
    return np.argsort(stream.random_raw(count), kind="stable").astype(np.int64)
