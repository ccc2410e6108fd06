"""Callback that adds the accuracy of probes to the metrics of an epoch."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import keras

from archbuilder.runs.run_dir import EpochLogs
from archbuilder.trainer.log_format import VAL_PREFIX


class LogProbes(keras.callbacks.Callback):
    """Adds what probes measure on the validation set to the logs of an epoch.

    It has to be before the callbacks that read the logs, and after `SwapEMAWeights`: probes see the
    weights that the validation sees.
    """

    def __init__(self, compute: Callable[[], EpochLogs]) -> None:
        super().__init__()
        self._compute = compute
        self._metrics: EpochLogs = {}

    def on_test_begin(self, _logs: Mapping[str, float] | None = None) -> None:
        """Compute the metrics for the weights of the validation."""
        self._metrics = self._compute()

    def on_epoch_end(self, _epoch: int, logs: dict[str, float]) -> None:
        """Add the metrics of the validation."""
        logs.update({VAL_PREFIX + name: each for name, each in self._metrics.items()})
