"""Train a model with Keras's `fit`, from the beginning or from a checkpoint."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial

import keras

from archbuilder.config.save_best import WeightsChoice
from archbuilder.data.columns import translate_read_errors
from archbuilder.data.pipeline import BatchPipeline
from archbuilder.data.position import TrainingPosition
from archbuilder.diagnostics.errors import RunError, quote
from archbuilder.distribution.strategy import DeviceSetup
from archbuilder.formatting import plural
from archbuilder.runs.checkpoint_manager import Checkpoint
from archbuilder.runs.run_dir import EpochLogs
from archbuilder.runs.state_dict import (
    RESTORE_BEST,
    SAVE_BEST,
    Arrays,
    best_weights,
    load_network_state,
    load_state_dict,
)
from archbuilder.trainer.callbacks.callback_list import TensorLogsCallbackList
from archbuilder.trainer.callbacks.checkpoint import CheckpointCallback
from archbuilder.trainer.callbacks.history import HistoryWriter
from archbuilder.trainer.callbacks.learning_rates import LogLearningRates
from archbuilder.trainer.callbacks.nan_batch_dump import NAN_BATCH_FILE, dump_nan_batch
from archbuilder.trainer.callbacks.probe_logs import LogProbes
from archbuilder.trainer.callbacks.progress_bar import ProgressBar
from archbuilder.trainer.callbacks.recipe_callbacks import RecipeCallbacks
from archbuilder.trainer.callbacks.steps_per_execution import LimitStepsPerExecution
from archbuilder.trainer.callbacks.swap_ema_weights import SwapEMAWeights
from archbuilder.trainer.callbacks.tensorboard import TensorBoardWriter
from archbuilder.trainer.callbacks.terminate_on_nan import TerminateOnNaN
from archbuilder.trainer.context import EvalSet, TrainableTask, TrainingContext, TrainingResult
from archbuilder.trainer.distributed_model import DistributedModel
from archbuilder.trainer.log_format import VAL_PREFIX
from archbuilder.trainer.step_errors import not_finite_error


@dataclass(frozen=True, slots=True, eq=False)
class AddedMetrics:
    """Metrics of held-out examples that are not those of the model."""

    names: tuple[str, ...] = ()
    compute: Callable[[EvalSet], EpochLogs] = lambda _: {}
    """Returns their values for a set and the current weights; none without this set."""


@dataclass(frozen=True, slots=True, eq=False)
class FitSetup:
    """A compiled model, its batches and its callbacks: what `fit` trains."""

    model: DistributedModel
    batches: Callable[[TrainingPosition], BatchPipeline]
    """Returns the batches from a position to the end of the run; the seed decides their order."""
    steps_per_epoch: int
    validation: BatchPipeline | None = None
    test: BatchPipeline | None = None
    callbacks: tuple[keras.callbacks.Callback, ...] = ()
    added_metrics: AddedMetrics = field(default_factory=AddedMetrics)


def fit(
    setup: FitSetup, context: TrainingContext, networks: Mapping[str, keras.Model]
) -> TrainingResult:
    """Train a model, and return its history and the metrics of the last validation.

    Args:
        setup: The model and its batches.
        context: The run, or a stage of it.
        networks: The networks of the model by name.

    Raises:
        BlueprintError: if a callback monitors a metric that the run does not log.
        RunInterruptedError: if the process received SIGTERM; a checkpoint was saved.
        CheckpointedInterrupt: the same after Ctrl-C.
        RunError: if training fails.
    """
    with context.devices.scope():
        setup.model.build_optimizers()
    graphs = tuple(context.graphs.values())
    recipe_callbacks, stage = _make_recipe_callbacks(setup, context), context.stage
    if stage is not None and stage.best is not None:
        recipe_callbacks.start_from(stage.best, networks)
    checkpoint = _resume(setup, context, recipe_callbacks)
    writer = _make_history_writer(context, checkpoint.history)
    checkpoint_callback = CheckpointCallback(
        context.checkpoints,
        writer,
        context.log,
        context.config.checkpoint_every_seconds,
        recipe_callbacks,
        partial(not_finite_error, setup.model, graphs, setup.steps_per_epoch),
    )
    tensorboard = TensorBoardWriter(context.run_dir, checkpoint.history)
    with checkpoint_callback.handle_stop_signals(), closing(tensorboard):
        for segment in _fit_segments(
            checkpoint.position, setup.steps_per_epoch, context.config.epochs
        ):
            if recipe_callbacks.has_stopped:
                break
            terminate_on_nan = TerminateOnNaN(
                segment.start, setup.steps_per_epoch, partial(_dump_batch, setup, context)
            )
            checkpoint_callback.start_segment(segment.start, checkpoint, terminate_on_nan)
            # The order matters:
            # - LogLearningRates and LogProbes: first, as they add to the logs of the others.
            # - writer: creates the history files before a callback may end the run at a step, and
            #   logs an epoch before the callbacks of the recipe log what follows from it.
            # - checkpoint_callback: last, as it saves the history and the state of the others,
            #   after the loss was checked.
            callbacks = [
                LogLearningRates(context.config.objective.logged_optimizers),
                LogProbes(partial(setup.added_metrics.compute, "validation")),
                writer,
                terminate_on_nan,
                tensorboard,
                *setup.callbacks,
                recipe_callbacks,
                checkpoint_callback,
            ]
            if context.progress is not None:
                progress_bar = ProgressBar(
                    context.progress, segment.start, setup.steps_per_epoch, context.config.epochs
                )
                callbacks.insert(0, progress_bar)
            _fit_segment(setup, context.devices, segment, callbacks)
    # After the last checkpoint, which has the trained weights.
    return _finish_training(setup.model, tuple(writer.history), recipe_callbacks)


def _make_history_writer(context: TrainingContext, history: tuple[EpochLogs, ...]) -> HistoryWriter:
    """Return the callback that goes on with the history of a run, in its current stage."""
    stage = context.stage
    return HistoryWriter(
        context.run_dir,
        context.config.epochs if stage is None else stage.last_epoch,
        context.log,
        history,
        constants={} if stage is None else {"stage": stage.number},
        columns=() if stage is None else stage.columns,
    )


def _finish_training(
    model: DistributedModel, history: tuple[EpochLogs, ...], recipe_callbacks: RecipeCallbacks
) -> TrainingResult:
    """Load the weights that the run ends with, and return its result with their metrics."""
    # Restore the best epoch before swapping in EMA weights: they are restored with it.
    early_stop = recipe_callbacks.finish()
    if model.ema_variables:
        model.swap_ema_weights()
    epochs = None if early_stop is None else early_stop.restored_epoch
    val_metrics = final_val_metrics(history[:epochs])
    return TrainingResult(history, val_metrics, early_stop, recipe_callbacks.best_weights)


def make_trainable_task(
    setup: FitSetup,
    context: TrainingContext,
    models: Mapping[str, keras.Model],
    *,
    after_fit: Callable[[], None] = lambda: None,
) -> TrainableTask:
    """Return the task that trains and evaluates networks with `fit`.

    `after_fit` is called after training.
    """

    def train() -> TrainingResult:
        result = fit(setup, context, models)
        after_fit()
        return result

    def evaluate_task(eval_set: EvalSet) -> EpochLogs:
        batches = setup.test if eval_set == "test" else setup.validation
        metrics = evaluate(setup.model, batches, context.devices)
        return {**metrics, **setup.added_metrics.compute(eval_set)}

    return TrainableTask(models, train, evaluate_task)


def make_restore(
    context: TrainingContext, model: DistributedModel
) -> Callable[[Arrays, WeightsChoice], None]:
    """Return the function that loads what evaluation needs besides the files of the networks."""

    def restore(arrays: Arrays, choice: WeightsChoice) -> None:
        with context.devices.scope():
            model.build_optimizers()
            load_network_state(model, arrays)
            # A checkpoint has the trained weights of the last epoch, also if the run restored or
            # saved those of its best one.
            owner = SAVE_BEST if choice == "best" else RESTORE_BEST
            weights = best_weights(model, owner, arrays)
            if weights is not None:
                model.set_weights(weights)

    return restore


def evaluate(
    model: DistributedModel, batches: BatchPipeline | None, devices: DeviceSetup
) -> EpochLogs:
    """Return the metrics for the current weights; empty without batches.

    Raises:
        RunError: if an example cannot be read, or does not fit the network.
    """
    if batches is None:
        return {}
    steps = batches.num_batches
    with devices.workers.worker_failure_scope(), translate_read_errors():
        logs = model.evaluate(
            devices.distribute_batches(batches),
            steps=steps,
            callbacks=TensorLogsCallbackList([LimitStepsPerExecution(steps)], model=model),
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
def _make_recipe_callbacks(setup: FitSetup, context: TrainingContext) -> RecipeCallbacks:
    """Return the callbacks of the recipe, after a check of the metrics that they monitor.

    Raises:
        BlueprintError: if the run does not log such a metric.
    """
    configs, save_best = context.config.callbacks, context.config.save_best
    metric_names: list[str] = []
    if configs or save_best is not None:
        metric_names = _build_metrics(setup, context, TrainingPosition())
        if setup.validation is not None:
            names = (*metric_names, *setup.added_metrics.names)
            metric_names += [VAL_PREFIX + name for name in names]
    return RecipeCallbacks(
        configs,
        setup.model,
        metric_names,
        context.devices.workers,
        context.log,
        save_best=save_best,
        first_epoch=0 if context.stage is None else context.stage.first_epoch,
    )


def _build_metrics(
    setup: FitSetup, context: TrainingContext, position: TrainingPosition
) -> list[str]:
    """Create the metrics with their variables, and return the sorted names of the metrics.

    Keras creates them with the first batch, so the batch at a position is evaluated.
    """
    batch = context.devices.distribute_batches(setup.batches(position))
    logs: EpochLogs = setup.model.evaluate(batch, steps=1, verbose=0, return_dict=True)
    return sorted(logs)


@translate_read_errors()
def _resume(
    setup: FitSetup, context: TrainingContext, recipe_callbacks: RecipeCallbacks
) -> Checkpoint:
    """Restore the checkpoint of the run, and return it; without one, return an empty checkpoint.

    Raises:
        RunError: if the checkpoint does not fit the model or the data.
    """
    checkpoint = context.checkpoint
    stage = context.stage
    if checkpoint is None:
        if stage is not None and stage.number > 1:
            return Checkpoint(TrainingPosition(stage.first_epoch), stage.history, {}, stage.number)
        if not context.run_dir.is_new:
            context.log("No checkpoint: starting from scratch")
        return Checkpoint(TrainingPosition(), (), {})
    model, position = setup.model, checkpoint.position
    if position.batch >= setup.steps_per_epoch:
        raise RunError(
            f"the checkpoint is at batch {position.batch:,}, but an epoch has"
            f" {setup.steps_per_epoch:,} batches; it is damaged, or the data has changed"
        )
    if position.batch:
        # The variables have to exist before `CheckpointCallback` restores them.
        _build_metrics(setup, context, position)
    with context.devices.scope():
        load_state_dict(model, checkpoint.arrays)
    recipe_callbacks.load_state(checkpoint.arrays)
    if recipe_callbacks.has_stopped and context.is_last_stage:
        context.log(
            f"Run already stopped early, after {plural(position.epoch, 'epoch')}; to train longer,"
            " start a new run with a larger 'patience'"
        )
    elif position.epoch >= context.config.epochs and context.is_last_stage:
        context.log(
            f"Run already finished ({plural(position.epoch, 'epoch')}); raise --epochs to continue"
        )
    elif position.batch:
        context.log(f"Resuming in epoch {position.epoch + 1}, after batch {position.batch:,}")
    else:
        context.log(f"Resuming after epoch {position.epoch}")
    return checkpoint


def _dump_batch(setup: FitSetup, context: TrainingContext, position: TrainingPosition) -> str:
    """Save the batch after a position in the run directory, and return a note with its path."""
    for batch in setup.batches(position).dataset().take(1):
        dump_nan_batch(context.run_dir, batch)
    path = quote(str(context.run_dir.path / NAN_BATCH_FILE), 200)
    state = "; the last checkpoint is from before it" if context.checkpoints.has_checkpoint else ""
    return f"see the batch in {path}{state}"


@dataclass(frozen=True, slots=True)
class _FitSegment:
    """The epochs of one call of Keras's `fit`."""

    start: TrainingPosition
    end_epoch: int
    steps_per_epoch: int


def _fit_segments(
    start: TrainingPosition, steps_per_epoch: int, epochs: int
) -> Iterator[_FitSegment]:
    """Yield the calls of Keras's `fit` from a position to the end of the run.

    `fit` trains whole epochs only, so the rest of an interrupted epoch is a call of its own, with
    fewer steps.
    """
    if start.batch:
        yield _FitSegment(start, start.epoch + 1, steps_per_epoch - start.batch)
        start = TrainingPosition(start.epoch + 1)
    if start.epoch < epochs:
        yield _FitSegment(start, epochs, steps_per_epoch)


def _fit_segment(
    setup: FitSetup,
    devices: DeviceSetup,
    segment: _FitSegment,
    callbacks: list[keras.callbacks.Callback],
) -> None:
    validation, validation_steps = None, None
    if setup.validation is not None:
        # Keras continues the same iterator at every validation, and does not restart it.
        validation = devices.distribute_batches(setup.validation.repeat())
        validation_steps = setup.validation.num_batches
    callback_list = TensorLogsCallbackList(
        [LimitStepsPerExecution(validation_steps), SwapEMAWeights(), *callbacks],
        add_history=True,
        model=setup.model,
        epochs=segment.end_epoch,
        steps=segment.steps_per_epoch,
        verbose=0,
    )
    with devices.workers.worker_failure_scope(), translate_read_errors():
        setup.model.fit(
            devices.distribute_batches(setup.batches(segment.start)),
            initial_epoch=segment.start.epoch,
            epochs=segment.end_epoch,
            steps_per_epoch=segment.steps_per_epoch,
            validation_data=validation,
            validation_steps=validation_steps,
            callbacks=callback_list,
            shuffle=False,  # the order of the batches follows from the seed and the position
            verbose=0,
        )
