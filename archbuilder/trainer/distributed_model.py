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
from typing import Any, TypeAlias, TypeVar

import keras
import tensorflow as tf

from archbuilder.distribution.slices import (
    Batch,
    Microbatch,
    all_reduce_sum,
    count_examples,
    map_tensors,
    slice_batch,
    slice_bounds,
)
from archbuilder.runs.state_dict import optimizer_groups
from archbuilder.trainer.execution import DEFAULT_EXECUTION, ExecutionConfig

Logs: TypeAlias = dict[str, tf.Tensor]
"""What a step gives: losses and metrics of the epoch so far, by name."""
_Value = TypeVar("_Value")


class DistributedModel(keras.Model):
    """A model for `fit`, whose gradients are those of the mean loss of the whole batch.

    Made and compiled within the scope of its strategy.
    """

    loss_names: tuple[str, ...] = ("loss",)
    """The names of what a step has to keep finite."""

    def __init__(self, execution: ExecutionConfig = DEFAULT_EXECUTION) -> None:
        super().__init__()
        self.execution_steps = 1
        """How many steps the next call of the train or test function takes."""
        self.nan_loss_tracker = NaNLossTracker()
        self.execution = execution
        self.ema_variables: list[keras.Variable] = []

    def minimize(
        self,
        batch: Batch,
        loss_fn: Callable[[Microbatch[Batch]], tf.Tensor],
        optimizer_index: int = 0,
        is_counted: tf.Tensor | None = None,
    ) -> None:
        """Take a step of an optimizer, of several that of a number, down the loss of a batch.

        `loss_of` gives what a slice adds to the loss of the global batch. It is called once, or
        once for each slice of the batch where gradients are accumulated. `counted` says whether
        this replica's part of the batch counts.
        """
        optimizer, variables = optimizer_groups(self)[optimizer_index]
        gradients: list[tf.Tensor | None] = []
        for microbatch in self._microbatches(batch, is_counted):
            # The slices come one behind the other, or they would all be in memory.
            with tf.control_dependencies([each for each in gradients if each is not None]):
                examples = (
                    map_tensors(tf.identity, microbatch.examples)
                    if gradients
                    else microbatch.examples
                )
            with tf.GradientTape() as tape, self.discard_metrics_unless(microbatch.is_counted):
                loss = optimizer.scale_loss(loss_fn(replace(microbatch, examples=examples)))
            microbatch_gradients = [
                # Keras's optimizers square the rows of a table one by one that are given twice.
                None if each is None else tf.convert_to_tensor(each)
                for each in tape.gradient(loss, [each.value for each in variables])
            ]
            gradients = (
                _add_gradients(gradients, microbatch_gradients)
                if gradients
                else microbatch_gradients
            )
        optimizer.apply(self._all_reduce_gradients(gradients, optimizer), variables)

    def replica_batch(self, batch: Batch, is_counted: tf.Tensor | None) -> Microbatch[Batch]:
        """Return this replica's part of the global batch with its share of it."""
        microbatch = Microbatch(batch, tf.ones([]), is_counted)
        if self.distribute_strategy.num_replicas_in_sync == 1:
            return microbatch
        count = tf.cast(count_examples(batch), tf.float32) * microbatch.weight
        return replace(microbatch, share=count / all_reduce_sum(count))

    def _microbatches(
        self, batch: Batch, is_counted: tf.Tensor | None
    ) -> Iterator[Microbatch[Batch]]:
        """Cut this replica's part of a batch for the accumulation of gradients."""
        replica_batch, num_microbatches = (
            self.replica_batch(batch, is_counted),
            self.execution.gradient_accumulation_steps,
        )
        if num_microbatches == 1:
            yield replica_batch
            return
        num_examples = count_examples(batch)
        for index in range(num_microbatches):
            begin, end, is_microbatch_counted = slice_bounds(num_examples, index, num_microbatches)
            if is_counted is not None:
                is_microbatch_counted = tf.logical_and(is_microbatch_counted, is_counted)
            fraction = tf.cast((end - begin) / num_examples, tf.float32) * tf.cast(
                is_microbatch_counted, tf.float32
            )
            yield Microbatch(
                slice_batch(batch, begin, end),
                replica_batch.share * fraction,
                is_microbatch_counted,
            )

    @contextmanager
    def discard_metrics_unless(self, is_counted: tf.Tensor | None) -> Iterator[None]:
        """Undo at the end what metrics have counted, unless `counted` is true or None."""
        if is_counted is None:
            yield
            return
        old_values = [tf.identity(tf.convert_to_tensor(each)) for each in self.metrics_variables]
        yield
        for variable, value in zip(self.metrics_variables, old_values, strict=True):
            variable.assign(tf.where(is_counted, tf.convert_to_tensor(variable), value))

    def _sync_batch_norm_statistics(self, batch: object, is_counted: tf.Tensor | None) -> None:
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
        fraction = self.replica_batch(batch, is_counted).share
        means = all_reduce_sum([fraction * tf.convert_to_tensor(each) for each in variables])
        for variable, mean in zip(variables, means, strict=True):
            variable.assign(mean)

    def _all_reduce_gradients(
        self, gradients: list[tf.Tensor | None], optimizer: keras.optimizers.Optimizer
    ) -> list[tf.Tensor | None]:
        """The gradients of the batch of all replicas.

        Keras's optimizers add them up only behind clipping, and behind the look whether they are
        finite. Ours are told that it is done.
        """
        if self.distribute_strategy.num_replicas_in_sync == 1:
            return gradients
        inner_optimizer = getattr(optimizer, "inner_optimizer", optimizer)
        inner_optimizer._all_reduce_sum_gradients = list  # noqa: SLF001 - Keras has no other way
        reduced_gradients = iter(all_reduce_sum([each for each in gradients if each is not None]))
        return [None if each is None else next(reduced_gradients) for each in gradients]

    def build_optimizers(self) -> None:
        """Make the variables of the optimizers, and the averages of the weights if there are such.

        Before training and resuming. A step that makes variables itself is traced twice.
        """
        for optimizer, variables in optimizer_groups(self):
            if not optimizer.built:
                optimizer.build(variables)
        if self.execution.ema is None:
            return
        self.ema_variables = [
            self.add_weight(
                shape=each.shape, initializer="zeros", trainable=False, name=f"average_{number}"
            )
            for number, each in enumerate(self._optimized_variables())
        ]
        for ema_variable, variable in zip(
            self.ema_variables, self._optimized_variables(), strict=True
        ):
            ema_variable.assign(variable)

    def swap_ema_weights(self, values: list[tf.Tensor] | None = None) -> list[tf.Tensor]:
        """Give the weights their averages, or some values; what they had is given back."""
        values = [each.value for each in self.ema_variables] if values is None else values
        old_values = [
            tf.identity(tf.convert_to_tensor(each.value)) for each in self._optimized_variables()
        ]
        with self.distribute_strategy.scope():
            for variable, value in zip(self._optimized_variables(), values, strict=True):
                variable.assign(tf.convert_to_tensor(value))
        return old_values

    def _optimized_variables(self) -> list[keras.Variable]:
        return [variable for _, variables in optimizer_groups(self) for variable in variables]

    def _update_ema(self) -> None:
        """Let the averages follow a step."""
        ema = self.execution.ema
        if ema is None:
            return
        steps = optimizer_groups(self)[0][0].iterations
        # The first step is worth more than the weights that chance gave.
        momentum = tf.where(tf.equal(steps, 1), 0.0, ema.momentum)
        is_overwrite_step = ema.every is not None and tf.equal(steps % ema.every, 0)
        for ema_variable, variable in zip(
            self.ema_variables, self._optimized_variables(), strict=True
        ):
            ema_variable.assign(momentum * ema_variable + (1 - momentum) * variable)
            if ema.every is not None:
                variable.assign(tf.where(is_overwrite_step, ema_variable, variable))

    def make_train_function(self, force: bool = False) -> None:  # noqa: FBT001, FBT002
        """Make what `fit` calls for the steps of an execution, `steps_now` of them."""
        if self.train_function is None or force:  # type: ignore[has-type]  # Keras's own
            self.train_function = self._make_step_function(
                self._replica_train_step, self._finish_step
            )

    def make_test_function(self, force: bool = False) -> None:  # noqa: FBT001, FBT002
        """Make the same for `evaluate`."""
        if self.test_function is None or force:  # type: ignore[has-type]  # Keras's own
            self.test_function = self._make_step_function(
                self._replica_test_step, lambda logs: logs
            )

    def _replica_train_step(self, data: object, is_counted: tf.Tensor | None) -> Logs:
        logs: Logs = self.train_step(data, is_counted)
        self._sync_batch_norm_statistics(data, is_counted)
        return logs

    def _replica_test_step(self, data: object, is_counted: tf.Tensor | None) -> Logs:
        with self.discard_metrics_unless(is_counted):
            self.test_step(data, is_counted)
        return self.epoch_logs()

    def epoch_logs(self) -> Logs:
        """Return the losses and metrics of the epoch so far."""
        logs: Logs = self.get_metrics_result()
        return logs

    def after_step(self, logs: Logs) -> Logs:
        """What is done outside of the replicas behind every step, with what it has given."""
        return logs

    def _finish_step(self, step_logs: Logs) -> Logs:
        logs = self.after_step(step_logs)
        self._update_ema()
        self.nan_loss_tracker.update({name: logs[name] for name in self.loss_names})
        return logs

    def _make_step_function(
        self,
        step: Callable[[Any, tf.Tensor | None], Logs],
        finish_step: Callable[[Logs], Logs],
    ) -> Callable[[object], Logs]:
        """What takes steps. `settle` is called outside of the replicas with what each has given."""
        strategy = self.distribute_strategy
        if self.jit_compile:
            step = tf.function(step, jit_compile=True, reduce_retracing=True)

        def run_step(batches: Iterator[Any]) -> Logs:
            batch = next(batches)
            # `Placement.share` tells each replica whether its part of a batch counts.
            arguments = (batch, None) if strategy.num_replicas_in_sync == 1 else batch
            # The numbers of a step are those of the first replica, and those of an epoch of all.
            return finish_step(_first_replica(strategy, strategy.run(step, args=arguments)))

        traced_run_step: Callable[[object], Logs] = tf.function(run_step, reduce_retracing=True)
        if self.steps_per_execution == 1:
            return traced_run_step
        # A function of its own is traced once although it is called at two places. Replicas would
        # mistake what they tell each other at one of its calls for that of another.
        call_step = traced_run_step if strategy.num_replicas_in_sync == 1 else run_step

        def run_steps(batches: Iterator[object], count: tf.Tensor) -> Logs:
            for _ in tf.range(count - 1):
                call_step(batches)
            return call_step(batches)

        traced_run_steps = tf.function(run_steps, reduce_retracing=True)
        return lambda batches: traced_run_steps(batches, tf.constant(self.execution_steps))

    def _maybe_symbolic_build(self, iterator: object = None, data_batch: object = None) -> None:
        # Keras calls this before it trains or tests.
        strategy = self.distribute_strategy
        if iterator is not None:
            _, _, batches = next(iter(iterator))  # type: ignore[call-overload]  # Keras's own
            if strategy.num_replicas_in_sync > 1:
                iterator, (data_batch, _) = None, _first_replica(strategy, next(batches))
            elif self.execution.gradient_accumulation_steps > 1:
                # `counting` has to know the variables of metrics, which Keras 3.15 makes on a
                # single device when it traces the first step.
                self._symbolic_build(data_batch=next(batches))
        super()._maybe_symbolic_build(iterator, data_batch)


class NaNLossTracker:
    """Remembers the first step whose loss was no number, without waiting for the device."""

    def __init__(self) -> None:
        self._step = tf.Variable(0, trainable=False, dtype=tf.int64)
        self._first_bad = tf.Variable(0, trainable=False, dtype=tf.int64)
        self._bad_loss = tf.Variable(0.0, trainable=False)

    def reset(self) -> None:
        """Count the steps from here."""
        self._step.assign(0)
        self._first_bad.assign(0)

    def update(self, losses: Logs) -> None:
        """Look at the losses of a step: those of an epoch so far stay NaN."""
        step = self._step.assign_add(1)
        # The sum of what is not finite is not finite either.
        loss = tf.add_n([tf.cast(each, tf.float32) for each in losses.values()])
        is_unchanged = tf.logical_or(tf.math.is_finite(loss), self._first_bad > 0)
        self._bad_loss.assign(tf.where(is_unchanged, self._bad_loss, loss))
        self._first_bad.assign(tf.where(is_unchanged, self._first_bad, step))

    def first_bad_step(self) -> tuple[int, float] | None:
        """The number of that step, from 1, and its loss; None where there was none.

        Waits for the device.
        """
        step = int(self._first_bad.numpy())
        return (step, float(self._bad_loss.numpy())) if step else None


def _add_gradients(
    sums: list[tf.Tensor | None], gradients: list[tf.Tensor | None]
) -> list[tf.Tensor | None]:
    """Gradients with those of another part of the batch."""
    return [
        None if total is None else total + gradient
        for total, gradient in zip(sums, gradients, strict=True)
    ]


def _first_replica(strategy: tf.distribute.Strategy, value: _Value) -> _Value:
    """What the first replica of this process has of a value."""
    local_value: _Value = keras.tree.map_structure(
        lambda x: strategy.experimental_local_results(x)[0], value
    )
    return local_value
