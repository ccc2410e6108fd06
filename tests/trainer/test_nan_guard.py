"""The first bad loss of a run is remembered on the device."""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from archbuilder.trainer.nan_guard import NaNLossTracker


def test_first_nan_loss_is_recorded():
    """The first step that is no number counts, also where later ones are numbers again."""
    guard = NaNLossTracker()
    guard.reset()
    for loss in (1.0, float("nan"), float("inf"), 2.0):
        guard.update([tf.constant(3.0), tf.constant(loss)])
    step, loss = guard.first_bad_step() or (0, 0)
    assert (step, np.isnan(loss)) == (2, True)
    guard.reset()
    assert guard.first_bad_step() is None
