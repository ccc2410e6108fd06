"""Callback that writes the metrics of every epoch to the history files and to the log."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import keras

from archbuilder.runs.run_dir import EpochLogs, RunDir
from archbuilder.trainer.log_format import LogFn, format_metrics

_NO_CONSTANTS: Final[Mapping[str, float]] = {}


class HistoryWriter(keras.callbacks.Callback):
    """Writes the metrics of every epoch to the run directory, and logs them.

    Args:
        run_dir: The directory of the run.
        epochs: Number of epochs of the run.
        log: Shows a line to the user.
        history: The epochs before a resume.
        constants: Values that each epoch has besides its metrics, by the names of their columns.
        columns: Columns that each epoch has, with NaN where it lacks a value.
    """

    def __init__(
        self,
        run_dir: RunDir,
        epochs: int,
        log: LogFn,
        history: Sequence[EpochLogs] = (),
        *,
        constants: Mapping[str, float] = _NO_CONSTANTS,
        columns: Iterable[str] = (),
    ) -> None:
        super().__init__()
        self.history: list[EpochLogs] = list(history)
        self._run_dir = run_dir
        self._history_created = False
        if not run_dir.is_new:
            self._create_history()
        self._epochs = epochs
        self._log = log
        self._constants = constants
        self._columns = tuple(columns)
        self._epoch_start_time = 0.0
        self._not_finite: set[str] = set()

    def _create_history(self) -> None:
        """Write the history so far, once."""
        # From here on `RunDir.delete_unless_started` keeps the run directory if the run fails.
        if not self._history_created:
            self._run_dir.write_history(self.history)
            self._history_created = True

    def on_train_batch_end(self, _batch: int, _logs: object = None) -> None:
        """Create the history files after the first step."""
        self._create_history()

    def on_epoch_begin(self, _epoch: int, _logs: Mapping[str, float] | None = None) -> None:
        """Start the clock of the epoch."""
        self._epoch_start_time = time.perf_counter()

    def on_epoch_end(self, epoch: int, logs: Mapping[str, float] | None = None) -> None:
        """Record, write and log the metrics of the epoch."""
        seconds = time.perf_counter() - self._epoch_start_time
        # Sorted: rows are appended to history.csv one by one, and all need the same column order.
        metrics = {name: float(value) for name, value in sorted((logs or {}).items())}
        times = {"epoch": epoch + 1, "seconds": round(seconds, 3)}
        values = {**dict.fromkeys(self._columns, math.nan), **metrics}
        epoch_logs: EpochLogs = {**times, **self._constants, **dict(sorted(values.items()))}
        self.history.append(epoch_logs)
        self._run_dir.add_history(epoch_logs, first=len(self.history) == 1)
        width = len(str(self._epochs))
        self._log(
            f"Epoch {epoch + 1:{width}}/{self._epochs} - {seconds:.1f}s - {format_metrics(metrics)}"
        )
        # Only losses of the training stop a run.
        bad_names = {name for name, value in metrics.items() if not math.isfinite(value)}
        for name in sorted(bad_names - self._not_finite):
            self._log(f"warning: '{name}' is {metrics[name]} in epoch {epoch + 1}")
        self._not_finite |= bad_names
