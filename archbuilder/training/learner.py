"""Models that learn the same on any number of replicas.

Keras takes the mean over the replicas of their mean losses, which is the mean over the batch only
where all replicas have as many examples. And its `fit` fails with several workers (Keras issue
20585): it builds a model of a batch that it reduces over the replicas, and reduces numbers that are
reduced already. What mends both is here alone, and was tested with the versions of `TESTED`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any, Final, TypeAlias, TypeVar

import keras
import tensorflow as tf

from archbuilder.errors import RunError
from archbuilder.training.pace import PLAIN, Pace
from archbuilder.training.state import optimizers

TESTED: Final = ((3, 14), (3, 16))
"""The first version of Keras with which several workers were tested, and the first without."""

Numbers: TypeAlias = dict[str, tf.Tensor]
"""What a step gives: losses and metrics of the epoch so far, by name."""
_Batch = TypeVar("_Batch")


class Learner(keras.Model):
    """A model for `fit`, whose gradients are those of the mean loss of the whole batch.

    Made and compiled within the scope of its strategy.
    """

    def __init__(self, pace: Pace = PLAIN) -> None:
        super().__init__()
        self.even = False
        """Whether every batch gives all replicas the same number of examples."""
        self.steps_now = 1
        """How many steps the next call of the train or test function takes."""
        self.losses_seen = LossGuard()
        self.pace = pace
        self.averages: list[keras.Variable] = []

    def descend(
        self, batch: _Batch, loss_of: Callable[[_Batch], tf.Tensor], number: int = 0
    ) -> None:
        """Let an optimizer, of several that of a number, take a step down the loss of a batch.

        `loss_of` gives the mean loss of examples, divided by the number of replicas. It is called
        once, or once for each part of the batch where gradients are accumulated.
        """
        optimizer, variables = optimizers(self)[number]
        gradients: list[tf.Tensor | None] = []
        for examples, share in self._parts(batch):
            # The parts of a batch come one behind the other, or they would all be in memory.
            with tf.control_dependencies([each for each in gradients if each is not None]):
                part = _each(tf.identity, examples) if gradients else examples
            with tf.GradientTape() as tape:
                loss = loss_of(part)
                loss = loss if share is None else loss * tf.cast(share, loss.dtype)
                loss = optimizer.scale_loss(loss)
            found = [
                # Keras's optimizers square the rows of a table one by one that are given twice.
                None if each is None else tf.convert_to_tensor(each)
                for each in tape.gradient(loss, [each.value for each in variables])
            ]
            gradients = _added(gradients, found) if gradients else found
        optimizer.apply(self._whole(gradients, optimizer), variables)

    def _parts(self, batch: _Batch) -> Iterator[tuple[_Batch, tf.Tensor | None]]:
        """The parts of a replica's batch, and how much the mean loss of each of them counts.

        Where a batch has fewer examples than parts, all parts are the whole of it.
        """
        replicas, parts = self.distribute_strategy.num_replicas_in_sync, self.pace.accumulate
        own = tf.shape(tf.nest.flatten(batch)[0])[0]
        share: tf.Tensor | None = None
        if replicas > 1 and not self.even:
            count = tf.cast(own, tf.float32)
            context = tf.distribute.get_replica_context()
            share = count * replicas / context.all_reduce(tf.distribute.ReduceOp.SUM, count)
        if parts == 1:
            yield batch, share
            return
        for number in range(parts):
            begin, end = own * number // parts, own * (number + 1) // parts
            begin, end = tf.where(own < parts, 0, begin), tf.where(own < parts, own, end)
            counts = tf.where(own < parts, 1 / parts, tf.cast((end - begin) / own, tf.float32))
            part = _each(partial(_rows, begin, end), batch)
            yield part, counts if share is None else counts * share

    def _whole(
        self, gradients: list[tf.Tensor | None], optimizer: keras.optimizers.Optimizer
    ) -> list[tf.Tensor | None]:
        """The gradients of the batch of all replicas.

        Keras's optimizers add them up only behind clipping, and behind the look whether they are
        finite. Ours are told that it is done.
        """
        if self.distribute_strategy.num_replicas_in_sync == 1:
            return gradients
        adding = getattr(optimizer, "inner_optimizer", optimizer)
        adding._all_reduce_sum_gradients = list  # noqa: SLF001 - Keras has no other way
        context = tf.distribute.get_replica_context()
        whole = iter(
            context.all_reduce(
                tf.distribute.ReduceOp.SUM, [each for each in gradients if each is not None]
            )
        )
        return [None if each is None else next(whole) for each in gradients]

    def make_ready(self) -> None:
        """Make the variables of the optimizers, and the averages of the weights if there are such.

        Before training and resuming. A step that makes variables itself is traced twice.
        """
        for optimizer, variables in optimizers(self):
            if not optimizer.built:
                optimizer.build(variables)
        if self.pace.average is None:
            return
        self.averages = [
            self.add_weight(
                shape=each.shape, initializer="zeros", trainable=False, name=f"average_{number}"
            )
            for number, each in enumerate(self._averaged())
        ]
        for average, variable in zip(self.averages, self._averaged(), strict=True):
            average.assign(variable)

    def exchange(self, values: list[tf.Tensor] | None = None) -> list[tf.Tensor]:
        """Give the weights their averages, or some values; what they had is given back."""
        values = [each.value for each in self.averages] if values is None else values
        before = [tf.identity(tf.convert_to_tensor(each.value)) for each in self._averaged()]
        with self.distribute_strategy.scope():
            for variable, value in zip(self._averaged(), values, strict=True):
                variable.assign(tf.convert_to_tensor(value))
        return before

    def _averaged(self) -> list[keras.Variable]:
        return [variable for _, variables in optimizers(self) for variable in variables]

    def _average(self) -> None:
        """Let the averages follow a step."""
        rule = self.pace.average
        if rule is None:
            return
        steps = optimizers(self)[0][0].iterations
        # The first step is worth more than the weights that chance gave.
        momentum = tf.where(tf.equal(steps, 1), 0.0, rule.momentum)
        due = rule.every is not None and tf.equal(steps % rule.every, 0)
        for average, variable in zip(self.averages, self._averaged(), strict=True):
            average.assign(momentum * average + (1 - momentum) * variable)
            if rule.every is not None:
                variable.assign(tf.where(due, average, variable))

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
        self._average()
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

        single: Callable[[object], Numbers] = tf.function(one, reduce_retracing=True)
        if self.steps_per_execution == 1:
            return single
        # A function of its own is traced once although it is called at two places. Replicas would
        # mistake what they tell each other at one of its calls for that of another.
        each = single if strategy.num_replicas_in_sync == 1 else one

        def several(batches: Iterator[object], count: tf.Tensor) -> Numbers:
            for _ in tf.range(count - 1):
                each(batches)
            return each(batches)

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

    def __init__(self, network: keras.Model, pace: Pace = PLAIN) -> None:
        super().__init__(pace)
        self.network = network
        self.built = True

    def train_step(self, data: object) -> Numbers:
        """What Keras does at a step, with gradients of our own."""
        self.descend(keras.utils.unpack_x_y_sample_weight(data), self._loss_of)
        return self.get_metrics_result()

    def _loss_of(self, data: tuple[Any, Any, Any]) -> tf.Tensor:
        x, y, weights = data
        made = self(x, training=True)
        loss = self.compute_loss(x, y, made, weights, training=True)
        replicas = self.distribute_strategy.num_replicas_in_sync
        count = tf.shape(tf.nest.flatten(x)[0])[0]
        self._loss_tracker.update_state(loss * replicas, sample_weight=count)
        self.compute_metrics(x, y, made, sample_weight=weights)
        return loss

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


def _each(change: Callable[[tf.Tensor], tf.Tensor], batch: _Batch) -> _Batch:
    """A batch with each of its tensors changed; weights that are not there stay so."""
    found: _Batch = tf.nest.map_structure(
        lambda each: None if each is None else change(each), batch
    )
    return found


def _rows(begin: tf.Tensor, end: tf.Tensor, each: tf.Tensor) -> tf.Tensor:
    return each[begin:end]


def _added(sums: list[tf.Tensor | None], more: list[tf.Tensor | None]) -> list[tf.Tensor | None]:
    """Gradients with those of another part of the batch."""
    return [None if one is None else one + other for one, other in zip(sums, more, strict=True)]


def _local(strategy: tf.distribute.Strategy, batch: _Batch) -> _Batch:
    """The part of a batch that belongs to the first replica of this process."""
    found: _Batch = keras.tree.map_structure(
        lambda each: strategy.experimental_local_results(each)[0], batch
    )
    return found
