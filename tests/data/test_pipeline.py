from __future__ import annotations

from itertools import chain

import numpy as np
import pytest

from archbuilder.data.columns import ArrayColumn
from archbuilder.data.input_adapter import InputAdapter
from archbuilder.data.pipeline import AdaptedColumn, AdaptedDataset, train_batches
from archbuilder.data.position import TrainingPosition
from archbuilder.data.targets import Target

ROWS = np.arange(10)


def orders(
    start: TrainingPosition, *, shuffle: bool, drop_remainder: bool = False
) -> list[list[int]]:
    """Which examples the batches of three epochs have."""
    table = AdaptedDataset(
        {"x": AdaptedColumn(ArrayColumn(ROWS), InputAdapter((), ()))},
        {"y": Target(ArrayColumn(ROWS), np.dtype(np.int64))},
        ROWS,
        named_inputs=False,
        named_outputs=False,
    )
    batches = train_batches(
        table, start, batch_size=4, seed=0, epochs=3, shuffle=shuffle, drop_remainder=drop_remainder
    )
    return [x.tolist() for x, y in batches.dataset().as_numpy_iterator() if (x == y).all()]


def test_every_epoch_has_an_order_of_its_own():
    """And all examples."""
    batches = orders(TrainingPosition(), shuffle=True)
    epochs = [[*chain(*batches[begin : begin + 3])] for begin in (0, 3, 6)]
    assert all(sorted(epoch) == ROWS.tolist() for epoch in epochs)
    assert len({tuple(epoch) for epoch in epochs}) == 3


def test_order_without_shuffle():
    """Where nothing is shuffled."""
    assert orders(TrainingPosition(), shuffle=False) == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]] * 3


@pytest.mark.parametrize("shuffle", [True, False])
@pytest.mark.parametrize("drop_remainder", [True, False])
def test_start_position(shuffle: bool, drop_remainder: bool):
    """What comes behind a position is what would have come."""
    steps = 2 if drop_remainder else 3
    all_of_it = orders(TrainingPosition(), shuffle=shuffle, drop_remainder=drop_remainder)
    assert (
        orders(TrainingPosition(1, 1), shuffle=shuffle, drop_remainder=drop_remainder)
        == all_of_it[steps + 1 :]
    )
