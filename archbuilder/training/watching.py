"""Watches a run from within Keras's `fit`: the numbers of every epoch, and losses that are none."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Final

import keras
import tensorflow as tf

from archbuilder.errors import RunError
from archbuilder.training.checkpoints import Position
from archbuilder.training.run import Row, RunFolder

Report = Callable[[str], None]
"""Takes a line for the user."""


HELD_OUT: Final = "val_"
"""How Keras begins the names of numbers of held-out examples."""
_LOOK: Final = 16
"""The executions between two looks at the loss."""


def told(numbers: Row) -> str:
    """Format the numbers of an epoch under the names that they have in all files of a run."""
    return "  ".join(f"{name} {value:.4f}" for name, value in numbers.items())


class EpochWriter(keras.callbacks.Callback):
    """Writes the numbers of every epoch to the run's folder and to the user."""

    def __init__(
        self, run: RunFolder, epochs: int, report: Report, rows: Sequence[Row] = ()
    ) -> None:
        super().__init__()
        self.rows: list[Row] = list(rows)
        self._run = run
        self._begun = False
        if not run.fresh:
            self._begin()
        self._epochs = epochs
        self._report = report
        self._started = 0.0

    def _begin(self) -> None:
        """Write the rows so far. From here on the folder of the run is kept, whatever happens."""
        if not self._begun:
            self._run.write_history(self.rows)
            self._begun = True

    def on_train_batch_end(self, _batch: int, _logs: object = None) -> None:
        """Note that the run has begun."""
        self._begin()

    def on_epoch_begin(self, _epoch: int, _logs: Mapping[str, float] | None = None) -> None:
        """Note the time."""
        self._started = time.perf_counter()

    def on_epoch_end(self, epoch: int, logs: Mapping[str, float] | None = None) -> None:
        """Keep the numbers, write them and report them."""
        seconds = time.perf_counter() - self._started
        numbers = {name: float(value) for name, value in sorted((logs or {}).items())}
        row: Row = {"epoch": epoch + 1, "seconds": round(seconds, 3), **numbers}
        self.rows.append(row)
        self._run.add_history(row, first=len(self.rows) == 1)
        held_out = {
            name.removeprefix(HELD_OUT): value
            for name, value in numbers.items()
            if name.startswith(HELD_OUT)
        }
        trained = {name: value for name, value in numbers.items() if not name.startswith(HELD_OUT)}
        width = len(str(self._epochs))
        parts = [f"epoch {epoch + 1:{width}}/{self._epochs}", told(trained)]
        parts += [f"held out: {told(held_out)}"] if held_out else []
        self._report("  ".join([*parts, f"{seconds:.1f} s"]))


class FiniteLoss(keras.callbacks.Callback):
    """Stops a run whose loss is no number any more, before its weights are taken for a result.

    `keep` keeps the batch behind a position, and gives a remark about it.

    A look at the loss waits for the device, so that it is had now and then: the learner remembers
    which step it was.
    """

    def __init__(self, position: Position, steps: int, keep: Callable[[Position], str]) -> None:
        super().__init__()
        self._keep = keep
        self._first = position.epoch * steps + position.batch
        self._steps = steps
        self._skipped = position.batch
        self._executions = 0

    def on_train_begin(self, _logs: Mapping[str, float] | None = None) -> None:
        """Count the steps from here."""
        self.model.losses_seen.begin()

    def on_epoch_begin(self, epoch: int, _logs: Mapping[str, float] | None = None) -> None:
        """Note where the epoch begins."""
        if epoch * self._steps > self._first:
            self._skipped = 0

    def on_train_batch_end(self, batch: int, _logs: object = None) -> None:
        """Look every few executions, and at the end of an epoch.

        Raises:
            RunError: if the loss was NaN or infinite.
        """
        self._executions += 1
        if self._executions % _LOOK == 0 or self._skipped + batch + 1 >= self._steps:
            self.check()

    def check(self) -> None:
        """Look at the losses of all steps so far.

        Raises:
            RunError: if one was NaN or infinite.
        """
        found = self.model.losses_seen.first()
        if found is not None:
            taken, loss = found
            step = self._first + taken
            epoch, batch = divmod(step - 1, self._steps)
            raise RunError(
                f"the loss became {loss} at step {step} (epoch {epoch + 1}, batch"
                f" {batch + 1}); a lower learning rate, or inputs of smaller numbers, may help;"
                f" {self._keep(Position(epoch, batch))}"
            )


class Executions(keras.callbacks.Callback):
    """Tells the learner how many steps it takes at a time: no more than the epoch still has."""

    def __init__(self, held_out: int | None) -> None:
        super().__init__()
        self._held_out = held_out or 0

    def on_train_batch_begin(self, batch: int, _logs: object = None) -> None:
        """Before an execution that trains."""
        self._tell(int(self.params["steps"]) - batch)

    def on_test_batch_begin(self, batch: int, _logs: object = None) -> None:
        """Before one that judges what is held out."""
        self._tell(self._held_out - batch)

    def _tell(self, left: int) -> None:
        self.model.steps_now = min(self.model.steps_per_execution, left)


class Averaged(keras.callbacks.Callback):
    """Judges the averages of the weights in place of the weights, where a run has them."""

    def __init__(self) -> None:
        super().__init__()
        self._weights: list[tf.Tensor] = []

    def on_test_begin(self, _logs: Mapping[str, float] | None = None) -> None:
        """Take the averages."""
        if self.model.averages:
            self._weights = self.model.exchange()

    def on_test_end(self, _logs: Mapping[str, float] | None = None) -> None:
        """Give the weights back."""
        if self.model.averages:
            self.model.exchange(self._weights)


class Callbacks(keras.callbacks.CallbackList):
    """Callbacks that are given the numbers of a step as tensors.

    Keras's own list turns them into Python's numbers, for which every step waits for the device.
    """

    def on_train_batch_begin(self, batch: int, logs: object = None) -> None:
        """Before an execution."""
        for callback in self.callbacks:
            callback.on_train_batch_begin(batch, logs)

    def on_train_batch_end(self, batch: int, logs: object = None) -> None:
        """Behind an execution; `batch` is the last one that Keras takes for its own."""
        for callback in self.callbacks:
            callback.on_train_batch_end(batch, logs)

    def on_test_batch_begin(self, batch: int, logs: object = None) -> None:
        """Before an execution that judges what is held out."""
        for callback in self.callbacks:
            callback.on_test_batch_begin(batch, logs)

    def on_test_batch_end(self, batch: int, logs: object = None) -> None:
        """Behind it."""
        for callback in self.callbacks:
            callback.on_test_batch_end(batch, logs)
