"""Models that learn the same on any number of replicas.

Keras takes the mean over the replicas of their mean losses, which is the mean over the batch only
where all replicas have as many examples. And its `fit` fails with several workers (Keras issue
20585): it builds a model of a batch that it reduces over the replicas, and reduces numbers that are
reduced already. What mends both is here alone, and was tested with the versions of `TESTED`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final, TypeAlias, TypeVar

import keras
import tensorflow as tf

from archbuilder.errors import RunError

TESTED: Final = ((3, 14), (3, 16))
"""The first version of Keras with which several workers were tested, and the first without."""

Numbers: TypeAlias = dict[str, tf.Tensor]
"""What a step gives: losses and metrics of the epoch so far, by name."""
_Batch = TypeVar("_Batch")


class Learner(keras.Model):
    """A model for `fit`, whose gradients are those of the mean loss of the whole batch.

    Made and compiled within the scope of its strategy.
    """

    def __init__(self) -> None:
        super().__init__()
        self.even = False
        """Whether every batch gives all replicas the same number of examples."""
        self.steps_now = 1
        """How many steps the next call of the train or test function takes."""
        self.losses_seen = LossGuard()

    def compute_loss(
        self,
        x: object = None,
        y: object = None,
        y_pred: object = None,
        sample_weight: object = None,
        training: bool = True,  # noqa: FBT001, FBT002 - the interface of Keras
    ) -> tf.Tensor:
        """The loss of a replica's part of a batch."""
        loss = super().compute_loss(x, y, y_pred, sample_weight, training)
        return self.weighed(loss, tf.shape(tf.nest.flatten(x)[0])[0]) if training else loss

    def weighed(self, loss: tf.Tensor, examples: tf.Tensor) -> tf.Tensor:
        """A replica's mean loss, whose gradients count as much as its share of the examples."""
        replicas = self.distribute_strategy.num_replicas_in_sync
        if replicas == 1 or self.even:
            return loss
        count = tf.cast(examples, tf.float32)
        total = tf.distribute.get_replica_context().all_reduce(tf.distribute.ReduceOp.SUM, count)
        return _with_gradients_times(loss, count * replicas / total)

    def make_train_function(self, force: bool = False) -> None:  # noqa: FBT001, FBT002
        """Make what `fit` calls for the steps of an execution, `steps_now` of them."""
        if self.train_function is None or force:  # type: ignore[has-type]  # Keras's own
            self.train_function = self._steps(self.train_step, self._trained)

    def make_test_function(self, force: bool = False) -> None:  # noqa: FBT001, FBT002
        """Make the same for `evaluate`."""
        if self.test_function is None or force:  # type: ignore[has-type]  # Keras's own
            self.test_function = self._steps(self.test_step, lambda given: given)

    def settle(self, given: Numbers) -> Numbers:
        """What is done outside of the replicas behind every step, with what it has given."""
        return given

    def _trained(self, given: Numbers) -> Numbers:
        found = self.settle(given)
        self.losses_seen.note(found)
        return found

    def _steps(
        self, step: Callable[[Any], Numbers], settle: Callable[[Numbers], Numbers]
    ) -> Callable[[object], Numbers]:
        """What takes steps. `settle` is called outside of the replicas with what each has given."""
        strategy = self.distribute_strategy
        if self.jit_compile:
            step = tf.function(step, jit_compile=True, reduce_retracing=True)

        def one(batches: Iterator[object]) -> Numbers:
            # What a step gives counts the examples of all replicas already.
            return settle(_local(strategy, strategy.run(step, args=(next(batches),))))

        def several(batches: Iterator[object], count: tf.Tensor) -> Numbers:
            for _ in tf.range(count - 1):
                one(batches)
            return one(batches)

        if self.steps_per_execution == 1:
            single: Callable[[object], Numbers] = tf.function(one, reduce_retracing=True)
            return single
        made = tf.function(several, reduce_retracing=True)
        return lambda batches: made(batches, tf.constant(self.steps_now))

    def _maybe_symbolic_build(self, iterator: object = None, data_batch: object = None) -> None:
        # Keras calls this before it trains or tests.
        strategy = self.distribute_strategy
        if iterator is not None and strategy.num_replicas_in_sync > 1:
            _, _, batches = next(iter(iterator))  # type: ignore[call-overload]  # Keras's own
            iterator, data_batch = None, _local(strategy, next(batches))
        super()._maybe_symbolic_build(iterator, data_batch)


class LossGuard:
    """Remembers the first step whose loss was no number, without waiting for the device."""

    def __init__(self) -> None:
        self._taken = tf.Variable(0, trainable=False, dtype=tf.int64)
        self._first = tf.Variable(0, trainable=False, dtype=tf.int64)
        self._loss = tf.Variable(0.0, trainable=False)

    def begin(self) -> None:
        """Count the steps from here."""
        self._taken.assign(0)
        self._first.assign(0)

    def note(self, numbers: Numbers) -> None:
        """Look at the losses among the numbers of a step: of an epoch so far, they stay NaN."""
        taken = self._taken.assign_add(1)
        losses = [numbers[name] for name in losses_in(numbers)]
        if losses:
            # The sum of what is not finite is not finite either.
            loss = tf.add_n([tf.cast(each, tf.float32) for each in losses])
            fine = tf.logical_or(tf.math.is_finite(loss), self._first > 0)
            self._loss.assign(tf.where(fine, self._loss, loss))
            self._first.assign(tf.where(fine, self._first, taken))

    def first(self) -> tuple[int, float] | None:
        """The number of that step, from 1, and its loss; None where there was none.

        Waits for the device.
        """
        step = int(self._first.numpy())
        return (step, float(self._loss.numpy())) if step else None


class NetworkLearner(Learner):
    """Trains one network as Keras does; what is saved of it has nothing of ours in it."""

    def __init__(self, network: keras.Model) -> None:
        super().__init__()
        self.network = network
        self.built = True

    def call(self, inputs: object, training: bool | None = None) -> object:  # noqa: FBT001
        """What the network makes of its inputs."""
        return self.network(inputs, training=training)


def losses_in(names: Iterable[str]) -> list[str]:
    """Those of the numbers of a step that are losses."""
    return [name for name in names if "loss" in name]


def check_version() -> None:
    """Refuse versions of Keras with which several workers were not tested.

    Raises:
        RunError: if the installed one is such.
    """
    installed = tuple(int(part) for part in keras.__version__.split(".")[:2])
    first, behind = TESTED
    if not first <= installed < behind:
        tested = f"{first[0]}.{first[1]} to below {behind[0]}.{behind[1]}"
        raise RunError(
            f"several workers were tested with Keras {tested}, and this is {keras.__version__}"
        )


@tf.custom_gradient
def _with_gradients_times(loss: tf.Tensor, factor: tf.Tensor) -> tuple[tf.Tensor, object]:
    def gradients(upstream: tf.Tensor) -> tuple[tf.Tensor, None]:
        return upstream * tf.cast(factor, upstream.dtype), None

    return tf.identity(loss), gradients


def _local(strategy: tf.distribute.Strategy, batch: _Batch) -> _Batch:
    """The part of a batch that belongs to the first replica of this process."""
    found: _Batch = keras.tree.map_structure(
        lambda each: strategy.experimental_local_results(each)[0], batch
    )
    return found
