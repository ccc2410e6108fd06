"""Stages of a run: each trains the networks of the one before with other settings.

A stage ends as a run does: callbacks may restore its best weights, and averages take the place of
the weights. The next one begins as a run that starts from these networks, with another model, and
with an optimizer and callbacks without a history. Epochs are numbered through, so that each has an
order of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from archbuilder.config.training import TrainingConfig
from archbuilder.diagnostics.errors import RunError, UsageError
from archbuilder.formatting import plural
from archbuilder.runs.checkpoint_manager import Checkpoint
from archbuilder.runs.run_dir import EpochLogs
from archbuilder.runs.state_dict import NetworkState, network_state
from archbuilder.trainer.callbacks.learning_rates import learning_rate_column
from archbuilder.trainer.callbacks.recipe_callbacks import BestNetworks
from archbuilder.trainer.context import Stage, TrainableTask, TrainingContext, TrainingResult


def train_stages(
    context: TrainingContext,
    train_stage: Callable[[TrainingContext], tuple[TrainableTask, TrainingResult]],
) -> tuple[TrainableTask, TrainingResult]:
    """Train the stages of a run, from that of its checkpoint on. Without stages, it is one.

    Args:
        context: The run.
        train_stage: Builds the networks and trains them with the settings of a stage.

    Returns:
        The networks of the last stage, and its result, which has the history of all.

    Raises:
        UsageError: if there is no epoch for the last stage.
        RunError: if the run does not have the stage of the checkpoint.
    """
    configs, checkpoint = context.config.stages, context.checkpoint
    if configs is None:
        return train_stage(context)
    epochs = _epochs_by_stage(context.config)
    settings = [each.apply(context.config, context.config.epochs) for each in configs]
    first_number = 1 if checkpoint is None else checkpoint.stage
    if not 1 <= first_number <= len(configs):
        raise RunError(f"the checkpoint is of stage {first_number}, and the run has {len(configs)}")
    rows = () if checkpoint is None else checkpoint.history
    history: tuple[EpochLogs, ...] = tuple(each for each in rows if each["stage"] < first_number)
    columns, networks, best = _rate_columns(settings), dict[str, NetworkState](), None
    for number in range(first_number, len(configs) + 1):
        first, later = len(history), tuple(settings[number:])
        last_epoch = first + sum(epochs[number - 1 :])
        stage = Stage(
            number, len(configs), first, last_epoch, columns, later, history, networks, best
        )
        stage_checkpoint = checkpoint if number == first_number else None
        config = replace(settings[number - 1], epochs=first + epochs[number - 1])
        context.log(_title(stage, config, stage_checkpoint))
        task, result = train_stage(
            replace(
                context,
                config=config,
                stage=stage,
                checkpoint=stage_checkpoint,
                initial_weights=context.initial_weights if number == 1 else None,
            )
        )
        history, networks = result.history, _network_states(task)
        if result.best_weights is not None:
            with result.best_weights.loaded():
                best = BestNetworks(result.best_weights.best_epoch, _network_states(task))
    return task, result


def _title(stage: Stage, config: TrainingConfig, checkpoint: Checkpoint | None) -> str:
    """Return what the log says before a stage, which ends with the last epoch of its settings."""
    first, end_epoch, size = stage.first_epoch + 1, config.epochs, config.image_size
    title = f"Stage {stage.number} of {stage.count}: epochs {first} to {end_epoch}"
    if size is not None:
        height, width = (size, size) if isinstance(size, int) else size
        title += f", images of {height}x{width}"
    # Interrupted before the next stage, which starts from what callbacks or averages of this one
    # leave: its networks are built once more, but not trained.
    is_over = checkpoint is not None and checkpoint.position.epoch >= end_epoch
    return f"{title}, which are over" if is_over and stage.number < stage.count else title


def _network_states(task: TrainableTask) -> dict[str, NetworkState]:
    """Return the states of the networks of a stage by name."""
    return {name: network_state(model) for name, model in task.models.items()}


def _epochs_by_stage(config: TrainingConfig) -> list[int]:
    """Return the number of epochs of each stage; the last one has what is left of `epochs`.

    Raises:
        UsageError: if nothing is left.
    """
    epochs = [each.epochs for each in config.stages or ()]
    epochs[-1] = config.epochs - sum(epochs[:-1])
    if epochs[-1] < 1:
        raise UsageError(
            f"the stages before the last one have {plural(sum(epochs[:-1]), 'epoch')}, and the run"
            f" has {config.epochs:,}; give more '--epochs'"
        )
    return epochs


def _rate_columns(stages: Sequence[TrainingConfig]) -> tuple[str, ...]:
    """Return the columns of the history for the learning rates of all stages."""
    names = {name: None for each in stages for name in each.objective.logged_optimizers}
    return tuple(map(learning_rate_column, names))
