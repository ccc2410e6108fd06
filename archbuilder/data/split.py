"""Choice between a random and a tail split of the validation set."""

from __future__ import annotations

from archbuilder.config.training import TrainingConfig
from archbuilder.data.dataset import Dataset


def uses_tail_split(examples: Dataset, config: TrainingConfig) -> bool:
    """Return whether the validation set is the end of the data rather than a random part.

    It is for text, whose neighboring pieces resemble each other, and for data that is not shuffled,
    such as a time series: validating between training examples would overstate the quality.
    """
    return examples.token_array is not None or not config.shuffle


def describe_split(*, last: bool) -> str:
    """Return a note about the split, to follow the number of examples in the validation set."""
    return " (last examples)" if last else " (random split)"
