from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from archbuilder.data.shuffle import SplitStream, epoch_permutation, held_out_count, split_order

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
