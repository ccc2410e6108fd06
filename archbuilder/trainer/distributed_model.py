"""Keras model that learns the same on any number of replicas.

Keras averages the mean losses of the replicas, which is the mean over the batch only where all
replicas have the same number of examples. Its `fit` also fails with several workers (Keras issue
20585): it builds the model from a batch that it reduces over the replicas, and reduces logs that
are reduced already. The workarounds for both are in this module and in `step_function.py`. They use
private parts of Keras, so several workers are refused with versions of Keras that were not tested
(`check_keras_version` in `distribution/strategy.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

import keras
import tensorflow as tf

from archbuilder.distribution.slices import Batch, BatchSlice, all_reduce_sum, count_examples
from archbuilder.runs.state_dict import optimizer_groups, optimizer_parts
from archbuilder.trainer.execution import DEFAULT_EXECUTION, ExecutionConfig
from archbuilder.trainer.gradient_accumulation import (
    Gradients,
    accumulate_gradients,
    split_microbatches,
)
from archbuilder.trainer.nan_guard import NaNLossTracker
from archbuilder.trainer.optimizer import EMAConfig, extract_ema
from archbuilder.trainer.step_function import Logs, local_replica_values, make_step_function


class DistributedModel(keras.Model):
    """A model for `fit` whose gradients are those of the mean loss of the global batch.

    It has to be created and compiled within the scope of its strategy.
    """

    loss_names: tuple[str, ...] = ("loss",)
    """Names of the losses in the logs of a step, which have to stay finite."""

    def __init__(self, execution: ExecutionConfig = DEFAULT_EXECUTION) -> None:
        super().__init__()
        self.execution_steps = 1
        """Number of steps of the next call of the train or test function."""
        self.nan_loss_tracker = NaNLossTracker()
        self.execution = execution
        self.ema_variables: list[keras.Variable] = []
        """Averages of the weights; empty if no optimizer has `use_ema`."""
        self._ema_configs: tuple[EMAConfig | None, ...] = ()

    def minimize(
        self,
        batch: Batch,
        loss_fn: Callable[[BatchSlice[Batch]], tf.Tensor],
        optimizer_index: int = 0,
        is_duplicate: tf.Tensor | None = None,
    ) -> None:
        """Take one step of an optimizer on the loss of a batch.

        Args:
            batch: The part of the global batch that this replica has.
            loss_fn: Returns what a microbatch adds to the loss of the global batch. It is called
                once for each microbatch.
            optimizer_index: Which optimizer takes the step, if the model has several.
            is_duplicate: Whether the part repeats that of another replica; None if none does.
        """
        optimizer, variables = optimizer_groups(self)[optimizer_index]

        def compute_gradients(microbatch: BatchSlice[Batch]) -> Gradients:
            with tf.GradientTape() as tape, self.discard_metrics_if(microbatch.is_duplicate):
                loss = optimizer.scale_loss(loss_fn(microbatch))
            return [
                # The gradient of an embedding is IndexedSlices, with one row for each occurrence
                # of a token. Keras's optimizers square these rows one by one instead of their sum.
                None if each is None else tf.convert_to_tensor(each)
                for each in tape.gradient(loss, [each.value for each in variables])
            ]

        microbatches = split_microbatches(
            self.replica_slice(batch, is_duplicate), self.execution.gradient_accumulation_steps
        )
        gradients = accumulate_gradients(microbatches, compute_gradients)
        if self.distribute_strategy.num_replicas_in_sync > 1:
            # Keras's optimizers sum only after they clip gradients and check whether those are
            # finite, so each replica would clip and check its own part.
            sums = iter(all_reduce_sum([each for each in gradients if each is not None]))
            gradients = [None if each is None else next(sums) for each in gradients]
            for inner in optimizer_parts(optimizer):
                # The optimizer must not sum a second time. Keras 3.15 has no option for that: its
                # `TFOptimizer._backend_update_step` always calls this method.
                inner._all_reduce_sum_gradients = list  # noqa: SLF001
        optimizer.apply(gradients, variables)

    def replica_slice(self, batch: Batch, is_duplicate: tf.Tensor | None) -> BatchSlice[Batch]:
        """Return this replica's slice of the global batch."""
        batch_slice = BatchSlice(batch, tf.ones([]), is_duplicate)
        if self.distribute_strategy.num_replicas_in_sync == 1:
            return batch_slice
        count = batch_slice.zero_if_duplicate(tf.cast(count_examples(batch), tf.float32))
        return replace(batch_slice, fraction=count / all_reduce_sum(count))

    @contextmanager
    def discard_metrics_if(self, is_duplicate: tf.Tensor | None) -> Iterator[None]:
        """Restore the metrics at the end of the block if `is_duplicate` is true."""
        if is_duplicate is None:
            yield
            return
        # `is_duplicate` is a tensor: whether to restore is known only when the step runs.
        old_values = [tf.identity(tf.convert_to_tensor(each)) for each in self.metrics_variables]
        yield
        for variable, value in zip(self.metrics_variables, old_values, strict=True):
            variable.assign(tf.where(is_duplicate, value, tf.convert_to_tensor(variable)))

    def _sync_batch_norm_statistics(self, batch: object, is_duplicate: tf.Tensor | None) -> None:
        """Replace the moving statistics of every replica by their mean over the replicas.

        Keras 3 lets each replica keep its own, and a checkpoint has those of the first replica
        only: validation, a resumed run and the saved model would all see other statistics.
        """
        variables = [
            variable
            for layer in self._flatten_layers()
            if isinstance(layer, keras.layers.BatchNormalization)
            and not layer.synchronized
            # A frozen layer keeps its statistics, which a mean over the replicas would round.
            and layer.trainable
            for variable in layer.non_trainable_variables
        ]
        if self.distribute_strategy.num_replicas_in_sync == 1 or not variables:
            return
        fraction = self.replica_slice(batch, is_duplicate).fraction
        means = all_reduce_sum([fraction * tf.convert_to_tensor(each) for each in variables])
        for variable, mean in zip(variables, means, strict=True):
            variable.assign(mean)

    def build_optimizers(self) -> None:
        """Create the variables of the optimizers and the averages of the weights, if any.

        Call it before training and before loading a checkpoint. A step that creates variables is
        traced twice.
        """
        groups = optimizer_groups(self)
        self._ema_configs = tuple(map(extract_ema, self.optimizer_parts()))
        for optimizer, variables in groups:
            if not optimizer.built:
                optimizer.build(variables)
        averaged_variables = [variable for _, variable in self._averaged_variables()]
        self.ema_variables = [
            self.add_weight(
                shape=each.shape, initializer="zeros", trainable=False, name=f"average_{number}"
            )
            for number, each in enumerate(averaged_variables)
        ]
        self.reset_ema()

    def reset_ema(self) -> None:
        """Set the averages of the weights, if any, to the weights."""
        variables = [variable for _, variable in self._averaged_variables()]
        for ema_variable, variable in zip(self.ema_variables, variables, strict=True):
            ema_variable.assign(variable)

    def swap_ema_weights(self, values: list[tf.Tensor] | None = None) -> list[tf.Tensor]:
        """Set the weights to their averages, or to `values`, and return their old values."""
        values = [each.value for each in self.ema_variables] if values is None else values
        variables = [variable for _, variable in self._averaged_variables()]
        old_values = [tf.identity(tf.convert_to_tensor(each.value)) for each in variables]
        with self.distribute_strategy.scope():
            for variable, value in zip(variables, values, strict=True):
                variable.assign(tf.convert_to_tensor(value))
        return old_values

    def _averaged_variables(self) -> list[tuple[EMAConfig, keras.Variable]]:
        """Return the weights that optimizers average, each with the settings of its optimizer."""
        return [
            (ema, variable)
            for ema, inner in zip(self._ema_configs, self.optimizer_parts(), strict=True)
            if ema is not None
            # Keras has no public name for the variables that an optimizer was built with.
            for variable in inner._trainable_variables  # noqa: SLF001
        ]

    def optimizer_parts(self) -> list[keras.optimizers.Optimizer]:
        """Return the optimizers that update the weights, in the order of the recipe."""
        return [inner for each, _ in optimizer_groups(self) for inner in optimizer_parts(each)]

    def make_train_function(self, force: bool = False) -> None:  # noqa: FBT001, FBT002
        """Create what `fit` calls for `execution_steps` steps."""
        if self.train_function is not None and not force:  # type: ignore[has-type]  # Keras's own
            return

        def replica_step(data: object, is_duplicate: tf.Tensor | None) -> Logs:
            logs: Logs = self.train_step(data, is_duplicate)
            self._sync_batch_norm_statistics(data, is_duplicate)
            return logs

        def finish_step(replica_logs: list[Logs]) -> Logs:
            # `fit` reads the metrics of an epoch from the variables of the metrics, which add up
            # all replicas.
            logs = self.after_step(replica_logs[0])
            # Of the first optimizer: with a GAN, the discriminator takes several steps per step of
            # the generator, and all averages follow the latter.
            steps = optimizer_groups(self)[0][0].iterations
            averaged_variables = self._averaged_variables() if self.ema_variables else []
            for ema_variable, (ema, variable) in zip(
                self.ema_variables, averaged_variables, strict=True
            ):
                # Start the average at the weights after the first step, not at the random initial
                # ones.
                momentum = tf.where(tf.equal(steps, 1), 0.0, ema.momentum)
                ema_variable.assign(momentum * ema_variable + (1 - momentum) * variable)
                if ema.overwrite_frequency is not None:
                    is_overwrite_step = tf.equal(steps % ema.overwrite_frequency, 0)
                    variable.assign(tf.where(is_overwrite_step, ema_variable, variable))
            self.nan_loss_tracker.update(
                [each[name] for each in replica_logs for name in self.loss_names]
            )
            return logs

        self.train_function = make_step_function(replica_step, finish_step, self)

    def make_test_function(self, force: bool = False) -> None:  # noqa: FBT001, FBT002
        """Create what `evaluate` calls for `execution_steps` steps."""
        if self.test_function is None or force:  # type: ignore[has-type]  # Keras's own

            def replica_step(data: object, is_duplicate: tf.Tensor | None) -> Logs:
                with self.discard_metrics_if(is_duplicate):
                    self.test_step(data, is_duplicate)
                # The logs of `test_step` are from before the block ends, and may count too much.
                return self.epoch_logs()

            self.test_function = make_step_function(replica_step, lambda logs: logs[0], self)

    @property
    def nan_source(self) -> str:
        """Where the first loss that is not finite comes from; empty if this is not known."""
        return ""

    def epoch_logs(self) -> Logs:
        """Return the losses and metrics of the epoch so far."""
        logs: Logs = self.get_metrics_result()
        return logs

    def after_step(self, logs: Logs) -> Logs:
        """Update what follows a step, outside of the replicas, and return the logs to report."""
        return logs

    def _maybe_symbolic_build(self, iterator: object = None, data_batch: object = None) -> None:
        # Keras 3.15 calls this before it trains or tests. On several replicas its own version
        # reduces the batch over the replicas, which fails with several workers (issue 20585).
        strategy = self.distribute_strategy
        if iterator is not None:
            _, _, batches = next(iter(iterator))  # type: ignore[call-overload]  # Keras's own
            if strategy.num_replicas_in_sync > 1:
                iterator, (data_batch, _) = None, local_replica_values(strategy, next(batches))[0]
            elif self.execution.gradient_accumulation_steps > 1:
                # `discard_metrics_if` needs the variables of metrics, which Keras 3.15 creates
                # on a single device only when it traces the first step.
                self._symbolic_build(data_batch=next(batches))
        super()._maybe_symbolic_build(iterator, data_batch)
