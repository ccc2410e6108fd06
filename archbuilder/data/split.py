"""How the validation set is split off the training data."""

from __future__ import annotations

from archbuilder.config.training import TrainingConfig
from archbuilder.data.dataset import Dataset


def uses_tail_split(examples: Dataset, config: TrainingConfig) -> bool:
    """Return whether the validation set is the end of the data rather than a random part of it.

    It is the end of a text, whose pieces tell much of the pieces beside them, and of all data that
    is not shuffled, such as a time series.
    """
    return examples.token_array is not None or not config.shuffle


def describe_split(*, last: bool) -> str:
    """Return how a validation set was split off, as it stands behind the number of its examples."""
    return " (the last ones)" if last else " (chosen at random)"
