"""The position of a training run: its epoch and batch."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class TrainingPosition:
    """The progress of a run."""

    epoch: int = 0
    """Number of completed epochs."""
    batch: int = 0
    """Number of completed batches of the next epoch."""
