"""Callback that adds the learning rates of several optimizers to the metrics of an epoch."""

from __future__ import annotations

from collections.abc import Iterable

import keras


def learning_rate_column(name: str) -> str:
    """Return the column of the history for the learning rate of an optimizer."""
    return f"learning_rate_{name}"


class LogLearningRates(keras.callbacks.Callback):
    """Adds the learning rates of optimizers to the logs of an epoch.

    It has to be the first callback: the others receive the same logs.

    Args:
        names: Names of all optimizers, in the order of `DistributedModel.optimizer_parts`; empty to
            log none.
    """

    def __init__(self, names: Iterable[str]) -> None:
        super().__init__()
        self._names = tuple(names)

    def on_epoch_end(self, _epoch: int, logs: dict[str, float]) -> None:
        """Add the rates of the next step, as Keras's callbacks do."""
        parts = self.model.optimizer_parts() if self._names else []
        for name, optimizer in zip(self._names, parts, strict=True):
            logs[learning_rate_column(name)] = float(
                keras.ops.convert_to_numpy(optimizer.learning_rate)
            )
