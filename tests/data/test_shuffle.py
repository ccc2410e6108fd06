from __future__ import annotations

from itertools import pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from archbuilder.data.shuffle import (
    SplitStream,
    epoch_permutation,
    grouped_permutation,
    held_out_count,
    split_order,
)

SEEDS = st.integers(0, 2**32 - 1)


@given(st.integers(1, 500), SEEDS, st.integers(0, 1000))
def test_epoch_order_is_a_permutation(count: int, seed: int, epoch: int):
    """An order is a permutation."""
    assert sorted(epoch_permutation(count, seed, epoch)) == list(range(count))


def test_epochs_have_different_orders():
    """Each epoch has an order of its own."""
    assert not np.array_equal(epoch_permutation(100, 0, 0), epoch_permutation(100, 0, 1))


def test_order_is_stable_across_versions():
    """The order of a seed and an epoch is part of what makes a run repeatable."""
    assert list(epoch_permutation(8, 7, 3)) == [7, 2, 1, 3, 6, 0, 5, 4]


@given(st.integers(2, 500), SEEDS, st.floats(0, 0.99))
def test_validation_split_is_a_partition(count: int, seed: int, share: float):
    """Nothing is lost, nothing is on both sides, and something is left to train on."""
    size = held_out_count(count, share, count)
    assert 0 <= size < count
    assert sorted(split_order(count, seed, SplitStream.TEST)) == list(range(count))


def test_validation_split_size():
    """A fifth of 1,797 examples are 359."""
    assert held_out_count(1797, 0.2, 1797) == 359


def test_zero_validation_split():
    """A share of zero trains on everything."""
    assert held_out_count(10, 0.0, 10) == 0


@given(st.lists(st.integers(0, 9), min_size=1, max_size=600), SEEDS, st.integers(1, 64))
def test_grouped_order(sizes: list[int], seed: int, batch_size: int):
    """It is a permutation, in which each full batch of a pool has sizes next to each other."""
    order = grouped_permutation(np.array(sizes), batch_size, seed, 3)
    assert sorted(order) == [*range(len(sizes))]
    num_full = len(sizes) // batch_size
    batches = np.array(sizes)[order[: num_full * batch_size]].reshape(num_full, batch_size)
    bounds = sorted(zip(batches.min(axis=1), batches.max(axis=1), strict=True))
    if num_full <= 100:
        assert all(first[1] <= second[0] for first, second in pairwise(bounds))
