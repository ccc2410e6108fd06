"""Keeps a run: commits checkpoints while Keras's `fit` goes on, and stops it when it is told to."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from types import FrameType
from typing import Final

import keras

from archbuilder.errors import RunError, StoppedError
from archbuilder.places import reason
from archbuilder.training.checkpoints import Checkpoint, Checkpoints, Position
from archbuilder.training.state import Arrays, NotFiniteError, collect, restore_metrics
from archbuilder.training.watching import EpochWriter, FiniteLoss, Report

_SHARE: Final = 0.02
"""Of the time of a run, at most this much goes into checkpoints."""


class Keeper(keras.callbacks.Callback):
    """Commits a checkpoint when one is due, at the end, and before a stop.

    One is due `seconds` after the last, or later where writing takes long. Zero means after every
    step. `explain` makes the error for a variable, by the name of its array, that is not finite.
    """

    def __init__(
        self,
        checkpoints: Checkpoints,
        writer: EpochWriter,
        report: Report,
        seconds: float,
        explain: Callable[[str, Position], RunError],
    ) -> None:
        super().__init__()
        self._checkpoints = checkpoints
        self._writer = writer
        self._report = report
        self._seconds = seconds
        self._explain = explain
        self._peers = checkpoints.peers
        self._wait = seconds
        self._last = time.monotonic()
        self._first = Position()
        self._finite: FiniteLoss | None = None
        self._metrics: Arrays = {}
        self._position = Position()
        self._stop = False
        self._failure = ""
        """Why the last checkpoint could not be written; empty where it was."""

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Take the first SIGTERM as the wish to stop after the step; a second one ends at once."""
        before = signal.getsignal(signal.SIGTERM)
        try:
            signal.signal(signal.SIGTERM, self._on_signal)
        except ValueError:
            # Only the main thread hears signals: elsewhere they are its business.
            yield
            return
        try:
            yield
        finally:
            signal.signal(signal.SIGTERM, before)

    def begin(self, position: Position, checkpoint: Checkpoint, finite: FiniteLoss) -> None:
        """A call of `fit` begins here; in the middle of an epoch, metrics go on as they were."""
        self._first = position
        self._finite = finite
        self._position = position
        self._metrics = checkpoint.arrays if position.batch else {}

    def on_epoch_begin(self, epoch: int, _logs: Mapping[str, float] | None = None) -> None:
        """Give the metrics what they had counted, which `fit` has just reset."""
        if self._metrics:
            restore_metrics(self.model, self._metrics)
            self._metrics = {}
        self._position = Position(epoch, self._first.batch if epoch == self._first.epoch else 0)

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
        skipped = self._first.batch if epoch == self._first.epoch else 0
        steps = int(self.params["steps"])
        # Keras takes all executions of an epoch to be as long.
        self._position = Position(epoch, skipped + min(batch + 1, steps))
        # The last step of an epoch belongs to its end, with the validation metrics and the history:
        # a checkpoint between the two could not be resumed by `fit`, which takes at least one step.
        if batch + 1 < steps:
            self._act()

    def on_epoch_end(self, epoch: int, _logs: Mapping[str, float] | None = None) -> None:
        """The same behind an epoch."""
        self._position = Position(epoch + 1)
        self._act()

    def on_train_end(self, _logs: Mapping[str, float] | None = None) -> None:
        """Commit the end."""
        self._commit()

    def _on_signal(self, number: int, _frame: FrameType | None) -> None:
        self._stop = True
        signal.signal(number, signal.SIG_DFL)

    def _act(self) -> None:
        due = time.monotonic() - self._last >= self._wait
        stop, due = self._peers.agree(any_says=self._stop, chief_says=due)
        if stop or due:
            self._commit()
        if stop:
            raise StoppedError(
                "stopped as it was told to, and ready to go on:"
                f" archbuilder train --resume {self._checkpoints.run.path}"
            )

    def _commit(self) -> None:
        begun = time.monotonic()
        if self._finite is not None:
            self._finite.check()
        rows = tuple(self._writer.rows)
        failure = ""
        try:
            self._checkpoints.commit(Checkpoint(self._position, rows, collect(self.model)))
        except NotFiniteError as error:
            raise self._explain(error.name, self._position) from error
        except OSError as error:
            # The older checkpoints are as they were; the run is worth more than the newest.
            failure = reason(error)
        if failure not in ("", self._failure):
            self._report(f"no checkpoint could be written: {failure}")
        elif self._failure and not failure:
            self._report("checkpoints can be written again")
        self._failure = failure
        self._last = time.monotonic()
        if self._seconds:
            self._wait = max(self._seconds, (self._last - begun) / _SHARE)
