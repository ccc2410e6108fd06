"""Log lines of a run, and the metrics in them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from archbuilder.runs.run_dir import EpochLogs

LogFn = Callable[[str], None]
"""Shows a line to the user."""

VAL_PREFIX: Final = "val_"
"""Prefix that Keras gives the names of validation metrics."""


def format_metrics(metrics: EpochLogs) -> str:
    """Format the metrics of an epoch, under the names that they have in all files of a run."""
    return "  ".join(f"{name} {value:.4f}" for name, value in metrics.items())
