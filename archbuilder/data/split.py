"""Choice of the training and validation rows of a dataset, before it is adapted to a network."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from archbuilder.config.training import TrainingConfig
from archbuilder.data.columns import RowIndices
from archbuilder.data.shuffle import random_split, tail_split
from archbuilder.data.source_dataset import SourceDataset


@dataclass(frozen=True, slots=True, eq=False)
class SplitRows:
    """Indices of the examples for training and validation, each in the order of the data."""

    train: RowIndices
    validation: RowIndices | None = None
    """None if there is no validation set, or it is a dataset of its own."""
    note: str = ""
    """How the validation set was split off, to follow its number of examples."""


def split_rows(
    dataset: SourceDataset,
    config: TrainingConfig | None,
    *,
    has_validation: bool,
    count: int | None = None,
) -> SplitRows:
    """Choose the training and validation rows of the training data.

    `count` is the number of rows where an objective makes its own of a text.

    Without a validation source, a fraction of the examples is split off: random ones, or the last
    ones for text, whose neighboring pieces resemble each other, and for data that is not shuffled,
    such as a time series. Validating between training examples would overstate the quality.
    """
    rows = np.arange(dataset.count if count is None else count, dtype=np.int64)
    # A single example cannot be split.
    if has_validation or config is None or config.validation_split == 0 or len(rows) <= 1:
        return SplitRows(rows)
    is_tail = dataset.token_array is not None or not config.shuffle
    split = tail_split if is_tail else random_split
    train, validation = split(len(rows), config.seed, config.validation_split)
    return SplitRows(train, validation, " (last examples)" if is_tail else " (random split)")
