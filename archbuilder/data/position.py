"""The position of a run in its data."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class TrainingPosition:
    """How far a run is: whole epochs, and batches of the next one."""

    epoch: int = 0
    batch: int = 0
