"""Models that learn to tell the views of one image from those of others."""

from __future__ import annotations

from abc import abstractmethod
from typing import Final, TypeAlias

import keras
import tensorflow as tf

from archbuilder.recipe.spec import MoCo, SimCLR
from archbuilder.training.learner import Learner, Numbers
from archbuilder.training.pace import PLAIN, Pace
from archbuilder.training.slices import Slice, of_all_replicas

Views: TypeAlias = dict[str, tf.Tensor]
"""Two views of the same images, `first` and `second`."""
_NEVER: Final = -1e9
_KEYS: Final = "keys"


class Contrast(Learner):
    """Gives the mean loss, and how often the other view of an image is the likeliest.

    `network` has one input and one output, the numbers that are compared. A batch is `Views`.
    """

    def __init__(
        self, network: keras.Model, optimizer: keras.optimizers.Optimizer, pace: Pace = PLAIN
    ) -> None:
        super().__init__(pace)
        self.network = network
        self._losses = keras.metrics.Mean(name="loss")
        self._found = keras.metrics.Mean(name="accuracy")
        self.optimizers = [(optimizer, network.trainable_variables)]
        optimizer.build(network.trainable_variables)
        self.built = True
        self.compile(optimizer=optimizer, jit_compile=pace.xla, steps_per_execution=pace.steps)

    @property
    def metrics(self) -> list[keras.metrics.Metric]:
        """The mean loss and accuracy of an epoch."""
        return [self._losses, self._found]

    @abstractmethod
    def compared(self, part: Slice[Views], *, training: bool) -> tuple[tf.Tensor, tf.Tensor]:
        """The logits of each view of this replica, and which of them is that of its partner."""

    def train_step(self, data: Views, counted: tf.Tensor | None = None) -> Numbers:
        """One step."""
        self.descend(data, self._loss_of, counted=counted)
        return self.numbers()

    def _loss_of(self, part: Slice[Views]) -> tf.Tensor:
        return self._mean(*self.compared(part, training=True), part.share)

    def _mean(self, logits: tf.Tensor, right: tf.Tensor, share: tf.Tensor) -> tf.Tensor:
        """What a slice adds to the mean loss, which is counted too."""
        losses = _crossentropy(logits, right)
        self._counted(losses, logits, right)
        return tf.reduce_mean(losses) * share

    def test_step(self, data: Views, counted: tf.Tensor | None = None) -> Numbers:
        """The same numbers, without training."""
        logits, right = self.compared(self.replica_slice(data, counted), training=False)
        self._counted(_crossentropy(logits, right), logits, right)
        return self.numbers()

    def _counted(self, losses: tf.Tensor, logits: tf.Tensor, right: tf.Tensor) -> None:
        likeliest = tf.argmax(logits, axis=1, output_type=tf.int32)
        self._losses.update_state(losses)
        self._found.update_state(tf.cast(tf.equal(likeliest, right), tf.float32))


class SimCLRLearner(Contrast):
    """Every other view in the batch of all replicas is a negative.

    Source: Chen et al. 2020, arXiv:2002.05709, equation 1 and algorithm 1.
    """

    def __init__(
        self,
        network: keras.Model,
        optimizer: keras.optimizers.Optimizer,
        spec: SimCLR,
        pace: Pace = PLAIN,
    ) -> None:
        super().__init__(network, optimizer, pace)
        self._temperature = spec.temperature

    def compared(self, part: Slice[Views], *, training: bool) -> tuple[tf.Tensor, tf.Tensor]:
        """Logits `(2 * examples, 2 * all examples)`."""
        views = part.examples
        both = tf.concat([views["first"], views["second"]], axis=0)
        first, second = tf.split(_unit(self.network(both, training=training)), 2)
        firsts, seconds = (
            of_all_replicas(first, part.counted),
            of_all_replicas(second, part.counted),
        )
        right = _begin(firsts) + tf.range(tf.shape(first)[0])
        itself = tf.one_hot(right, tf.shape(firsts)[0], on_value=_NEVER, off_value=0.0)

        def logits(own: tf.Tensor, partners: tf.Tensor, others: tf.Tensor) -> tf.Tensor:
            across = tf.matmul(own, partners, transpose_b=True) / self._temperature
            along = tf.matmul(own, others, transpose_b=True) / self._temperature
            return tf.concat([across, along + itself], axis=1)

        rows = [logits(first, seconds, firsts), logits(second, firsts, seconds)]
        return tf.concat(rows, axis=0), tf.tile(right, [2])


class MoCoLearner(Contrast):
    """The negatives are a queue of keys of the batches before, from an encoder that lags behind.

    Source: He et al. 2019, arXiv:1911.05722, section 3 and algorithm 1.
    """

    def __init__(
        self,
        network: keras.Model,
        keys: keras.Model,
        optimizer: keras.optimizers.Optimizer,
        spec: MoCo,
        seed: int,
        pace: Pace = PLAIN,
    ) -> None:
        super().__init__(network, optimizer, pace)
        self.key_network = keys
        keys.set_weights(network.get_weights())
        self._spec = spec
        self.queue = self.add_weight(
            shape=(spec.queue, network.output.shape[-1]),
            initializer=keras.initializers.RandomNormal(seed=seed),
            trainable=False,
            name="queue",
        )
        self.queue.assign(_unit(self.queue))

    def compared(self, part: Slice[Views], *, training: bool) -> tuple[tf.Tensor, tf.Tensor]:
        """Logits `(examples, 1 + queue)`."""
        logits, right, _ = self._compared(part.examples, training=training)
        return logits, right

    def _compared(self, views: Views, *, training: bool) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """The same, and the keys."""
        queries = _unit(self.network(views["first"], training=training))
        keys = tf.stop_gradient(self._keys(views["second"], training=training))
        partners = tf.reduce_sum(queries * keys, axis=1, keepdims=True)
        others = tf.matmul(queries, tf.convert_to_tensor(self.queue), transpose_b=True)
        logits = tf.concat([partners, others], axis=1) / self._spec.temperature
        return logits, tf.zeros([tf.shape(queries)[0]], tf.int32), keys

    def train_step(self, data: Views, counted: tf.Tensor | None = None) -> Numbers:
        """One step; gives its keys beside the numbers."""
        newest: list[tf.Tensor] = []

        def loss_of(part: Slice[Views]) -> tf.Tensor:
            logits, right, keys = self._compared(part.examples, training=True)
            newest.append(keys)
            return self._mean(logits, right, part.share)

        self.descend(data, loss_of, counted=counted)
        return {**self.numbers(), _KEYS: of_all_replicas(tf.concat(newest, axis=0))}

    def settle(self, given: Numbers) -> Numbers:
        """Let the queue and the encoder of keys follow a step."""
        filled = tf.concat([given[_KEYS], tf.convert_to_tensor(self.queue)], axis=0)
        self.queue.assign(filled[: self._spec.queue])
        share = self._spec.momentum
        pairs = zip(
            self.key_network.trainable_variables, self.network.trainable_variables, strict=True
        )
        for key, query in pairs:
            key.assign(share * key + (1 - share) * query)
        return {name: each for name, each in given.items() if name != _KEYS}

    def _keys(self, images: tf.Tensor, *, training: bool) -> tf.Tensor:
        """The keys of this replica's images.

        Several replicas exchange the images, so that the statistics of a batch normalisation do not
        tell which key belongs to which query (section 3.3).
        """
        if self.distribute_strategy.num_replicas_in_sync == 1 or not training:
            return _unit(self.key_network(images, training=training))
        everything = of_all_replicas(images)
        total, begin, own = tf.shape(everything)[0], _begin(everything), tf.shape(images)[0]
        step = tf.cast(self.optimizer.iterations, tf.int32)
        order = tf.random.experimental.stateless_shuffle(tf.range(total), seed=[0, step])
        mixed = tf.gather(everything, order[begin : begin + own])
        keys = of_all_replicas(_unit(self.key_network(mixed, training=True)))
        return tf.gather(keys, tf.math.invert_permutation(order)[begin : begin + own])


def _crossentropy(logits: tf.Tensor, right: tf.Tensor) -> tf.Tensor:
    return tf.nn.sparse_softmax_cross_entropy_with_logits(
        labels=right, logits=tf.cast(logits, tf.float32)
    )


def _unit(vectors: tf.Tensor) -> tf.Tensor:
    return tf.math.l2_normalize(tf.cast(vectors, tf.float32), axis=1)


def _begin(everything: tf.Tensor) -> tf.Tensor:
    """Where the rows of this replica begin among those of all; see `Placement.share`."""
    context = tf.distribute.get_replica_context()
    if context.num_replicas_in_sync == 1:
        return tf.constant(0)
    number = tf.cast(context.replica_id_in_sync_group, tf.int32)
    return tf.shape(everything)[0] * number // context.num_replicas_in_sync
