"""Watches a run from within Keras's `fit`: the numbers of every epoch, and losses that are none."""

from __future__ import annotations

import math
import re
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Final

import keras

from archbuilder.errors import RunError
from archbuilder.training.checkpoints import Position
from archbuilder.training.run import Row, RunFolder

Report = Callable[[str], None]
"""Takes a line for the user."""


HELD_OUT: Final = "val_"
"""How Keras begins the names of numbers of held-out examples."""
_ACCURACY: Final = re.compile(r"(sparse_)?((?P<top>top_k_)?categorical|binary)_accuracy$")


def told(numbers: Row) -> str:
    """Numbers as a person reads them: whatever the kind of accuracy, it is an accuracy."""
    return "  ".join(
        f"{_ACCURACY.sub(lambda match: (match['top'] or '') + 'accuracy', name)} {value:.4f}"
        for name, value in numbers.items()
    )


class EpochWriter(keras.callbacks.Callback):
    """Writes the numbers of every epoch to the run's folder and to the user."""

    def __init__(
        self, run: RunFolder, epochs: int, report: Report, rows: Sequence[Row] = ()
    ) -> None:
        super().__init__()
        self.rows: list[Row] = list(rows)
        run.write_history(self.rows)
        self._run = run
        self._epochs = epochs
        self._report = report
        self._started = 0.0

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
    """Stops a run whose loss is no number any more, before its weights are taken for a result."""

    def __init__(self, position: Position, steps: int) -> None:
        super().__init__()
        self._first = position
        self._steps = steps
        self._position = position

    def on_epoch_begin(self, epoch: int, _logs: Mapping[str, float] | None = None) -> None:
        """Note the epoch."""
        self._position = Position(epoch, self._first.batch if epoch == self._first.epoch else 0)

    def on_train_batch_end(self, batch: int, logs: Mapping[str, float] | None = None) -> None:
        """Look at the loss of a step.

        Raises:
            RunError: if it is NaN or infinite.
        """
        losses = {name: float(value) for name, value in (logs or {}).items() if "loss" in name}
        loss = next((each for each in losses.values() if not math.isfinite(each)), None)
        if loss is not None:
            number = self._position.batch + batch + 1
            step = self._position.epoch * self._steps + number
            raise RunError(
                f"the loss became {loss} at step {step} (epoch {self._position.epoch + 1}, batch"
                f" {number}); a lower learning rate, or inputs of smaller numbers, may help"
            )
