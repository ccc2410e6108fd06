"""Keras model that trains one network by the losses of its outputs."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, TypeAlias, cast

import keras
import tensorflow as tf

from archbuilder.distribution.slices import BatchSlice, all_reduce_sum, count_examples
from archbuilder.trainer.distributed_model import DistributedModel
from archbuilder.trainer.execution import DEFAULT_EXECUTION, ExecutionConfig
from archbuilder.trainer.loss_reduction import (
    LossMeans,
    LossTerm,
    SumAndCount,
    attach_ignore_class_mask,
    attach_padding_mask,
    reduce_loss,
    split_list_padding,
)
from archbuilder.trainer.step_function import Logs

Losses: TypeAlias = keras.losses.Loss | Mapping[str, keras.losses.Loss]
"""The loss of a single output, or the losses of several by name."""
_XYSampleWeight: TypeAlias = tuple[Any, Any, Any]
"""Inputs, targets and sample weights: tensors, or dictionaries of them. Weights may be None."""


class SingleNetworkModel(DistributedModel):
    """Trains one network as Keras does.

    The network is an attribute, so that it can be saved without any class of archbuilder.
    """

    def __init__(
        self,
        network: keras.Model,
        execution: ExecutionConfig = DEFAULT_EXECUTION,
        padded_outputs: Collection[str] = (),
        number_lists: Collection[str] = (),
    ) -> None:
        """Create the model.

        Args:
            network: The network.
            execution: How it is executed.
            padded_outputs: The outputs whose targets are lists of boxes or points.
            number_lists: The outputs whose targets are lists of numbers.
        """
        super().__init__(execution)
        self.network = network
        self._padded_outputs = tuple(padded_outputs)
        self._number_lists = tuple(number_lists)
        # The network has its variables, so Keras need not build this model from a batch.
        self.built = True

    def compile(
        self,
        optimizer: keras.optimizers.Optimizer,
        loss: Losses,
        loss_weights: Mapping[str, float] | float = 1.0,
        **arguments: Any,
    ) -> None:
        """Compile the model; all other arguments are those of Keras.

        Args:
            optimizer: The optimizer of all trainable variables.
            loss: A loss for the output, or losses by output.
            loss_weights: A weight for the loss, or weights by output, which are 1 by default.
            **arguments: Arguments of `keras.Model.compile`.
        """
        weights = loss_weights if isinstance(loss_weights, Mapping) else {}
        if isinstance(loss, Mapping):
            self._terms = tuple(
                LossTerm(name, each, weights.get(name, 1.0)) for name, each in loss.items()
            )
        else:
            self._terms = (LossTerm(None, loss, cast(float, loss_weights)),)
        super().compile(optimizer=optimizer, **arguments)
        # Replaces Keras's tracker, which averages the losses of batches as if all batches counted
        # the same number of positions.
        self._loss_tracker = LossMeans([f"{each.output}_loss" for each in self._terms])

    @property
    def metrics(self) -> list[keras.metrics.Metric]:
        """Trackers of the losses, and metrics."""
        # Keras 3.15 lists the loss tracker twice: as its own, and as an attribute that is a metric.
        return list(dict.fromkeys(super().metrics))

    def train_step(self, data: object, is_duplicate: tf.Tensor | None = None) -> Logs:
        """Take a training step on the loss of the global batch."""
        batch = keras.utils.unpack_x_y_sample_weight(data)
        global_counts = None
        if self.execution.gradient_accumulation_steps > 1:
            # Microbatches are divided by the counts of the global batch, which have to be known
            # before the first of them. Without accumulation, the only microbatch gives the counts
            # itself. They depend on masks, which follow from inputs and targets alone: TensorFlow
            # prunes the rest of the forward pass. Within the scope, layers such as
            # BatchNormalization do not change their variables.
            with keras.StatelessScope():
                y, outputs = self._call_with_masks(batch[0], batch[1], training=False)
                loss_sums = self._reduce_losses(self.replica_slice(batch, is_duplicate), y, outputs)
            global_counts = all_reduce_sum(_stack_counts(loss_sums))

        def loss_fn(microbatch: BatchSlice[_XYSampleWeight]) -> tf.Tensor:
            loss_sums, extra_loss = self._sum_losses(microbatch, training=True)
            divisors = _stack_counts(loss_sums) if global_counts is None else global_counts
            if global_counts is None:
                divisors = all_reduce_sum(divisors)
            losses = tf.math.divide_no_nan(tf.stack([each.sum for each in loss_sums]), divisors)
            weights = tf.constant([each.weight for each in self._terms], losses.dtype)
            return tf.reduce_sum(losses * weights) + extra_loss * tf.cast(
                microbatch.fraction, extra_loss.dtype
            )

        self.minimize(batch, loss_fn, is_duplicate=is_duplicate)
        return self.epoch_logs()

    def test_step(self, data: object, is_duplicate: tf.Tensor | None = None) -> Logs:
        """Update the losses and metrics with a batch, without training."""
        batch = keras.utils.unpack_x_y_sample_weight(data)
        self._sum_losses(self.replica_slice(batch, is_duplicate), training=False)
        return self.epoch_logs()

    def _sum_losses(
        self, batch_slice: BatchSlice[_XYSampleWeight], *, training: bool
    ) -> tuple[list[SumAndCount], tf.Tensor]:
        """Return the reduced losses of a slice, and what regularizers and `add_loss` add to them.

        Updates the losses and metrics of the epoch.
        """
        x, y, weights = batch_slice.data
        y, outputs = self._call_with_masks(x, y, training=training)
        loss_sums = self._reduce_losses(batch_slice, y, outputs)
        dtype = keras.config.floatx()
        # Keras's `compute_loss` divides these by the number of replicas. `loss_fn` multiplies them
        # by the fraction of the slice instead.
        added_losses = [tf.cast(tf.reduce_sum(each), dtype) for each in self.losses]
        extra_loss = tf.add_n([tf.zeros([], dtype), *added_losses])
        num_examples = batch_slice.zero_if_duplicate(tf.cast(count_examples(x), tf.float32))
        term_weights = [each.weight for each in self._terms]
        self._loss_tracker.update_state(loss_sums, term_weights, extra_loss, num_examples)
        for term in self._terms:
            attach_ignore_class_mask(
                term.loss, _select_output(term, y), _select_output(term, outputs)
            )
        self.compute_metrics(x, y, outputs, sample_weight=weights)
        return loss_sums, extra_loss

    def _call_with_masks(self, x: Any, y: Any, *, training: bool) -> tuple[Any, Any]:
        """Return the targets, and the outputs with masks of the padding of their targets."""
        outputs = self(x, training=training)
        has_names = isinstance(outputs, Mapping)
        for name in self._padded_outputs:
            attach_padding_mask(*((y[name], outputs[name]) if has_names else (y, outputs)))
        for name in self._number_lists:
            if has_names:
                values, predicted = split_list_padding(y[name], outputs[name])
                y, outputs = {**y, name: values}, {**outputs, name: predicted}
            else:
                y, outputs = split_list_padding(y, outputs)
        return y, outputs

    def _reduce_losses(
        self, batch_slice: BatchSlice[_XYSampleWeight], y: Any, outputs: Any
    ) -> list[SumAndCount]:
        weights = batch_slice.data[2]
        return [
            reduce_loss(
                term.loss,
                _select_output(term, y),
                _select_output(term, outputs),
                _select_output(term, weights),
                batch_slice,
            )
            for term in self._terms
        ]

    def call(self, inputs: object, training: bool | None = None) -> object:  # noqa: FBT001
        """Call the network."""
        return self.network(inputs, training=training)


def _stack_counts(loss_sums: Sequence[SumAndCount]) -> tf.Tensor:
    return tf.stop_gradient(tf.stack([each.count for each in loss_sums]))


def _select_output(term: LossTerm, values: Any) -> Any:
    return values if values is None or term.output is None else values[term.output]
