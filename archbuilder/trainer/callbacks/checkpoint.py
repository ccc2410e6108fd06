"""Keeps a run: commits checkpoints while Keras's `fit` goes on, and stops it when it is told to."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from types import FrameType
from typing import Final

import keras

from archbuilder.data.position import TrainingPosition
from archbuilder.diagnostics.errors import RunError, RunInterruptedError
from archbuilder.files.sandbox import os_error_reason
from archbuilder.runs.checkpoint_manager import Checkpoint, CheckpointManager
from archbuilder.runs.state_dict import Arrays, NotFiniteError, load_metric_state, state_dict
from archbuilder.trainer.callbacks.history import HistoryWriter
from archbuilder.trainer.callbacks.terminate_on_nan import TerminateOnNaN
from archbuilder.trainer.log_format import LogFn

_MAX_TIME_FRACTION: Final = 0.02
"""Of the time of a run, at most this much goes into checkpoints."""


class CheckpointCallback(keras.callbacks.Callback):
    """Commits a checkpoint when one is due, at the end, and before a stop.

    One is due `seconds` after the last, or later where writing takes long. Zero means after every
    step. `explain` makes the error for a variable, by the name of its array, that is not finite.
    """

    def __init__(
        self,
        checkpoints: CheckpointManager,
        writer: HistoryWriter,
        log: LogFn,
        seconds: float,
        make_error: Callable[[str, TrainingPosition], RunError],
    ) -> None:
        super().__init__()
        self._checkpoints = checkpoints
        self._writer = writer
        self._log = log
        self._seconds = seconds
        self._make_error = make_error
        self._workers = checkpoints.workers
        self._interval = seconds
        self._last_save_time = time.monotonic()
        self._first_position = TrainingPosition()
        self._terminate_on_nan: TerminateOnNaN | None = None
        self._metric_arrays: Arrays = {}
        self._position = TrainingPosition()
        self._stop_requested = False
        self._write_error = ""
        """Why the last checkpoint could not be written; empty where it was."""

    @contextmanager
    def handle_sigterm(self) -> Iterator[None]:
        """Take the first SIGTERM as the wish to stop after the step; a second one ends at once."""
        old_handler = signal.getsignal(signal.SIGTERM)
        try:
            signal.signal(signal.SIGTERM, self._on_signal)
        except ValueError:
            # Only the main thread hears signals: elsewhere they are its business.
            yield
            return
        try:
            yield
        finally:
            signal.signal(signal.SIGTERM, old_handler)

    def start_segment(
        self, position: TrainingPosition, checkpoint: Checkpoint, terminate_on_nan: TerminateOnNaN
    ) -> None:
        """A call of `fit` begins here; in the middle of an epoch, metrics go on as they were."""
        self._first_position = position
        self._terminate_on_nan = terminate_on_nan
        self._position = position
        self._metric_arrays = checkpoint.arrays if position.batch else {}

    def on_epoch_begin(self, epoch: int, _logs: Mapping[str, float] | None = None) -> None:
        """Give the metrics what they had counted, which `fit` has just reset."""
        if self._metric_arrays:
            load_metric_state(self.model, self._metric_arrays)
            self._metric_arrays = {}
        self._position = TrainingPosition(
            epoch, self._first_position.batch if epoch == self._first_position.epoch else 0
        )

    def on_train_batch_end(
        self,
        batch: int,
        _logs: object = None,
    ) -> None:
        """Commit where it is time to, and stop where the run was told to.

        Raises:
            StoppedError: if it was.
        """
        epoch = self._position.epoch
        skipped_batches = self._first_position.batch if epoch == self._first_position.epoch else 0
        steps = int(self.params["steps"])
        # Keras takes all executions of an epoch to be as long.
        self._position = TrainingPosition(epoch, skipped_batches + min(batch + 1, steps))
        # The last step of an epoch belongs to its end, with the validation metrics and the history:
        # a checkpoint between the two could not be resumed by `fit`, which takes at least one step.
        if batch + 1 < steps:
            self._maybe_save()

    def on_epoch_end(self, epoch: int, _logs: Mapping[str, float] | None = None) -> None:
        """The same behind an epoch."""
        self._position = TrainingPosition(epoch + 1)
        self._maybe_save()

    def on_train_end(self, _logs: Mapping[str, float] | None = None) -> None:
        """Commit the end."""
        self._save()

    def _on_signal(self, signum: int, _frame: FrameType | None) -> None:
        self._stop_requested = True
        signal.signal(signum, signal.SIG_DFL)

    def _maybe_save(self) -> None:
        due = time.monotonic() - self._last_save_time >= self._interval
        stop, due = self._workers.any_and_chief(any_flag=self._stop_requested, chief_flag=due)
        if stop or due:
            self._save()
        if stop:
            raise RunInterruptedError(
                "stopped as it was told to, and ready to go on:"
                f" archbuilder train --resume {self._checkpoints.run_dir.path}"
            )

    def _save(self) -> None:
        start_time = time.monotonic()
        if self._terminate_on_nan is not None:
            self._terminate_on_nan.check()
        history = tuple(self._writer.history)
        write_error = ""
        try:
            self._checkpoints.commit(Checkpoint(self._position, history, state_dict(self.model)))
        except NotFiniteError as error:
            raise self._make_error(error.name, self._position) from error
        except OSError as error:
            # The older checkpoints are as they were; the run is worth more than the newest.
            write_error = os_error_reason(error)
        if write_error not in ("", self._write_error):
            self._log(f"no checkpoint could be written: {write_error}")
        elif self._write_error and not write_error:
            self._log("checkpoints can be written again")
        self._write_error = write_error
        self._last_save_time = time.monotonic()
        if self._seconds:
            self._interval = max(
                self._seconds, (self._last_save_time - start_time) / _MAX_TIME_FRACTION
            )
