"""Keras model that trains networks by the updates of an objective."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Final, TypeAlias

import keras
import tensorflow as tf

from archbuilder.compiler.expand.objectives import OWN_LAYERS
from archbuilder.compiler.ir import TensorRef
from archbuilder.compiler.objective_ir import ObjectiveGraph, Update
from archbuilder.distribution.slices import BatchSlice, all_gather
from archbuilder.objectives.block_runner import BlockRunner, StepContext, Values, select
from archbuilder.objectives.block_schedules import number_at
from archbuilder.trainer.distributed_model import DistributedModel
from archbuilder.trainer.execution import ExecutionConfig
from archbuilder.trainer.step_function import Logs

Batch: TypeAlias = dict[str, dict[str, tf.Tensor]]
"""The columns of a batch under `COLUMNS`, and what else is computed when it is read, such as random
numbers, under the name of each update."""
COLUMNS: Final = "columns"
DRAWS: Final = "draws."
"""Prefix of the name of an update."""
EVALUATION: Final = "draws"
"""The key of what the evaluation of a batch draws."""
_MEMORY_ROWS: Final = "memory."


class BlockModel(DistributedModel):
    """Trains the networks of an objective with `batch_count` batches in the whole run.

    It logs the mean of every loss, of their weighted sum in every update, and of every metric.
    """

    def __init__(
        self,
        graph: ObjectiveGraph,
        runner: BlockRunner,
        optimizers: Sequence[keras.optimizers.Optimizer],
        variables: Sequence[list[keras.Variable]],
        memories: Mapping[str, keras.Variable],
        execution: ExecutionConfig,
        batch_count: int,
    ) -> None:
        super().__init__(execution)
        self.graph = graph
        self.batch_count = batch_count
        self.runner = runner
        # As attributes, so that Keras tracks their variables.
        self.networks = [each.model for each in runner.networks.values()]
        self.own_layers = runner.layers
        self.memories = dict(memories)
        self.optimizers = [*zip(optimizers, variables, strict=True)]
        self.loss_names = tuple(each.log_name for each in graph.updates)
        self._means = {name: keras.metrics.Mean(name=name) for name in _logged_names(graph)}
        self.built = True
        self.compile(
            optimizer=optimizers[0],
            jit_compile=execution.jit_compile,
            steps_per_execution=execution.steps_per_execution,
        )

    @property
    def metrics(self) -> list[keras.metrics.Metric]:
        """Mean losses and metrics of an epoch."""
        return [*self._means.values()]

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
                loss_fn = partial(self._loss, update, index, step, new_rows)
                self.minimize(batch, loss_fn, index, is_duplicate)
        return {
            **self.epoch_logs(),
            **{
                _MEMORY_ROWS + name: all_gather(tf.concat(each, axis=0), is_duplicate)
                for name, each in rows.items()
            },
        }

    def _last_step(self) -> tuple[Update, int]:
        last = self.graph.updates[-1]
        return last, last.steps - 1

    def _loss(
        self,
        update: Update,
        index: int,
        step: int,
        rows: dict[str, list[tf.Tensor]],
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
        refs += [ref for _, ref in metrics] + [each.value for each in memories]
        context = StepContext(
            training=True, is_duplicate=microbatch.is_duplicate, shuffle_seed=seed
        )
        values = self._run(refs, microbatch.data, context)
        total = self._update_losses(update, values, context)
        self._update_metrics(metrics, values)
        for memory in memories:
            rows[memory.name].append(tf.stop_gradient(_tensor(memory.value, values)))
        return total * microbatch.fraction

    def test_step(self, data: Batch, is_duplicate: tf.Tensor | None = None) -> Logs:
        """Update the losses and metrics with a batch, without training.

        It may be one for training: a run evaluates such a batch to create its metrics.
        """
        if EVALUATION not in data:
            data = {**data, EVALUATION: data[DRAWS + self.graph.updates[-1].name]}
        refs = [term.value for update in self.graph.updates for term in update.losses]
        refs += [ref for _, ref in self.graph.metrics]
        context = StepContext(training=False, is_duplicate=is_duplicate)
        values = self._run(refs, data, context)
        for update in self.graph.updates:
            self._update_losses(update, values, context)
        self._update_metrics(self.graph.metrics, values)
        return self.epoch_logs()

    def _run(self, refs: Sequence[TensorRef], batch: Batch, context: StepContext) -> Values:
        values = {name: (each,) for name, each in {**batch[COLUMNS], **batch[EVALUATION]}.items()}
        values |= {name: (tf.convert_to_tensor(each),) for name, each in self.memories.items()}
        return self.runner.run(self.graph.nodes_for(refs), values, context)

    def _update_losses(self, update: Update, values: Values, context: StepContext) -> tf.Tensor:
        """Update the means of the losses of an update, and return their weighted sum.

        As in Keras, it includes what the regularizers of its weights and activities add.
        """
        optimizer, variables = self.optimizers[self.graph.updates.index(update)]
        added = [each.regularizer(each) for each in variables if each.regularizer is not None]
        added += [loss for name in update.networks for loss in context.added_losses[name]]
        total = tf.add_n([tf.zeros([]), *(tf.cast(each, tf.float32) for each in added)])
        for term in update.losses:
            value = tf.cast(_tensor(term.value, values), tf.float32)
            if len(update.losses) > 1:
                self._means[update.term_log_name(term)].update_state(value)
            # In an evaluation, that of the last step, so that all epochs can be compared.
            last_step = self.batch_count * update.steps - 1
            step = optimizer.iterations if context.training else tf.constant(last_step)
            total += number_at(term.weight, step) * tf.reduce_mean(value)
        count = tf.cast(_row_count(update, values), tf.float32)
        self._means[update.log_name].update_state(total, sample_weight=count)
        return total

    def _update_metrics(self, metrics: Sequence[tuple[str, TensorRef]], values: Values) -> None:
        for name, ref in metrics:
            self._means[name].update_state(tf.cast(_tensor(ref, values), tf.float32))

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
                self.runner.networks[copy.name].model.trainable_variables,
                self.runner.networks[copy.network].model.trainable_variables,
                strict=True,
            )
            for target, source in pairs:
                target.assign(momentum * target + (1 - momentum) * source)
        return {name: each for name, each in logs.items() if not name.startswith(_MEMORY_ROWS)}


def trained_variables(update: Update, runner: BlockRunner) -> list[keras.Variable]:
    """Return the variables that an update trains."""
    variables = []
    for name in update.networks:
        if name == OWN_LAYERS:
            variables += [v for layer in runner.layers for v in layer.trainable_variables]
        else:
            variables += runner.networks[name].model.trainable_variables
    return variables


def _rows_of_turn(tensors: Mapping[str, tf.Tensor], turn: int, turns: int) -> dict[str, tf.Tensor]:
    """Return every `turns`-th row, which are the same rows on any number of replicas."""
    if turns == 1:
        return dict(tensors)
    return {name: each[turn::turns] for name, each in tensors.items()}


def _tensor(ref: TensorRef, values: Values) -> tf.Tensor:
    return select(ref, values)[0]


def _row_count(update: Update, values: Values) -> tf.Tensor:
    """Return the number of rows of a loss; that of a loss of the whole batch is 1."""
    value = _tensor(update.losses[0].value, values)
    return tf.shape(value)[0] if value.shape.rank else tf.constant(1)


def _logged_names(graph: ObjectiveGraph) -> list[str]:
    """Return the names of the logs: totals, the losses of sums, and metrics."""
    names = [each.log_name for each in graph.updates]
    names += [each.term_log_name(term) for each in graph.updates for term in each.logged_terms]
    return [*names, *(name for name, _ in graph.metrics)]
