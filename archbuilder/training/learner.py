"""Models that learn the same on any number of replicas.

Keras takes the mean over the replicas of their mean losses, which is the mean over the batch only
where all replicas have as many examples. And its `fit` fails with several workers (Keras issue
20585): it builds a model of a batch that it reduces over the replicas, and reduces numbers that are
reduced already. What mends both is here alone, and was tested with the versions of `TESTED`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, Final, TypeAlias, TypeVar

import keras
import tensorflow as tf

from archbuilder.errors import RunError
from archbuilder.training.pace import PLAIN, Pace
from archbuilder.training.slices import Batch, Slice, bounds, change, rows, size, sum_over_replicas
from archbuilder.training.state import optimizers

TESTED: Final = ((3, 14), (3, 16))
"""The first version of Keras with which several workers were tested, and the first without."""

Numbers: TypeAlias = dict[str, tf.Tensor]
"""What a step gives: losses and metrics of the epoch so far, by name."""
_Value = TypeVar("_Value")


class Learner(keras.Model):
    """A model for `fit`, whose gradients are those of the mean loss of the whole batch.

    Made and compiled within the scope of its strategy.
    """

    loss_names: tuple[str, ...] = ("loss",)
    """The names of what a step has to keep finite."""

    def __init__(self, pace: Pace = PLAIN) -> None:
        super().__init__()
        self.steps_now = 1
        """How many steps the next call of the train or test function takes."""
        self.losses_seen = LossGuard()
        self.pace = pace
        self.averages: list[keras.Variable] = []

    def descend(
        self,
        batch: Batch,
        loss_of: Callable[[Slice[Batch]], tf.Tensor],
        number: int = 0,
        counted: tf.Tensor | None = None,
    ) -> None:
        """Take a step of an optimizer, of several that of a number, down the loss of a batch.

        `loss_of` gives what a slice adds to the loss of the global batch. It is called once, or
        once for each slice of the batch where gradients are accumulated. `counted` says whether
        this replica's part of the batch counts.
        """
        optimizer, variables = optimizers(self)[number]
        gradients: list[tf.Tensor | None] = []
        for part in self._slices(batch, counted):
            # The slices come one behind the other, or they would all be in memory.
            with tf.control_dependencies([each for each in gradients if each is not None]):
                examples = change(tf.identity, part.examples) if gradients else part.examples
            with tf.GradientTape() as tape, self.counting(part.counted):
                loss = optimizer.scale_loss(loss_of(replace(part, examples=examples)))
            found = [
                # Keras's optimizers square the rows of a table one by one that are given twice.
                None if each is None else tf.convert_to_tensor(each)
                for each in tape.gradient(loss, [each.value for each in variables])
            ]
            gradients = _added(gradients, found) if gradients else found
        optimizer.apply(self._whole(gradients, optimizer), variables)

    def replica_slice(self, batch: Batch, counted: tf.Tensor | None) -> Slice[Batch]:
        """Return this replica's part of the global batch with its share of it."""
        part = Slice(batch, tf.ones([]), counted)
        if self.distribute_strategy.num_replicas_in_sync == 1:
            return part
        count = tf.cast(size(batch), tf.float32) * part.weight
        return replace(part, share=count / sum_over_replicas(count))

    def _slices(self, batch: Batch, counted: tf.Tensor | None) -> Iterator[Slice[Batch]]:
        """Cut this replica's part of a batch for the accumulation of gradients."""
        whole, slices = self.replica_slice(batch, counted), self.pace.accumulate
        if slices == 1:
            yield whole
            return
        own = size(batch)
        for number in range(slices):
            begin, end, counts = bounds(own, number, slices)
            if counted is not None:
                counts = tf.logical_and(counts, counted)
            part = tf.cast((end - begin) / own, tf.float32) * tf.cast(counts, tf.float32)
            yield Slice(rows(batch, begin, end), whole.share * part, counts)

    @contextmanager
    def counting(self, counted: tf.Tensor | None) -> Iterator[None]:
        """Undo at the end what metrics have counted, unless `counted` is true or None."""
        if counted is None:
            yield
            return
        before = [tf.identity(tf.convert_to_tensor(each)) for each in self.metrics_variables]
        yield
        for variable, value in zip(self.metrics_variables, before, strict=True):
            variable.assign(tf.where(counted, tf.convert_to_tensor(variable), value))

    def _share_statistics(self, batch: object, counted: tf.Tensor | None) -> None:
        """Give every replica the mean of the moving statistics of all.

        Keras 3 lets each replica keep its own, and a checkpoint has those of the first replica
        alone: validation, a resumed run and the saved model would all see other statistics.
        """
        variables = [
            variable
            for layer in self._flatten_layers()
            if isinstance(layer, keras.layers.BatchNormalization) and not layer.synchronized
            for variable in layer.non_trainable_variables
        ]
        if self.distribute_strategy.num_replicas_in_sync == 1 or not variables:
            return
        share = self.replica_slice(batch, counted).share
        means = sum_over_replicas([share * tf.convert_to_tensor(each) for each in variables])
        for variable, mean in zip(variables, means, strict=True):
            variable.assign(mean)

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
        whole = iter(sum_over_replicas([each for each in gradients if each is not None]))
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
            self.train_function = self._steps(self._train, self._trained)

    def make_test_function(self, force: bool = False) -> None:  # noqa: FBT001, FBT002
        """Make the same for `evaluate`."""
        if self.test_function is None or force:  # type: ignore[has-type]  # Keras's own
            self.test_function = self._steps(self._test, lambda given: given)

    def _train(self, data: object, counted: tf.Tensor | None) -> Numbers:
        numbers: Numbers = self.train_step(data, counted)
        self._share_statistics(data, counted)
        return numbers

    def _test(self, data: object, counted: tf.Tensor | None) -> Numbers:
        with self.counting(counted):
            self.test_step(data, counted)
        return self.numbers()

    def numbers(self) -> Numbers:
        """Return the losses and metrics of the epoch so far."""
        numbers: Numbers = self.get_metrics_result()
        return numbers

    def settle(self, given: Numbers) -> Numbers:
        """What is done outside of the replicas behind every step, with what it has given."""
        return given

    def _trained(self, given: Numbers) -> Numbers:
        found = self.settle(given)
        self._average()
        self.losses_seen.note({name: found[name] for name in self.loss_names})
        return found

    def _steps(
        self,
        step: Callable[[Any, tf.Tensor | None], Numbers],
        settle: Callable[[Numbers], Numbers],
    ) -> Callable[[object], Numbers]:
        """What takes steps. `settle` is called outside of the replicas with what each has given."""
        strategy = self.distribute_strategy
        if self.jit_compile:
            step = tf.function(step, jit_compile=True, reduce_retracing=True)

        def one(batches: Iterator[Any]) -> Numbers:
            batch = next(batches)
            # `Placement.share` tells each replica whether its part of a batch counts.
            arguments = (batch, None) if strategy.num_replicas_in_sync == 1 else batch
            # The numbers of a step are those of the first replica, and those of an epoch of all.
            return settle(_local(strategy, strategy.run(step, args=arguments)))

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
        if iterator is not None:
            _, _, batches = next(iter(iterator))  # type: ignore[call-overload]  # Keras's own
            if strategy.num_replicas_in_sync > 1:
                iterator, (data_batch, _) = None, _local(strategy, next(batches))
            elif self.pace.accumulate > 1:
                # `counting` has to know the variables of metrics, which Keras 3.15 makes on a
                # single device when it traces the first step.
                self._symbolic_build(data_batch=next(batches))
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

    def note(self, losses: Numbers) -> None:
        """Look at the losses of a step: those of an epoch so far stay NaN."""
        taken = self._taken.assign_add(1)
        # The sum of what is not finite is not finite either.
        loss = tf.add_n([tf.cast(each, tf.float32) for each in losses.values()])
        fine = tf.logical_or(tf.math.is_finite(loss), self._first > 0)
        self._loss.assign(tf.where(fine, self._loss, loss))
        self._first.assign(tf.where(fine, self._first, taken))

    def first(self) -> tuple[int, float] | None:
        """The number of that step, from 1, and its loss; None where there was none.

        Waits for the device.
        """
        step = int(self._first.numpy())
        return (step, float(self._loss.numpy())) if step else None


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


def _added(sums: list[tf.Tensor | None], more: list[tf.Tensor | None]) -> list[tf.Tensor | None]:
    """Gradients with those of another part of the batch."""
    return [None if one is None else one + other for one, other in zip(sums, more, strict=True)]


def _local(strategy: tf.distribute.Strategy, value: _Value) -> _Value:
    """What the first replica of this process has of a value."""
    found: _Value = keras.tree.map_structure(
        lambda each: strategy.experimental_local_results(each)[0], value
    )
    return found
