"""Callback that stops a run whose loss is NaN or infinite."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

import keras

from archbuilder.data.position import TrainingPosition
from archbuilder.diagnostics.errors import RunError

_CHECK_EVERY: Final = 16
"""Number of executions between two checks of the loss."""


class TerminateOnNaN(keras.callbacks.Callback):
    """Stops a run whose loss is NaN or infinite.

    Reading a loss synchronizes with the device, so it is checked only every 16 executions, at the
    end of an epoch and before a checkpoint. `NaNLossTracker` remembers the step meanwhile.

    Args:
        position: Where the call of `fit` starts.
        steps_per_epoch: Number of steps of a whole epoch.
        dump_batch: Saves the batch at a position, and returns a note about it for the message.
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
        """Reset the tracker: it counts the steps of this call of `fit`."""
        self.model.nan_loss_tracker.reset()

    def on_epoch_begin(self, epoch: int, _logs: Mapping[str, float] | None = None) -> None:
        """Forget the skipped batches after the first epoch."""
        if epoch * self._steps_per_epoch > self._first_step:
            self._skipped_batches = 0

    def on_train_batch_end(self, batch: int, _logs: object = None) -> None:
        """Check the loss every few executions, and at the end of an epoch.

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
        """Check the losses of all steps so far.

        Raises:
            RunError: if one was NaN or infinite.
        """
        bad_step = self.model.nan_loss_tracker.first_bad_step()
        if bad_step is not None:
            steps_taken, loss = bad_step
            step = self._first_step + steps_taken
            epoch, batch = divmod(step - 1, self._steps_per_epoch)
            source = self.model.nan_source
            origin = f", first in {source}" if source else ""
            raise RunError(
                f"the loss became {loss} at step {step} (epoch {epoch + 1}, batch"
                f" {batch + 1}){origin}; decrease the learning rate, or rescale the inputs;"
                f" {self._dump_batch(TrainingPosition(epoch, batch))}"
            )
