"""Callback that validates with the averages of the weights."""

from __future__ import annotations

from collections.abc import Mapping

import keras
import tensorflow as tf


class SwapEMAWeights(keras.callbacks.Callback):
    """Swaps the weights for their averages during validation, if the run has averages.

    Keras has a callback of the same name for its own averages, which a run does not use (see
    `extract_ema`).
    """

    def __init__(self) -> None:
        super().__init__()
        self._trained_weights: list[tf.Tensor] = []

    def on_test_begin(self, _logs: Mapping[str, float] | None = None) -> None:
        """Set the weights to their averages."""
        if self.model.ema_variables:
            self._trained_weights = self.model.swap_ema_weights()

    def on_test_end(self, _logs: Mapping[str, float] | None = None) -> None:
        """Restore the trained weights."""
        if self.model.ema_variables:
            self.model.swap_ema_weights(self._trained_weights)
