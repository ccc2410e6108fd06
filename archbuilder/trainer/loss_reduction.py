"""Reduce losses to a mean over the global batch, however the batch is split.

Keras reduces each slice of a batch on its own: it divides a sum by a count, and both are those of
the slice. With a mask (`Masking`, `mask_zero`, `ignore_class`) the count is that of the unmasked
positions, which differs from slice to slice, so a mean of such means is not the mean of the batch
(Keras 3.15, `losses/loss.py`: `reduce_weighted_values`). Here sum and count are reduced
separately over the global batch, then divided. For a batch that is not split, the result is that of
Keras.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import keras
import tensorflow as tf

from archbuilder.config.loss_traits import LOSS_TRAITS
from archbuilder.data.image_coordinates import is_no_padding
from archbuilder.data.lists import LIST_PADDING
from archbuilder.data.sample_weights import append_axes
from archbuilder.diagnostics.errors import RunError
from archbuilder.distribution.slices import BatchSlice, all_gather

_SUM_REDUCTIONS = (None, "none", "sum")


@dataclass(frozen=True, slots=True, eq=False)
class LossTerm:
    """The loss of one output, and its weight in the total loss."""

    output: str | None
    """None for a network with a single output."""
    loss: keras.losses.Loss
    weight: float = 1.0


@dataclass(frozen=True, slots=True, eq=False)
class SumAndCount:
    """A loss as a sum and its divisor. Both add up over slices, unlike the mean."""

    sum: tf.Tensor
    count: tf.Tensor


def reduce_loss(
    loss: keras.losses.Loss,
    y_true: tf.Tensor,
    y_pred: tf.Tensor,
    weights: tf.Tensor | None,
    batch_slice: BatchSlice[Any],
) -> SumAndCount:
    """Return the sum and count of a loss over a slice of a batch.

    As in Keras, a sum of weighted losses is divided by the number of unmasked positions, not by
    the sum of the weights, unless the reduction is `mean_with_sample_weight`. With
    `reduction='sum'` the count is the slice's fraction: the divisor is 1 per batch.

    `weights` has one value per example or per position: its axes are the first ones of the loss.
    For a loss that is a mean over the values of the output, such as a binary crossentropy, it may
    have one for each of these values.
    """
    replicas = tf.distribute.get_replica_context().num_replicas_in_sync
    if replicas > 1 and needs_whole_batch(loss):
        y_true, y_pred, weights = (
            None
            if each is None
            else all_gather(tf.cast(each, loss.dtype), batch_slice.is_duplicate)
            for each in (y_true, y_pred, weights)
        )
        total = _sum_and_count(loss, y_true, y_pred, weights, tf.ones([]))
        # Every replica has the loss of the global batch, and contributes an equal part of it.
        return SumAndCount(total.sum / replicas, total.count / replicas)
    total = _sum_and_count(loss, y_true, y_pred, weights, batch_slice.fraction)
    return SumAndCount(
        batch_slice.zero_if_duplicate(total.sum), batch_slice.zero_if_duplicate(total.count)
    )


def attach_ignore_class_mask(loss: keras.losses.Loss, y_true: tf.Tensor, y_pred: tf.Tensor) -> None:
    """Mask the positions that a loss ignores (`ignore_class`) for the metrics of its output.

    Keras 3.15 has no such option for accuracies, and counts ignored positions as wrong. Metrics
    that have the option do not use the mask: `build_metrics` sets the option for them.
    """
    ignore_class = getattr(loss, "ignore_class", None)
    if ignore_class is None:
        return
    labelled = tf.reshape(y_true, tf.shape(y_pred)[:-1]) != tf.cast(ignore_class, y_true.dtype)
    _attach_mask(y_pred, labelled)


def attach_padding_mask(y_true: tf.Tensor, y_pred: tf.Tensor) -> None:
    """Mask the boxes or points that are padding, for the loss and the metrics of their output."""
    _attach_mask(y_pred, is_no_padding(y_true))


def split_list_padding(y_true: tf.Tensor, y_pred: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Return targets and outputs of lists, the padding masked and zero.

    Lists of single numbers get an axis, over which Keras's losses and metrics are means.
    """
    if y_pred.shape.rank == y_true.shape.rank == 2:
        y_true, y_pred = y_true[..., tf.newaxis], y_pred[..., tf.newaxis]
    is_value = y_true != tf.constant(LIST_PADDING, y_true.dtype)
    y_pred = tf.identity(y_pred)
    _attach_mask(y_pred, tf.reduce_any(is_value, axis=-1))
    return tf.where(is_value, y_true, tf.zeros_like(y_true)), y_pred


def _attach_mask(y_pred: tf.Tensor, counted: tf.Tensor) -> None:
    mask = get_keras_mask(y_pred)
    y_pred._keras_mask = counted if mask is None else tf.logical_and(mask, counted)  # noqa: SLF001


def needs_whole_batch(loss: keras.losses.Loss) -> bool:
    """Return whether a loss is not a mean over examples, so that slices do not add up to it."""
    traits = LOSS_TRAITS.get(type(loss).__name__)
    if traits is None or not traits.combines_examples:
        return False
    if not hasattr(loss, "axis"):
        return True
    # A ratio of sums over `axis`. Without `axis`, the sums run over the examples too.
    axes = loss.axis if isinstance(loss.axis, list | tuple) else [loss.axis]
    return None in axes or 0 in axes


def _sum_and_count(
    loss: keras.losses.Loss,
    y_true: tf.Tensor,
    y_pred: tf.Tensor,
    weights: tf.Tensor | None,
    fraction: tf.Tensor,
) -> SumAndCount:
    values, counts = losses_of_positions(loss, y_true, y_pred, weights)
    counts = tf.ones_like(values) if counts is None else counts
    weighted_counts = counts if weights is None else counts * broadcast_weights(weights, values)
    if loss.reduction in _SUM_REDUCTIONS:
        count = tf.cast(fraction, loss.dtype)
    elif loss.reduction == "mean_with_sample_weight":
        count = tf.reduce_sum(weighted_counts)
    else:
        count = tf.reduce_sum(counts)
    return SumAndCount(tf.reduce_sum(values * weighted_counts), count)


def losses_of_positions(
    loss: keras.losses.Loss, y_true: tf.Tensor, y_pred: tf.Tensor, weights: tf.Tensor | None
) -> tuple[tf.Tensor, tf.Tensor | None]:
    """Return the losses before a reduction, and 1 for each that counts, else 0; None for all."""
    mask = get_keras_mask(y_pred)
    batch_shape = tf.shape(y_pred)[:1]
    if weights is not None and weights.shape.rank == y_pred.shape.rank:
        # A weight for each value of the output: losses take the mean over their last axis.
        y_true, y_pred = y_true[..., tf.newaxis], y_pred[..., tf.newaxis]
    # `call`, not `__call__`: it returns the losses before Keras reduces them.
    values = loss.call(*(keras.ops.convert_to_tensor(y, loss.dtype) for y in (y_true, y_pred)))
    masks = [each for each in (mask, get_keras_mask(values)) if each is not None]
    values = tf.cast(values, loss.dtype)
    # A loss of the whole batch (`needs_whole_batch`): a scalar.
    if values.shape.rank == 0:
        values = tf.fill(batch_shape, values)
    counts = tf.ones_like(values) if masks else None
    for loss_mask in masks:
        counts *= broadcast_weights(loss_mask, values)
    return values, counts


def get_keras_mask(tensor: tf.Tensor) -> tf.Tensor | None:
    """Return the mask that layers and losses attach to a tensor."""
    # Keras has no public function for it.
    return getattr(tensor, "_keras_mask", None)


def broadcast_weights(factor: tf.Tensor, values: tf.Tensor) -> tf.Tensor:
    """Broadcast a mask or weights to the shape of the losses, from the first axis on.

    Keras 3.15 broadcasts from the last axis, so one weight per example would be taken for one per
    step.
    """
    factor = tf.cast(factor, values.dtype)
    rank = values.shape.rank
    if any(size != 1 for size in factor.shape[rank:]):
        raise RunError(
            f"a mask or sample weights with {factor.shape.rank} axes do not match a loss with"
            f" {rank} axes"
        )
    if factor.shape.rank > rank:
        return tf.reshape(factor, tf.shape(values))
    return tf.broadcast_to(append_axes(factor, rank), tf.shape(values))


class LossMeans(keras.metrics.Metric):
    """The losses of an epoch: the total, and each of its terms where there are several.

    Each is a mean over all counted positions of the epoch, not a mean of the means of its batches,
    so it does not depend on the size of the batches, and the total is the sum of its terms.
    """

    def __init__(self, terms: Sequence[str], name: str = "loss") -> None:
        """Create the means of terms, by their names in the logs."""
        # Counts of positions exceed 2**24, from where on float32 cannot add 1.
        super().__init__(name=name, dtype="float64")
        self._terms = tuple(terms)
        shape = (len(self._terms) + 1,)
        self._sums = self.add_weight(shape=shape, initializer="zeros", name="sums")
        self._counts = self.add_weight(shape=shape, initializer="zeros", name="counts")
        self._weighted_sums = self.add_weight(shape=shape, initializer="zeros", name="weighted")

    def update_state(
        self,
        loss_sums: Sequence[SumAndCount],
        weights: Sequence[float | tf.Tensor],
        extra_loss: tf.Tensor,
        num_examples: tf.Tensor,
    ) -> None:
        """Add a slice of a batch; `weights` are those of the terms in the total.

        `extra_loss` is what regularizers and `add_loss` add to the loss: a mean over the examples.
        """
        num_examples = tf.cast(num_examples, tf.float64)
        weighted_extra = tf.cast(extra_loss, tf.float64) * num_examples
        sums = [tf.cast(each.sum, tf.float64) for each in loss_sums]
        counts = [tf.cast(each.count, tf.float64) for each in loss_sums]
        factors = tf.stack([tf.cast(each, tf.float64) for each in (*weights, 1.0)])
        self._sums.assign_add(tf.stack([*sums, weighted_extra]))
        self._counts.assign_add(tf.stack([*counts, num_examples]))
        self._weighted_sums.assign_add(factors * tf.stack([*sums, weighted_extra]))

    def result(self) -> dict[str, tf.Tensor]:
        """Return the means so far by name."""
        counts = self._counts.value
        means = tf.cast(tf.math.divide_no_nan(self._sums.value, counts), tf.float32)
        weighted = tf.math.divide_no_nan(self._weighted_sums.value, counts)
        losses = {self.name: tf.cast(tf.reduce_sum(weighted), tf.float32)}
        if len(self._terms) > 1:
            losses |= {name: means[k] for k, name in enumerate(self._terms)}
        return losses
