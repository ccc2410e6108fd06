"""Callback that shortens the last execution of an epoch."""

from __future__ import annotations

import keras


class LimitStepsPerExecution(keras.callbacks.Callback):
    """Limits the steps of an execution to those that are left in the epoch.

    Keras 3.15 calls the train function for a full execution even where the epoch has fewer steps
    left. The batches of a run continue after the epoch, so steps of the next one would be taken.
    """

    def __init__(self, validation_steps: int | None) -> None:
        super().__init__()
        self._validation_steps = validation_steps or 0

    def on_train_batch_begin(self, batch: int, _logs: object = None) -> None:
        """Set the number of steps of the next execution of training."""
        self._set_execution_steps(int(self.params["steps"]) - batch)

    def on_test_batch_begin(self, batch: int, _logs: object = None) -> None:
        """Set the number of steps of the next execution of validation."""
        # `params["steps"]` is that of training when `fit` validates with the same callbacks.
        self._set_execution_steps(self._validation_steps - batch)

    def _set_execution_steps(self, remaining: int) -> None:
        self.model.execution_steps = min(self.model.steps_per_execution, remaining)
