"""Tracker of the first step whose loss is NaN or infinite."""

from __future__ import annotations

from collections.abc import Iterable

import tensorflow as tf


class NaNLossTracker:
    """Remembers the first step whose loss is NaN or infinite, without waiting for the device.

    The values are variables on the device: `update` runs within the traced function of a step, and
    only `first_bad_step` copies to the host.
    """

    def __init__(self) -> None:
        self._step = tf.Variable(0, trainable=False, dtype=tf.int64)
        self._first_bad = tf.Variable(0, trainable=False, dtype=tf.int64)
        self._bad_loss = tf.Variable(0.0, trainable=False)

    def reset(self) -> None:
        """Forget a bad step, and count the steps from here."""
        self._step.assign(0)
        self._first_bad.assign(0)

    def update(self, losses: Iterable[tf.Tensor]) -> None:
        """Count a step, and check its losses, which may be those of several replicas.

        Means over the epoch so far do as well: once NaN, they stay NaN for the rest of the epoch.
        """
        step = self._step.assign_add(1)
        # A sum with a term that is not finite is not finite, so one check covers all losses.
        loss = tf.add_n([tf.cast(each, tf.float32) for each in losses])
        is_unchanged = tf.logical_or(tf.math.is_finite(loss), self._first_bad > 0)
        self._bad_loss.assign(tf.where(is_unchanged, self._bad_loss, loss))
        self._first_bad.assign(tf.where(is_unchanged, self._first_bad, step))

    def first_bad_step(self) -> tuple[int, float] | None:
        """Return the number of the first bad step, counted from 1, and its loss, or None.

        Blocks until the device has computed all steps so far.
        """
        step = int(self._first_bad.numpy())
        return (step, float(self._bad_loss.numpy())) if step else None
