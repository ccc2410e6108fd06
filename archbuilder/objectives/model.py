"""Keras model that trains networks by the updates of an objective."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, Final, TypeAlias

import keras
import tensorflow as tf

from archbuilder.compiler.expand.objectives import OWN_LAYERS
from archbuilder.compiler.ir import TensorRef
from archbuilder.compiler.objective_ir import ObjectiveGraph, ObjectiveMetric, Update
from archbuilder.distribution.slices import BatchSlice, all_gather, count_examples, map_tensors
from archbuilder.objectives.interpreter import Interpreter
from archbuilder.objectives.nan_source import NaNSourceTracker
from archbuilder.objectives.schedules import number_at
from archbuilder.objectives.step_context import StepContext, Values, select
from archbuilder.runs.state_dict import optimizer_parts
from archbuilder.trainer.distributed_model import DistributedModel
from archbuilder.trainer.execution import ExecutionConfig
from archbuilder.trainer.loss_reduction import LossMeans, SumAndCount
from archbuilder.trainer.step_function import Logs

Batch: TypeAlias = dict[str, dict[str, Any]]
"""The columns of a batch under `COLUMNS`, and what else is computed when it is read, such as random
numbers, under the name of each update."""
COLUMNS: Final = "columns"
DRAWS: Final = "draws."
"""Prefix of the name of an update."""
EVALUATION: Final = "draws"
"""The key of what the evaluation of a batch draws."""
_MEMORY_ROWS: Final = "memory."


class ObjectiveModel(DistributedModel):
    """Trains the networks of an objective with `batch_count` batches in the whole run.

    It logs the mean of every loss, of their weighted sum in every update, and of every metric.
    """

    def __init__(
        self,
        graph: ObjectiveGraph,
        interpreter: Interpreter,
        optimizers: Sequence[keras.optimizers.Optimizer],
        variables: Sequence[list[keras.Variable]],
        memories: Mapping[str, keras.Variable],
        execution: ExecutionConfig,
        batch_count: int,
    ) -> None:
        super().__init__(execution)
        self.graph = graph
        self.batch_count = batch_count
        self.interpreter = interpreter
        # As attributes, so that Keras tracks their variables.
        self.networks = [each.model for each in interpreter.networks.values()]
        self.own_layers = interpreter.layers
        self.memories = dict(memories)
        self.optimizers = [*zip(optimizers, variables, strict=True)]
        self.loss_names = tuple(each.log_name for each in graph.updates)
        self._losses = [
            LossMeans([each.term_log_name(term) for term in each.losses], each.log_name)
            for each in graph.updates
        ]
        self._means = {each.name: _FunctionOfMean(each) for each in graph.metrics}
        self._nan_source = NaNSourceTracker(interpreter)
        self.built = True
        # At its end, `fit` of Keras 3.15 passes all weights to the optimizer, and `MultiOptimizer`
        # raises KeyError for those of other updates.
        has_parts = len(optimizer_parts(optimizers[0])) > 1
        self.compile(
            optimizer=keras.optimizers.SGD() if has_parts else optimizers[0],
            jit_compile=execution.jit_compile,
            steps_per_execution=execution.steps_per_execution,
        )

    @property
    def metrics(self) -> list[keras.metrics.Metric]:
        """Mean losses and metrics of an epoch."""
        return [*self._losses, *self._means.values()]

    def train_step(self, data: Batch, is_duplicate: tf.Tensor | None = None) -> Logs:
        """Take the steps of every update; the logs contain the rows for `after_step`."""
        rows: dict[str, list[tf.Tensor]] = {each.name: [] for each in self.graph.memories}
        turns = self.graph.max_steps
        for index, update in enumerate(self.graph.updates):
            for step in range(update.steps):
                turn = turns - update.steps + step
                batch = {
                    COLUMNS: _rows_of_turn(data[COLUMNS], turn, turns),
                    EVALUATION: _rows_of_turn(data[DRAWS + update.name], turn, turns),
                }
                # Only those of the last step enter a memory.
                new_rows = rows if (update, step) == self._last_step() else {}
                divisors = self._divisors(update, batch, is_duplicate)
                loss_fn = partial(self._loss, update, index, step, new_rows, divisors)
                self.minimize(batch, loss_fn, index, is_duplicate)
        return {
            **self.epoch_logs(),
            **{
                _MEMORY_ROWS + name: all_gather(tf.concat(each, axis=0), is_duplicate)
                for name, each in rows.items()
            },
        }

    def _divisors(
        self, update: Update, batch: Batch, is_duplicate: tf.Tensor | None
    ) -> Mapping[str, tf.Tensor] | None:
        """Return the sums of weights of the batch, if it is computed in parts.

        Weights follow from columns and masks: TensorFlow prunes the rest of the forward pass.
        Within the scope, layers such as BatchNormalization do not change their variables.
        """
        if self.execution.gradient_accumulation_steps == 1:
            return None
        context = StepContext(training=False, is_duplicate=is_duplicate)
        refs = [term.value for term in update.losses]
        refs += [each.value for each in self.graph.metrics]
        refs += [each.value for each in self.graph.memories]
        # Regularizers need the values of the variables.
        with keras.StatelessScope([(each, each.value) for each in self.variables]):
            self._run(refs, batch, context)
        return context.own_divisors

    def _last_step(self) -> tuple[Update, int]:
        last = self.graph.updates[-1]
        return last, last.steps - 1

    def _loss(
        self,
        update: Update,
        index: int,
        step: int,
        rows: dict[str, list[tf.Tensor]],
        divisors: Mapping[str, tf.Tensor] | None,
        microbatch: BatchSlice[Batch],
    ) -> tf.Tensor:
        """Return what a microbatch adds to the loss of the global batch."""
        optimizer = self.optimizers[index][0]
        seed = tf.stack(
            [index * self.graph.max_steps + step, tf.cast(optimizer.iterations, tf.int32)]
        )
        refs = [each.value for each in update.losses]
        metrics = self.graph.metrics if update is self.graph.updates[-1] else ()
        memories = [each for each in self.graph.memories if each.name in rows]
        refs += [each.value for each in metrics] + [each.value for each in memories]
        context = StepContext(
            training=True,
            is_duplicate=microbatch.is_duplicate,
            shuffle_seed=seed,
            divisors=divisors,
        )
        values = self._run(refs, microbatch.data, context)
        num_rows = count_examples(microbatch.data)
        total = self._update_losses(update, values, context, num_rows)
        turns = len(self.graph.updates) * self.graph.max_steps
        batch_number = tf.cast(optimizer.iterations, tf.int64) // update.steps
        time = batch_number * turns + index * self.graph.max_steps + step
        self._nan_source.update(time, total, [each.value for each in update.losses], values)
        self._update_metrics(metrics, values, context, num_rows)
        for memory in memories:
            rows[memory.name].append(tf.stop_gradient(_tensor(memory.value, values)))
        return total * microbatch.fraction

    @property
    def nan_source(self) -> str:
        """Where the first loss that is not finite comes from."""
        return self._nan_source.first(self.distribute_strategy)

    def test_step(self, data: Batch, is_duplicate: tf.Tensor | None = None) -> Logs:
        """Update the losses and metrics with a batch, without training.

        It may be one for training: a run evaluates such a batch to create its metrics.
        """
        if EVALUATION not in data:
            data = {**data, EVALUATION: data[DRAWS + self.graph.updates[-1].name]}
        refs = [term.value for update in self.graph.updates for term in update.losses]
        refs += [each.value for each in self.graph.metrics]
        context = StepContext(training=False, is_duplicate=is_duplicate)
        values = self._run(refs, data, context)
        num_rows = count_examples(data)
        for update in self.graph.updates:
            self._update_losses(update, values, context, num_rows)
        self._update_metrics(self.graph.metrics, values, context, num_rows)
        return self.epoch_logs()

    def _run(self, refs: Sequence[TensorRef], batch: Batch, context: StepContext) -> Values:
        values = {name: (each,) for name, each in batch[COLUMNS].items()} | batch[EVALUATION]
        values |= {name: (tf.convert_to_tensor(each),) for name, each in self.memories.items()}
        return self.interpreter.run(self.graph.nodes_for(refs), values, context)

    def _update_losses(
        self, update: Update, values: Values, context: StepContext, num_rows: tf.Tensor
    ) -> tf.Tensor:
        """Update the means of the losses of an update, and return their weighted sum.

        As in Keras, it includes what the regularizers of its weights and activities add.
        """
        index = self.graph.updates.index(update)
        optimizer, variables = self.optimizers[index]
        added = [each.regularizer(each) for each in variables if each.regularizer is not None]
        added += [loss for name in update.networks for loss in context.added_losses[name]]
        extra = tf.add_n([tf.zeros([]), *(tf.cast(each, tf.float32) for each in added)])
        # In an evaluation, that of the last step, so that all epochs can be compared.
        last_step = self.batch_count * update.steps - 1
        step = optimizer.iterations if context.training else tf.constant(last_step)
        weights = [number_at(term.weight, step) for term in update.losses]
        sums = [_sum_and_count(term.value, values, context, num_rows) for term in update.losses]
        self._losses[index].update_state(sums, weights, extra, num_rows)
        for term, weight in zip(update.losses, weights, strict=True):
            extra += weight * tf.reduce_mean(tf.cast(_tensor(term.value, values), tf.float32))
        return extra

    def _update_metrics(
        self,
        metrics: Sequence[ObjectiveMetric],
        values: Values,
        context: StepContext,
        num_rows: tf.Tensor,
    ) -> None:
        for metric in metrics:
            total = _sum_and_count(metric.value, values, context, num_rows)
            mean = tf.math.divide_no_nan(total.sum, total.count)
            self._means[metric.name].update_state(mean, sample_weight=total.count)

    def after_step(self, logs: Logs) -> Logs:
        """Add rows to the memories, and move the copies towards their networks."""
        for memory in self.graph.memories:
            variable = self.memories[memory.name]
            rows = tf.cast(logs[_MEMORY_ROWS + memory.name], variable.dtype)
            extended = tf.concat([rows, tf.convert_to_tensor(variable)], axis=0)
            variable.assign(extended[: memory.length])
        # The optimizers have counted the step.
        step = tf.maximum(self.optimizers[0][0].iterations // self.graph.updates[0].steps - 1, 0)
        for copy in self.graph.copies:
            momentum = number_at(copy.momentum, step)
            pairs = zip(
                self.interpreter.networks[copy.name].model.trainable_variables,
                self.interpreter.networks[copy.network].model.trainable_variables,
                strict=True,
            )
            for target, source in pairs:
                target.assign(momentum * target + (1 - momentum) * source)
        return {name: each for name, each in logs.items() if not name.startswith(_MEMORY_ROWS)}


def trained_variables(names: Sequence[str], interpreter: Interpreter) -> list[keras.Variable]:
    """Return the trainable variables of networks, and of the objective for `OWN_LAYERS`."""
    variables = []
    for name in names:
        if name == OWN_LAYERS:
            variables += [v for layer in interpreter.layers for v in layer.trainable_variables]
        else:
            variables += interpreter.networks[name].model.trainable_variables
    return variables


def _rows_of_turn(tensors: dict[str, Any], turn: int, turns: int) -> dict[str, Any]:
    """Return every `turns`-th row, which are the same rows on any number of replicas."""
    return tensors if turns == 1 else map_tensors(lambda x: x[turn::turns], tensors)


def _tensor(ref: TensorRef, values: Values) -> tf.Tensor:
    return select(ref, values)[0]


def _sum_and_count(
    ref: TensorRef, values: Values, context: StepContext, num_rows: tf.Tensor
) -> SumAndCount:
    """Return the sum of a value, and what it is divided by: its weights, or the rows of the batch.

    A batch with fewer rows counts less, as it does in the loss, also if it has one number.
    """
    if ref.node in context.weighted_sums:
        return context.weighted_sums[ref.node]
    value = tf.cast(_tensor(ref, values), tf.float32)
    count = tf.cast(num_rows, tf.float32)
    return SumAndCount(tf.reduce_mean(value) * count, count)


class _FunctionOfMean(keras.metrics.Mean):
    """The mean of a step in an epoch, or a function of it."""

    def __init__(self, metric: ObjectiveMetric) -> None:
        # Counts of positions exceed 2**24, from where on float32 cannot add 1.
        super().__init__(metric.name, dtype="float64")
        self._function = metric.function

    def result(self) -> tf.Tensor:
        """Return it."""
        mean = tf.cast(super().result(), tf.float32)
        return mean if self._function is None else getattr(keras.ops, self._function)(mean)
