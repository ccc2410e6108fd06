"""Trains networks: examples -> batches -> Keras's `fit` -> the folder of a run."""

from __future__ import annotations

from archbuilder.training.distribution import Placement, place
from archbuilder.training.run import Row, RunFolder
from archbuilder.training.train import Origin, RunResult, common_folder, train

__all__ = [
    "Origin",
    "Placement",
    "Row",
    "RunFolder",
    "RunResult",
    "common_folder",
    "place",
    "train",
]
