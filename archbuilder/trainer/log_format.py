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
    """Format metrics as Keras does, such as `accuracy: 0.9784 - loss: 0.0719`."""
    return " - ".join(
        # As in the progress bar of Keras.
        f"{name}: {value:.4f}" if abs(value) > 1e-3 or value == 0 else f"{name}: {value:.4e}"
        for name, value in metrics.items()
    )
