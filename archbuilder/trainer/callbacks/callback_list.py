"""List of callbacks that keeps the logs of a step on the device."""

from __future__ import annotations

import keras


class TensorLogsCallbackList(keras.callbacks.CallbackList):
    """List of callbacks that passes the logs of a step on as tensors.

    Keras's own list (3.15) converts them to Python numbers for every batch, so each step would wait
    for the device.
    """

    def on_train_batch_begin(self, batch: int, logs: object = None) -> None:
        """Notify the callbacks before an execution of training."""
        for callback in self.callbacks:
            callback.on_train_batch_begin(batch, logs)

    def on_train_batch_end(self, batch: int, logs: object = None) -> None:
        """Notify the callbacks after an execution of training.

        `batch` is the last one of a full execution, though the last execution may be shorter.
        """
        for callback in self.callbacks:
            callback.on_train_batch_end(batch, logs)

    def on_test_batch_begin(self, batch: int, logs: object = None) -> None:
        """Notify the callbacks before an execution of validation."""
        for callback in self.callbacks:
            callback.on_test_batch_begin(batch, logs)

    def on_test_batch_end(self, batch: int, logs: object = None) -> None:
        """Notify the callbacks after an execution of validation."""
        for callback in self.callbacks:
            callback.on_test_batch_end(batch, logs)
