"""Train a model with Keras's `fit`, from the beginning or from a checkpoint."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial

import keras
import tensorflow as tf

from archbuilder.data.columns import translate_read_errors
from archbuilder.data.position import TrainingPosition
from archbuilder.diagnostics.errors import RunError, quote
from archbuilder.distribution.strategy import DeviceSetup
from archbuilder.formatting import plural
from archbuilder.runs.checkpoint_manager import Checkpoint
from archbuilder.runs.run_dir import EpochLogs
from archbuilder.runs.state_dict import load_state_dict
from archbuilder.trainer.callbacks.callback_list import TensorLogsCallbackList
from archbuilder.trainer.callbacks.checkpoint import CheckpointCallback
from archbuilder.trainer.callbacks.history import HistoryWriter
from archbuilder.trainer.callbacks.nan_batch_dump import NAN_BATCH_FILE, dump_nan_batch
from archbuilder.trainer.callbacks.progress_bar import ProgressBar
from archbuilder.trainer.callbacks.recipe_callbacks import RecipeCallbacks
from archbuilder.trainer.callbacks.steps_per_execution import LimitStepsPerExecution
from archbuilder.trainer.callbacks.swap_ema_weights import SwapEMAWeights
from archbuilder.trainer.callbacks.tensorboard import TensorBoardWriter
from archbuilder.trainer.callbacks.terminate_on_nan import TerminateOnNaN
from archbuilder.trainer.context import TrainableTask, TrainingContext, TrainingResult
from archbuilder.trainer.distributed_model import DistributedModel
from archbuilder.trainer.log_format import VAL_PREFIX
from archbuilder.trainer.step_errors import not_finite_error


@dataclass(frozen=True, slots=True, eq=False)
class FitTask:
    """A compiled model and its data."""

    model: DistributedModel
    batches: Callable[[TrainingPosition], tf.data.Dataset]
    """Returns the batches from a position to the end of the run; the seed decides their order."""
    steps_per_epoch: int
    validation: tf.data.Dataset | None = None
    callbacks: tuple[keras.callbacks.Callback, ...] = ()


def fit(task: FitTask, context: TrainingContext) -> TrainingResult:
    """Train the model of a task, and return its history and the metrics of the last validation.

    Raises:
        BlueprintError: if a callback monitors a metric that the run does not log.
        RunInterruptedError: if the process received SIGTERM; a checkpoint was saved.
        RunError: if training fails.
    """
    with context.devices.scope():
        task.model.build_optimizers()
    recipe_callbacks = _make_recipe_callbacks(task, context)
    checkpoint = _resume(task, context, recipe_callbacks)
    writer = HistoryWriter(context.run_dir, context.config.epochs, context.log, checkpoint.history)
    checkpoint_callback = CheckpointCallback(
        context.checkpoints,
        writer,
        context.log,
        context.config.checkpoint_every_seconds,
        recipe_callbacks,
        partial(not_finite_error, task.model, tuple(context.graphs.values()), task.steps_per_epoch),
    )
    tensorboard = TensorBoardWriter(context.run_dir, checkpoint.history)
    with checkpoint_callback.handle_sigterm(), closing(tensorboard):
        for position, end_epoch, steps in _fit_segments(
            checkpoint.position, task.steps_per_epoch, context.config.epochs
        ):
            if recipe_callbacks.has_stopped:
                break
            terminate_on_nan = TerminateOnNaN(
                position, task.steps_per_epoch, partial(_dump_batch, task, context)
            )
            checkpoint_callback.start_segment(position, checkpoint, terminate_on_nan)
            # The order matters:
            # - writer: creates the history files before a callback may end the run at a step, and
            #   logs an epoch before the callbacks of the recipe log what follows from it.
            # - checkpoint_callback: last, as it saves the history and the state of the others,
            #   after the loss was checked.
            callbacks = [
                writer,
                terminate_on_nan,
                tensorboard,
                *task.callbacks,
                recipe_callbacks,
                checkpoint_callback,
            ]
            if context.progress is not None:
                callbacks.insert(
                    0,
                    ProgressBar(
                        context.progress, position, task.steps_per_epoch, context.config.epochs
                    ),
                )
            _fit_segment(task, context.devices, position, end_epoch, steps, callbacks)
    # After the last checkpoint, which has the trained weights. Restore the best epoch before
    # swapping in EMA weights: they are restored with it.
    early_stop = recipe_callbacks.finish()
    if task.model.ema_variables:
        task.model.swap_ema_weights()
    history = tuple(writer.history)
    # The metrics of the weights that are saved.
    epochs = None if early_stop is None else early_stop.restored_epoch
    val_metrics = final_val_metrics(history[:epochs])
    return TrainingResult(history, val_metrics, early_stop, recipe_callbacks.best_weights)


def make_trainable_task(
    task: FitTask,
    context: TrainingContext,
    models: Mapping[str, keras.Model],
    *,
    after_fit: Callable[[], None] = lambda: None,
    extra_metrics: Callable[[], EpochLogs] = dict,
) -> TrainableTask:
    """Return the functions that train and evaluate the networks of a task.

    `after_fit` is called after training. `extra_metrics` returns metrics that the model lacks.
    """

    def train() -> TrainingResult:
        result = fit(task, context)
        after_fit()
        return replace(result, val_metrics={**result.val_metrics, **extra_metrics()})

    def evaluate_task() -> EpochLogs:
        return {**evaluate(task, context.devices), **extra_metrics()}

    return TrainableTask(models, train, evaluate_task)


def evaluate(task: FitTask, devices: DeviceSetup) -> EpochLogs:
    """Return the validation metrics for the current weights; empty without a validation set.

    Raises:
        RunError: if an example cannot be read, or does not fit the network.
    """
    if task.validation is None:
        return {}
    steps = int(task.validation.cardinality())
    with devices.workers.worker_failure_scope(), translate_read_errors():
        logs = task.model.evaluate(
            devices.distribute_dataset(task.validation),
            steps=steps,
            callbacks=TensorLogsCallbackList([LimitStepsPerExecution(steps)], model=task.model),
            verbose=0,
            return_dict=True,
        )
    # Sorted as in the history, so that both show metrics in the same order.
    return {name: float(value) for name, value in sorted(logs.items())}


def final_val_metrics(history: tuple[EpochLogs, ...]) -> EpochLogs:
    """Return the validation metrics of the last epoch, without the prefix in their names."""
    last_epoch: Mapping[str, float] = history[-1] if history else {}
    return {
        key.removeprefix(VAL_PREFIX): value
        for key, value in last_epoch.items()
        if key.startswith(VAL_PREFIX)
    }


@translate_read_errors()
def _make_recipe_callbacks(task: FitTask, context: TrainingContext) -> RecipeCallbacks:
    """Return the callbacks of the recipe, after a check of the metrics that they monitor.

    Raises:
        BlueprintError: if the run does not log such a metric.
    """
    configs, save_best = context.config.callbacks, context.config.save_best
    metric_names: list[str] = []
    if configs or save_best is not None:
        metric_names = _build_metrics(task, context, TrainingPosition())
        if task.validation is not None:
            metric_names += [VAL_PREFIX + name for name in metric_names]
    return RecipeCallbacks(
        configs,
        task.model,
        metric_names,
        context.devices.workers,
        context.log,
        save_best=save_best,
    )


def _build_metrics(
    task: FitTask, context: TrainingContext, position: TrainingPosition
) -> list[str]:
    """Create the metrics with their variables, and return the sorted names of the metrics.

    Keras creates them with the first batch, so the batch at a position is evaluated.
    """
    batch = context.devices.distribute_dataset(task.batches(position))
    logs: EpochLogs = task.model.evaluate(batch, steps=1, verbose=0, return_dict=True)
    return sorted(logs)


@translate_read_errors()
def _resume(
    task: FitTask, context: TrainingContext, recipe_callbacks: RecipeCallbacks
) -> Checkpoint:
    """Restore the checkpoint of the run, and return it; without one, return an empty checkpoint.

    Raises:
        RunError: if the checkpoint does not fit the model or the data.
    """
    checkpoint = context.checkpoint
    if checkpoint is None:
        if not context.run_dir.is_new:
            context.log("No checkpoint: starting from scratch")
        return Checkpoint(TrainingPosition(), (), {})
    model, position = task.model, checkpoint.position
    if position.batch >= task.steps_per_epoch:
        raise RunError(
            f"the checkpoint is at batch {position.batch:,}, but an epoch has"
            f" {task.steps_per_epoch:,} batches; it is damaged, or the data has changed"
        )
    if position.batch:
        # The variables have to exist before `CheckpointCallback` restores them.
        _build_metrics(task, context, position)
    with context.devices.scope():
        load_state_dict(model, checkpoint.arrays)
    recipe_callbacks.load_state(checkpoint.arrays)
    if recipe_callbacks.has_stopped:
        context.log(
            f"Run already stopped early, after {plural(position.epoch, 'epoch')}; to train longer,"
            " start a new run with a larger 'patience'"
        )
    elif position.epoch >= context.config.epochs:
        context.log(
            f"Run already finished ({plural(position.epoch, 'epoch')}); raise --epochs to continue"
        )
    elif position.batch:
        context.log(f"Resuming in epoch {position.epoch + 1}, after batch {position.batch:,}")
    else:
        context.log(f"Resuming after epoch {position.epoch}")
    return checkpoint


def _dump_batch(task: FitTask, context: TrainingContext, position: TrainingPosition) -> str:
    """Save the batch after a position in the run directory, and return a note with its path."""
    for batch in task.batches(position).take(1):
        dump_nan_batch(context.run_dir, batch)
    path = quote(str(context.run_dir.path / NAN_BATCH_FILE), 200)
    return f"see the batch in {path}; checkpoints are from before it"


def _fit_segments(
    start: TrainingPosition, steps_per_epoch: int, epochs: int
) -> list[tuple[TrainingPosition, int, int]]:
    """Return the start, the end epoch and the steps per epoch of each call of `fit`.

    `fit` trains whole epochs only, so the rest of an interrupted epoch is a call of its own, with
    fewer steps.
    """
    segments = []
    if start.batch:
        segments.append((start, start.epoch + 1, steps_per_epoch - start.batch))
        start = TrainingPosition(start.epoch + 1)
    if start.epoch < epochs:
        segments.append((start, epochs, steps_per_epoch))
    return segments


def _fit_segment(
    task: FitTask,
    devices: DeviceSetup,
    position: TrainingPosition,
    end_epoch: int,
    steps_per_epoch: int,
    callbacks: list[keras.callbacks.Callback],
) -> None:
    validation, validation_steps = None, None
    if task.validation is not None:
        # Keras continues the same iterator at every validation, and does not restart it.
        validation = devices.distribute_dataset(task.validation.repeat())
        validation_steps = int(task.validation.cardinality())
    callback_list = TensorLogsCallbackList(
        [LimitStepsPerExecution(validation_steps), SwapEMAWeights(), *callbacks],
        add_history=True,
        model=task.model,
        epochs=end_epoch,
        steps=steps_per_epoch,
        verbose=0,
    )
    with devices.workers.worker_failure_scope(), translate_read_errors():
        task.model.fit(
            devices.distribute_dataset(task.batches(position)),
            initial_epoch=position.epoch,
            epochs=end_epoch,
            steps_per_epoch=steps_per_epoch,
            validation_data=validation,
            validation_steps=validation_steps,
            callbacks=callback_list,
            shuffle=False,  # the order of the batches follows from the seed and the position
            verbose=0,
        )
