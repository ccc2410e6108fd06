"""Keras models that contrast two views of an image against other images."""

from __future__ import annotations

from abc import abstractmethod
from typing import Final, TypeAlias

import keras
import tensorflow as tf

from archbuilder.config.objectives import MoCoConfig, SimCLRConfig
from archbuilder.distribution.slices import BatchSlice, all_gather, replica_offset
from archbuilder.trainer.distributed_model import DistributedModel
from archbuilder.trainer.execution import DEFAULT_EXECUTION, ExecutionConfig
from archbuilder.trainer.step_function import Logs

Views: TypeAlias = dict[str, tf.Tensor]
"""Two views of the same images: `first` and `second`."""
_NEG_INF: Final = -1e9
"""Added to the logit of a view with itself, whose probability becomes 0."""
_KEYS: Final = "keys"


class ContrastiveModel(DistributedModel):
    """Reports the mean loss, and the top-1 accuracy of retrieving the other view of an image.

    `network` has one input, and one output of shape `(examples, features)`. A batch is `Views`.
    """

    def __init__(
        self,
        network: keras.Model,
        optimizer: keras.optimizers.Optimizer,
        execution: ExecutionConfig = DEFAULT_EXECUTION,
    ) -> None:
        super().__init__(execution)
        self.network = network
        self._loss_mean = keras.metrics.Mean(name="loss")
        self._accuracy = keras.metrics.Mean(name="accuracy")
        self.optimizers = [(optimizer, network.trainable_variables)]
        # A step that creates the variables of the optimizer would be traced twice.
        optimizer.build(network.trainable_variables)
        self.built = True
        self.compile(
            optimizer=optimizer,
            jit_compile=execution.jit_compile,
            steps_per_execution=execution.steps_per_execution,
        )

    @property
    def metrics(self) -> list[keras.metrics.Metric]:
        """Mean loss and accuracy of an epoch."""
        return [self._loss_mean, self._accuracy]

    @abstractmethod
    def logits_and_labels(
        self, batch_slice: BatchSlice[Views], *, training: bool
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Return logits of this replica's views, and the index of the positive in each row."""

    def train_step(self, data: Views, is_duplicate: tf.Tensor | None = None) -> Logs:
        """Take a training step."""

        def loss_fn(microbatch: BatchSlice[Views]) -> tf.Tensor:
            logits, labels = self.logits_and_labels(microbatch, training=True)
            return self._microbatch_loss(logits, labels, microbatch.fraction)

        self.minimize(data, loss_fn, is_duplicate=is_duplicate)
        return self.epoch_logs()

    def _microbatch_loss(
        self, logits: tf.Tensor, labels: tf.Tensor, fraction: tf.Tensor
    ) -> tf.Tensor:
        """Return what a microbatch adds to the loss of the global batch, and update the metrics."""
        losses = _crossentropy(logits, labels)
        self._update_metrics(losses, logits, labels)
        return tf.reduce_mean(losses) * fraction

    def test_step(self, data: Views, is_duplicate: tf.Tensor | None = None) -> Logs:
        """Update the metrics with a batch, without training."""
        logits, labels = self.logits_and_labels(
            self.replica_slice(data, is_duplicate), training=False
        )
        self._update_metrics(_crossentropy(logits, labels), logits, labels)
        return self.epoch_logs()

    def _update_metrics(self, losses: tf.Tensor, logits: tf.Tensor, labels: tf.Tensor) -> None:
        predictions = tf.argmax(logits, axis=1, output_type=tf.int32)
        self._loss_mean.update_state(losses)
        self._accuracy.update_state(tf.cast(tf.equal(predictions, labels), tf.float32))


class SimCLRModel(ContrastiveModel):
    """Contrasts each view against all other views in the global batch.

    Source: Chen et al. 2020, arXiv:2002.05709, equation 1 and algorithm 1.
    """

    def __init__(
        self,
        network: keras.Model,
        optimizer: keras.optimizers.Optimizer,
        config: SimCLRConfig,
        execution: ExecutionConfig = DEFAULT_EXECUTION,
    ) -> None:
        super().__init__(network, optimizer, execution)
        self._temperature = config.temperature

    def logits_and_labels(
        self, batch_slice: BatchSlice[Views], *, training: bool
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Return logits of shape `(2 * examples, 2 * global examples)`, and their labels."""
        views = batch_slice.data
        images = tf.concat([views["first"], views["second"]], axis=0)
        first, second = tf.split(_l2_normalize(self.network(images, training=training)), 2)
        all_first, all_second = (
            all_gather(first, batch_slice.is_duplicate),
            all_gather(second, batch_slice.is_duplicate),
        )
        # The row of an image among those of all replicas: the label of its other view, and where a
        # view meets itself.
        labels = replica_offset(all_first) + tf.range(tf.shape(first)[0])
        self_mask = tf.one_hot(labels, tf.shape(all_first)[0], on_value=_NEG_INF, off_value=0.0)

        def view_logits(
            anchors: tf.Tensor, other_view: tf.Tensor, same_view: tf.Tensor
        ) -> tf.Tensor:
            cross_view_logits = tf.matmul(anchors, other_view, transpose_b=True) / self._temperature
            same_view_logits = tf.matmul(anchors, same_view, transpose_b=True) / self._temperature
            return tf.concat([cross_view_logits, same_view_logits + self_mask], axis=1)

        rows = [
            view_logits(first, all_second, all_first),
            view_logits(second, all_first, all_second),
        ]
        return tf.concat(rows, axis=0), tf.tile(labels, [2])


class MoCoModel(ContrastiveModel):
    """Contrasts queries against a queue of keys of earlier batches, from a momentum encoder.

    Source: He et al. 2019, arXiv:1911.05722, section 3 and algorithm 1.
    """

    def __init__(
        self,
        network: keras.Model,
        key_network: keras.Model,
        optimizer: keras.optimizers.Optimizer,
        config: MoCoConfig,
        seed: int,
        execution: ExecutionConfig = DEFAULT_EXECUTION,
    ) -> None:
        super().__init__(network, optimizer, execution)
        self.key_network = key_network
        # The momentum encoder starts as a copy of the query network.
        key_network.set_weights(network.get_weights())
        self._config = config
        self.queue = self.add_weight(
            shape=(config.queue_size, network.output.shape[-1]),
            initializer=keras.initializers.RandomNormal(seed=seed),
            trainable=False,
            name="queue",
        )
        # As in the reference implementation, the queue starts with random unit vectors.
        self.queue.assign(_l2_normalize(self.queue))

    def logits_and_labels(
        self, batch_slice: BatchSlice[Views], *, training: bool
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Return logits of shape `(examples, 1 + queue)`, and labels of 0."""
        logits, labels, _ = self._logits_labels_and_keys(batch_slice.data, training=training)
        return logits, labels

    def _logits_labels_and_keys(
        self, views: Views, *, training: bool
    ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """Return logits, labels and the keys of this batch."""
        queries = _l2_normalize(self.network(views["first"], training=training))
        images = views["second"]
        if self.distribute_strategy.num_replicas_in_sync == 1 or not training:
            keys = _l2_normalize(self.key_network(images, training=training))
        else:
            # In training, the replicas shuffle the images among themselves. Otherwise the
            # statistics of a batch normalization would reveal which key belongs to a query (section
            # 3.3, shuffling BN).
            all_images = all_gather(images)
            offset, count = replica_offset(all_images), tf.shape(images)[0]
            step = tf.cast(self.optimizer.iterations, tf.int32)
            # All replicas need the same permutation, and another one at every step.
            permutation = tf.random.experimental.stateless_shuffle(
                tf.range(tf.shape(all_images)[0]), seed=[0, step]
            )
            shuffled_images = tf.gather(all_images, permutation[offset : offset + count])
            all_keys = all_gather(_l2_normalize(self.key_network(shuffled_images, training=True)))
            inverse_permutation = tf.math.invert_permutation(permutation)
            keys = tf.gather(all_keys, inverse_permutation[offset : offset + count])
        # The key network learns by momentum only.
        keys = tf.stop_gradient(keys)
        positives = tf.reduce_sum(queries * keys, axis=1, keepdims=True)
        negatives = tf.matmul(queries, tf.convert_to_tensor(self.queue), transpose_b=True)
        logits = tf.concat([positives, negatives], axis=1) / self._config.temperature
        # The positive is the first column of every row.
        return logits, tf.zeros([tf.shape(queries)[0]], tf.int32), keys

    def train_step(self, data: Views, is_duplicate: tf.Tensor | None = None) -> Logs:
        """Take a training step; its logs contain the new keys for `after_step`."""
        # Only `after_step` may change the queue: it runs once, outside of the replicas, and every
        # microbatch of a step is contrasted against the same queue.
        new_keys: list[tf.Tensor] = []

        def loss_fn(microbatch: BatchSlice[Views]) -> tf.Tensor:
            logits, labels, keys = self._logits_labels_and_keys(microbatch.data, training=True)
            new_keys.append(keys)
            return self._microbatch_loss(logits, labels, microbatch.fraction)

        self.minimize(data, loss_fn, is_duplicate=is_duplicate)
        return {**self.epoch_logs(), _KEYS: all_gather(tf.concat(new_keys, axis=0))}

    def after_step(self, logs: Logs) -> Logs:
        """Add the keys to the queue, and move the key network towards the query network."""
        extended_queue = tf.concat([logs[_KEYS], tf.convert_to_tensor(self.queue)], axis=0)
        self.queue.assign(extended_queue[: self._config.queue_size])
        momentum = self._config.momentum
        pairs = zip(
            self.key_network.trainable_variables, self.network.trainable_variables, strict=True
        )
        for key, query in pairs:
            key.assign(momentum * key + (1 - momentum) * query)
        return {name: each for name, each in logs.items() if name != _KEYS}


def _crossentropy(logits: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
    return tf.nn.sparse_softmax_cross_entropy_with_logits(
        labels=labels, logits=tf.cast(logits, tf.float32)
    )


def _l2_normalize(vectors: tf.Tensor) -> tf.Tensor:
    return tf.math.l2_normalize(tf.cast(vectors, tf.float32), axis=1)
