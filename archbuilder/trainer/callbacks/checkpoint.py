"""Callback that saves checkpoints on a timer, and stops the run on SIGTERM and Ctrl-C."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Final

import keras

from archbuilder.data.position import TrainingPosition
from archbuilder.diagnostics.errors import CheckpointedInterrupt, RunError, RunInterruptedError
from archbuilder.files.sandbox import os_error_reason
from archbuilder.runs.checkpoint_manager import Checkpoint, CheckpointManager
from archbuilder.runs.state_dict import Arrays, NotFiniteError, load_metric_state, state_dict
from archbuilder.trainer.callbacks.history import HistoryWriter
from archbuilder.trainer.callbacks.recipe_callbacks import RecipeCallbacks
from archbuilder.trainer.callbacks.terminate_on_nan import TerminateOnNaN
from archbuilder.trainer.log_format import LogFn

_MAX_TIME_FRACTION: Final = 0.02
"""Largest fraction of the time of a run that is spent on writing checkpoints."""


class CheckpointCallback(keras.callbacks.Callback):
    """Saves a checkpoint when one is due, at the end of training, and before a stop.

    Args:
        checkpoints: Writes and finds the checkpoints of the run.
        writer: Has the history that a checkpoint contains.
        log: Shows a line to the user.
        seconds: Time between two checkpoints, which grows where writing takes long. Zero saves
            after every execution.
        recipe_callbacks: Have a state that a checkpoint contains.
        make_non_finite_error: Returns the error for a variable that is not finite, from the name of
            its array and the position of the run.
    """

    def __init__(
        self,
        checkpoints: CheckpointManager,
        writer: HistoryWriter,
        log: LogFn,
        seconds: float,
        recipe_callbacks: RecipeCallbacks,
        make_non_finite_error: Callable[[str, TrainingPosition], RunError],
    ) -> None:
        super().__init__()
        self._checkpoints = checkpoints
        self._writer = writer
        self._log = log
        self._seconds = seconds
        self._recipe_callbacks = recipe_callbacks
        self._make_non_finite_error = make_non_finite_error
        self._workers = checkpoints.workers
        self._interval = seconds
        self._last_save_time = time.monotonic()
        self._first_position = TrainingPosition()
        self._stage = 1
        self._terminate_on_nan: TerminateOnNaN | None = None
        self._metric_arrays: Arrays = {}
        self._position = TrainingPosition()
        self._stop_signal: int | None = None
        self._write_error = ""
        """Reason why the last checkpoint could not be written; empty if it was."""

    @contextmanager
    def handle_stop_signals(self) -> Iterator[None]:
        """Stop after the current execution on SIGTERM or Ctrl-C; a second one stops at once."""
        old_handlers = {signal.SIGTERM: signal.getsignal(signal.SIGTERM)}
        # A program may handle Ctrl-C in its own way, and one in the background ignores it.
        if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            old_handlers[signal.SIGINT] = signal.default_int_handler
        try:
            for number in old_handlers:
                signal.signal(number, self._on_signal)
        except ValueError:
            # `signal.signal` works in the main thread only. In another thread, signals are left to
            # the program that calls archbuilder.
            yield
            return
        try:
            yield
        finally:
            for number, handler in old_handlers.items():
                signal.signal(number, handler)

    def start_segment(
        self, position: TrainingPosition, checkpoint: Checkpoint, terminate_on_nan: TerminateOnNaN
    ) -> None:
        """Prepare for a call of `fit` that starts at `position`.

        In the middle of an epoch, the metrics continue with the values of the checkpoint.
        """
        self._first_position = position
        self._terminate_on_nan = terminate_on_nan
        self._position = position
        self._stage = checkpoint.stage
        self._metric_arrays = checkpoint.arrays if position.batch else {}

    def on_epoch_begin(self, epoch: int, _logs: Mapping[str, float] | None = None) -> None:
        """Restore the metrics in the first epoch after a resume."""
        # Not before: `fit` resets all metrics right before it calls this method.
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
        """Save a checkpoint if one is due, and stop if a signal arrived.

        Raises:
            RunInterruptedError: if SIGTERM arrived at any worker.
            CheckpointedInterrupt: if Ctrl-C arrived at this one.
        """
        epoch = self._position.epoch
        skipped_batches = self._first_position.batch if epoch == self._first_position.epoch else 0
        steps = int(self.params["steps"])
        # Keras computes `batch` as if all executions had the same number of steps, but the last
        # one of an epoch may be shorter.
        self._position = TrainingPosition(epoch, skipped_batches + min(batch + 1, steps))
        # After the last step of an epoch, `on_epoch_end` saves. A checkpoint at this point would
        # have no step left in its epoch, and `fit` could not resume it to run the validation.
        if batch + 1 < steps:
            self._maybe_save()

    def on_epoch_end(self, epoch: int, _logs: Mapping[str, float] | None = None) -> None:
        """Save a checkpoint if one is due, and stop if a signal arrived.

        Raises:
            RunInterruptedError: if SIGTERM arrived at any worker.
            CheckpointedInterrupt: if Ctrl-C arrived at this one.
        """
        self._position = TrainingPosition(epoch + 1)
        self._maybe_save()

    def on_train_end(self, _logs: Mapping[str, float] | None = None) -> None:
        """Save the last checkpoint."""
        self._save()

    def _on_signal(self, signum: int, _frame: FrameType | None) -> None:
        # Nothing is saved here: the signal may arrive in the middle of a step.
        self._stop_signal = signum
        if signum == signal.SIGINT:
            signal.signal(signum, signal.default_int_handler)
            # The step may take minutes. Printing fails if the signal arrived while a line is
            # printed.
            with suppress(RuntimeError):
                self._log("Stopping after this step; press Ctrl-C again to stop at once")
        else:
            signal.signal(signum, signal.SIG_DFL)

    def _maybe_save(self) -> None:
        # All workers have to save and stop at the same step, but their clocks differ and the signal
        # may reach only one of them. The clock of the chief decides, and a signal at any worker.
        is_due = time.monotonic() - self._last_save_time >= self._interval
        stop, is_due = self._workers.any_and_chief(
            any_flag=self._stop_signal is not None, chief_flag=is_due
        )
        if stop or is_due:
            self._save()
        if stop and self._stop_signal == signal.SIGINT:
            raise CheckpointedInterrupt
        if stop:
            raise RunInterruptedError(
                "stopped by SIGTERM; resume with: archbuilder train --resume"
                f" {self._checkpoints.run_dir.path}"
            )

    def _save(self) -> None:
        start_time = time.monotonic()
        # NaN losses are otherwise looked at only now and then, and would get into a checkpoint.
        if self._terminate_on_nan is not None:
            self._terminate_on_nan.check()
        history = tuple(self._writer.history)
        arrays = state_dict(self.model) | self._recipe_callbacks.state()
        write_error = ""
        try:
            self._checkpoints.save(Checkpoint(self._position, history, arrays, self._stage))
        except NotFiniteError as error:
            raise self._make_non_finite_error(error.name, self._position) from error
        except OSError as error:
            # A full disk must not end the run: the older checkpoints are still there, and the next
            # attempt may succeed. The user is told once, and again when it does.
            write_error = os_error_reason(error)
        if write_error not in ("", self._write_error):
            self._log(f"warning: cannot write a checkpoint: {write_error}")
        elif self._write_error and not write_error:
            self._log("Checkpoints are written again")
        self._write_error = write_error
        self._last_save_time = time.monotonic()
        if self._seconds:
            self._interval = max(
                self._seconds, (self._last_save_time - start_time) / _MAX_TIME_FRACTION
            )
