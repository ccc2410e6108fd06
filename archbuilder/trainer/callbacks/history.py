"""Watches a run from within Keras's `fit`: the numbers of every epoch, and losses that are none."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Final

import keras
import tensorflow as tf

from archbuilder.data.position import TrainingPosition
from archbuilder.diagnostics.errors import RunError
from archbuilder.runs.run_dir import EpochLogs, RunDir

LogFn = Callable[[str], None]
"""Takes a line for the user."""


VAL_PREFIX: Final = "val_"
"""How Keras begins the names of numbers of held-out examples."""
_CHECK_EVERY: Final = 16
"""The executions between two looks at the loss."""


def format_metrics(metrics: EpochLogs) -> str:
    """Format the numbers of an epoch under the names that they have in all files of a run."""
    return "  ".join(f"{name} {value:.4f}" for name, value in metrics.items())


class HistoryWriter(keras.callbacks.Callback):
    """Writes the numbers of every epoch to the run's folder and to the user."""

    def __init__(
        self, run_dir: RunDir, epochs: int, log: LogFn, history: Sequence[EpochLogs] = ()
    ) -> None:
        super().__init__()
        self.history: list[EpochLogs] = list(history)
        self._run_dir = run_dir
        self._history_created = False
        if not run_dir.is_new:
            self._create_history()
        self._epochs = epochs
        self._log = log
        self._epoch_start_time = 0.0

    def _create_history(self) -> None:
        """Write the rows so far. From here on the folder of the run is kept, whatever happens."""
        if not self._history_created:
            self._run_dir.write_history(self.history)
            self._history_created = True

    def on_train_batch_end(self, _batch: int, _logs: object = None) -> None:
        """Note that the run has begun."""
        self._create_history()

    def on_epoch_begin(self, _epoch: int, _logs: Mapping[str, float] | None = None) -> None:
        """Note the time."""
        self._epoch_start_time = time.perf_counter()

    def on_epoch_end(self, epoch: int, logs: Mapping[str, float] | None = None) -> None:
        """Keep the numbers, write them and report them."""
        seconds = time.perf_counter() - self._epoch_start_time
        metrics = {name: float(value) for name, value in sorted((logs or {}).items())}
        epoch_logs: EpochLogs = {"epoch": epoch + 1, "seconds": round(seconds, 3), **metrics}
        self.history.append(epoch_logs)
        self._run_dir.add_history(epoch_logs, first=len(self.history) == 1)
        val_metrics = {
            name.removeprefix(VAL_PREFIX): value
            for name, value in metrics.items()
            if name.startswith(VAL_PREFIX)
        }
        train_metrics = {
            name: value for name, value in metrics.items() if not name.startswith(VAL_PREFIX)
        }
        width = len(str(self._epochs))
        parts = [f"epoch {epoch + 1:{width}}/{self._epochs}", format_metrics(train_metrics)]
        parts += [f"held out: {format_metrics(val_metrics)}"] if val_metrics else []
        self._log("  ".join([*parts, f"{seconds:.1f} s"]))


class TerminateOnNaN(keras.callbacks.Callback):
    """Stops a run whose loss is no number any more, before its weights are taken for a result.

    `keep` keeps the batch behind a position, and gives a remark about it.

    A look at the loss waits for the device, so that it is had now and then: the learner remembers
    which step it was.
    """

    def __init__(
        self,
        position: TrainingPosition,
        steps_per_epoch: int,
        dump_batch: Callable[[TrainingPosition], str],
    ) -> None:
        super().__init__()
        self._dump_batch = dump_batch
        self._first_step = position.epoch * steps_per_epoch + position.batch
        self._steps_per_epoch = steps_per_epoch
        self._skipped_batches = position.batch
        self._executions = 0

    def on_train_begin(self, _logs: Mapping[str, float] | None = None) -> None:
        """Count the steps from here."""
        self.model.nan_loss_tracker.reset()

    def on_epoch_begin(self, epoch: int, _logs: Mapping[str, float] | None = None) -> None:
        """Note where the epoch begins."""
        if epoch * self._steps_per_epoch > self._first_step:
            self._skipped_batches = 0

    def on_train_batch_end(self, batch: int, _logs: object = None) -> None:
        """Look every few executions, and at the end of an epoch.

        Raises:
            RunError: if the loss was NaN or infinite.
        """
        self._executions += 1
        if (
            self._executions % _CHECK_EVERY == 0
            or self._skipped_batches + batch + 1 >= self._steps_per_epoch
        ):
            self.check()

    def check(self) -> None:
        """Look at the losses of all steps so far.

        Raises:
            RunError: if one was NaN or infinite.
        """
        bad_step = self.model.nan_loss_tracker.first_bad_step()
        if bad_step is not None:
            steps_taken, loss = bad_step
            step = self._first_step + steps_taken
            epoch, batch = divmod(step - 1, self._steps_per_epoch)
            raise RunError(
                f"the loss became {loss} at step {step} (epoch {epoch + 1}, batch"
                f" {batch + 1}); a lower learning rate, or inputs of smaller numbers, may help;"
                f" {self._dump_batch(TrainingPosition(epoch, batch))}"
            )


class LimitStepsPerExecution(keras.callbacks.Callback):
    """Tells the learner how many steps it takes at a time: no more than the epoch still has."""

    def __init__(self, validation_steps: int | None) -> None:
        super().__init__()
        self._validation_steps = validation_steps or 0

    def on_train_batch_begin(self, batch: int, _logs: object = None) -> None:
        """Before an execution that trains."""
        self._set_execution_steps(int(self.params["steps"]) - batch)

    def on_test_batch_begin(self, batch: int, _logs: object = None) -> None:
        """Before one that judges what is held out."""
        self._set_execution_steps(self._validation_steps - batch)

    def _set_execution_steps(self, remaining: int) -> None:
        self.model.execution_steps = min(self.model.steps_per_execution, remaining)


class SwapEMAWeights(keras.callbacks.Callback):
    """Judges the averages of the weights in place of the weights, where a run has them."""

    def __init__(self) -> None:
        super().__init__()
        self._trained_weights: list[tf.Tensor] = []

    def on_test_begin(self, _logs: Mapping[str, float] | None = None) -> None:
        """Take the averages."""
        if self.model.ema_variables:
            self._trained_weights = self.model.swap_ema_weights()

    def on_test_end(self, _logs: Mapping[str, float] | None = None) -> None:
        """Give the weights back."""
        if self.model.ema_variables:
            self.model.swap_ema_weights(self._trained_weights)


class TensorLogsCallbackList(keras.callbacks.CallbackList):
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
