"""Trains one network by the losses of its outputs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias, cast

import keras
import tensorflow as tf

from archbuilder.training.learner import Learner, Numbers
from archbuilder.training.pace import PLAIN, Pace
from archbuilder.training.reduction import LossMeans, Term, Total, ignore_in_metrics, reduce
from archbuilder.training.slices import Slice, size, sum_over_replicas

Losses: TypeAlias = keras.losses.Loss | Mapping[str, keras.losses.Loss]
"""The loss of a single output, or those of several by name."""
_Triple: TypeAlias = tuple[Any, Any, Any]
"""Inputs, targets and their weights, each a tensor or tensors by name; weights may be None."""


class NetworkLearner(Learner):
    """Trains one network as Keras does; what is saved of it has nothing of ours in it."""

    def __init__(self, network: keras.Model, pace: Pace = PLAIN) -> None:
        super().__init__(pace)
        self.network = network
        self.built = True

    def compile(
        self,
        optimizer: keras.optimizers.Optimizer,
        loss: Losses,
        loss_weights: Mapping[str, float] | float = 1.0,
        **arguments: Any,
    ) -> None:
        """Take the losses, and everything else as Keras does."""
        weights = loss_weights if isinstance(loss_weights, Mapping) else {}
        if isinstance(loss, Mapping):
            self._terms = tuple(
                Term(name, each, weights.get(name, 1.0)) for name, each in loss.items()
            )
        else:
            self._terms = (Term(None, loss, cast(float, loss_weights)),)
        super().compile(optimizer=optimizer, **arguments)
        # Takes the place of Keras's mean of the losses of batches.
        self._loss_tracker = LossMeans(self._terms)

    @property
    def metrics(self) -> list[keras.metrics.Metric]:
        """The losses and the metrics of an epoch."""
        # Keras finds the losses twice: as its own, and as an attribute that is a metric.
        return list(dict.fromkeys(super().metrics))

    def train_step(self, data: object, counted: tf.Tensor | None = None) -> Numbers:
        """Take a step of Keras, with our gradients and reduction of losses."""
        batch = keras.utils.unpack_x_y_sample_weight(data)
        counts = None if self.pace.accumulate == 1 else self._counts_of(batch, counted)

        def loss_of(part: Slice[_Triple]) -> tf.Tensor:
            totals, additional = self._totals(part, training=True)
            divisors = _counts(totals) if counts is None else counts
            if counts is None:
                divisors = sum_over_replicas(divisors)
            losses = tf.math.divide_no_nan(tf.stack([each.sum for each in totals]), divisors)
            weights = tf.constant([each.weight for each in self._terms], losses.dtype)
            return tf.reduce_sum(losses * weights) + additional * tf.cast(
                part.share, additional.dtype
            )

        self.descend(batch, loss_of, counted=counted)
        return self.numbers()

    def test_step(self, data: object, counted: tf.Tensor | None = None) -> Numbers:
        """Count the losses and metrics of a batch, without training."""
        batch = keras.utils.unpack_x_y_sample_weight(data)
        self._totals(self.replica_slice(batch, counted), training=False)
        return self.numbers()

    def _totals(self, part: Slice[_Triple], *, training: bool) -> tuple[list[Total], tf.Tensor]:
        """Return the totals of a slice, and what regularizers and `add_loss` add to its loss.

        Both are counted for the epoch, and so are the metrics.
        """
        x, y, weights = part.examples
        outputs = self(x, training=training)
        totals = self._reduced(part, outputs)
        dtype = keras.config.floatx()
        more = [tf.cast(tf.reduce_sum(each), dtype) for each in self.losses]
        additional = tf.add_n([tf.zeros([], dtype), *more])
        examples = tf.cast(size(x), tf.float32) * part.weight
        self._loss_tracker.update_state(totals, additional, examples)
        for term in self._terms:
            ignore_in_metrics(term.loss, _of_output(term, y), _of_output(term, outputs))
        self.compute_metrics(x, y, outputs, sample_weight=weights)
        return totals, additional

    def _reduced(self, part: Slice[_Triple], outputs: Any) -> list[Total]:
        _, y, weights = part.examples
        return [
            reduce(
                term.loss,
                _of_output(term, y),
                _of_output(term, outputs),
                _of_output(term, weights),
                part,
            )
            for term in self._terms
        ]

    def _counts_of(self, batch: _Triple, counted: tf.Tensor | None) -> tf.Tensor:
        """Return what the losses of the global batch are divided by, before its slices are seen.

        Masks follow from inputs and targets alone, so TensorFlow prunes everything else that the
        network would compute here. Nothing is assigned within a stateless scope.
        """
        part = self.replica_slice(batch, counted)
        with keras.StatelessScope():
            totals = self._reduced(part, self(batch[0], training=False))
        return sum_over_replicas(_counts(totals))

    def call(self, inputs: object, training: bool | None = None) -> object:  # noqa: FBT001
        """What the network makes of its inputs."""
        return self.network(inputs, training=training)


def _counts(totals: Sequence[Total]) -> tf.Tensor:
    return tf.stop_gradient(tf.stack([each.count for each in totals]))


def _of_output(term: Term, values: Any) -> Any:
    return values if values is None or term.output is None else values[term.output]
