"""Train networks, and resume their training."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from archbuilder.api.arguments import (
    BLUEPRINT,
    FilePath,
    blueprint_request,
    chief_log,
    data_argument,
    optional_path,
    required_path,
)
from archbuilder.blueprint import Blueprint, BlueprintRequest
from archbuilder.config.run_inputs import RunInputs, load_run_inputs, new_run_inputs
from archbuilder.config.training import StrategyName
from archbuilder.limits import Limits
from archbuilder.plain_data import PlainData
from archbuilder.silence_tensorflow import import_tensorflow

if TYPE_CHECKING:
    from archbuilder.distribution.strategy import DeviceSetup
    from archbuilder.runs.run_dir import RunDir
    from archbuilder.trainer.callbacks.progress_bar import ProgressFn
    from archbuilder.trainer.log_format import LogFn
    from archbuilder.training import RunResult

RUNS: Final = Path("runs")
"""Parent of the run directories that have no name."""


def train(  # noqa: PLR0913 - keyword arguments with defaults
    blueprint: FilePath | Blueprint,
    *,
    run_dir: FilePath | None = None,
    data: FilePath | None = None,
    recipe: FilePath | None = None,
    weights: FilePath | None = None,
    epochs: int | None = None,
    batch_size: int | None = None,
    seed: int | None = None,
    distribute: StrategyName | None = None,
    variant: str | None = None,
    params: Mapping[str, PlainData] | None = None,
    limits: Limits | None = None,
    allow_dirs: Iterable[FilePath] = (),
    log: LogFn | None = None,
    progress: ProgressFn | None = None,
    command: Sequence[str] | None = None,
) -> RunResult:
    """Train the networks of a blueprint, and return the models, the history and the metrics.

    The data and the settings are those of the sections `data` and `training` of the blueprint,
    unless an argument overrides them. The models, checkpoints and a record of the run are saved in
    the run directory. If training is interrupted, `resume` continues it.

    Args:
        blueprint: A file, the name of a blueprint in the library, or a loaded blueprint.
        run_dir: A new or empty directory; by default `runs/NAME-1`, `runs/NAME-2`, ...
        data: Data to use in place of the recipe's: `digits`, `tfds:NAME`, a directory or a file.
        recipe: A YAML file whose sections `data` and `training` replace those of the blueprint.
        weights: A weight file or the directory of a run, whose weights the networks start from, in
            place of those of the recipe.
        epochs: Number of passes over the training set; None for that of the recipe.
        batch_size: Examples per step on all devices together; None for that of the recipe.
        seed: Seed of weights, order and validation split; None for that of the recipe.
        distribute: Strategy of `tf.distribute`; None for that of the recipe.
        variant: A variant of the blueprint.
        params: Parameters of the blueprint by name.
        limits: Bounds for the size of the blueprint and its models.
        allow_dirs: Directories that the blueprint and its data may be read from, besides its own.
        log: Called with each line about the run, such as `print`. With several workers, it is
            called on the chief only.
        progress: Called with each update of the progress bar, a line that replaces the last one.
        command: The command line to record in the run; by default that of the process.

    Raises:
        BlueprintError: with all errors in the blueprint or the recipe.
        UsageError: if an argument is invalid, or the run directory is not empty.
        RunError: if the data is missing, damaged or does not fit, or the training fails.
        RunInterruptedError: if the process received SIGTERM; the run can be resumed.
    """
    BLUEPRINT.check("blueprint", blueprint)
    request = blueprint_request(blueprint, variant, params, limits=limits, allow_dirs=allow_dirs)
    new_dir = optional_path("run_dir", run_dir)
    overrides = {
        "epochs": epochs, "batch_size": batch_size, "seed": seed, "distribute": distribute
    }  # fmt: skip
    inputs = new_training_inputs(blueprint, request, overrides, recipe, data, weights)
    return run_training(inputs, RunOptions(request.limits, log, progress, command), new_dir=new_dir)


def resume(  # noqa: PLR0913 - keyword arguments with defaults
    run_dir: FilePath,
    *,
    epochs: int | None = None,
    distribute: StrategyName | None = None,
    limits: Limits | None = None,
    allow_dirs: Iterable[FilePath] = (),
    log: LogFn | None = None,
    progress: ProgressFn | None = None,
    command: Sequence[str] | None = None,
) -> RunResult:
    """Resume an interrupted run from its last checkpoint, or train a finished one for longer.

    The result is the same as without the interruption.

    Args:
        run_dir: The directory of the run.
        epochs: Number of passes over the training set, including those that the run has done;
            None for that of the recipe.
        distribute: Strategy of `tf.distribute`; None for that of the recipe.
        limits: Bounds for the size of the blueprint and its models.
        allow_dirs: Directories that the data may be read from if another user wrote the run.
        log: Called with each line about the run, as in `train`.
        progress: Called with each update of the progress bar, as in `train`.
        command: The command line to record in the run; by default that of the process.

    Raises:
        BlueprintError: with all errors in the recorded blueprint or recipe.
        UsageError: if an argument is invalid, or there is no such run.
        RunError: if the data has changed, or the training fails.
        RunInterruptedError: if the process received SIGTERM; the run can be resumed.
    """
    request = blueprint_request(limits=limits, allow_dirs=allow_dirs)
    path = required_path("run_dir", run_dir)
    inputs = load_run_inputs(path, request)
    inputs.config.check_data()
    inputs = inputs.override({"epochs": epochs, "distribute": distribute}, request.limits)
    return run_training(inputs, RunOptions(request.limits, log, progress, command), resume_dir=path)


def new_training_inputs(
    blueprint: FilePath | Blueprint,
    request: BlueprintRequest,
    overrides: Mapping[str, object],
    recipe: FilePath | None,
    data: FilePath | None,
    weights: FilePath | None,
) -> RunInputs:
    """Return what a new run trains; the arguments are those of `train`.

    Raises:
        BlueprintError: with all errors in the blueprint or the recipe.
        UsageError: if an argument is invalid.
    """
    inputs = new_run_inputs(
        blueprint, request, optional_path("recipe", recipe), data_argument(data)
    )
    inputs = inputs.override(overrides, request.limits)
    if weights is None:
        return inputs
    return inputs.start_from(required_path("weights", weights))


def make_devices(inputs: RunInputs, run_dir: Path | None) -> DeviceSetup:
    """Import TensorFlow and set up the devices of a run; workers compare what they are to train.

    Raises:
        RunError: if the devices do not exist, or a batch has less than one example for each.
        ClusterError: if the workers cannot connect, or train something else.
    """
    import_tensorflow()
    from archbuilder.distribution.membership import make_membership
    from archbuilder.distribution.strategy import setup_devices

    data, training = inputs.config.data, inputs.config.training
    membership = make_membership(run_dir, inputs.blueprint_text, data, training)
    return setup_devices(training.distribute, training.smallest_batch_size, membership=membership)


@dataclass(frozen=True, slots=True)
class RunOptions:
    """What a run needs besides its inputs."""

    limits: Limits
    log: LogFn | None = None
    progress: ProgressFn | None = None
    command: Sequence[str] | None = None


def run_training(
    inputs: RunInputs,
    options: RunOptions,
    *,
    new_dir: Path | None = None,
    resume_dir: Path | None = None,
    devices: DeviceSetup | None = None,
) -> RunResult:
    """Resume the run in `resume_dir`, or train in `new_dir`, or else in the next free directory.

    `devices` are those of several runs, one after the other; None sets them up.
    """
    devices = devices or make_devices(inputs, resume_dir or new_dir)
    from archbuilder.runs.checkpoint_manager import CheckpointManager
    from archbuilder.runs.manifest import RunProvenance
    from archbuilder.runs.run_dir import RunDir
    from archbuilder.training import broadcast_run_dir
    from archbuilder.training import train as train_run

    def open_run_dir() -> RunDir:
        if resume_dir is not None:
            return RunDir.open_existing(resume_dir)
        if new_dir is not None:
            return RunDir.create(new_dir)
        return RunDir.create_numbered(RUNS, inputs.name)

    config = inputs.config
    words = tuple(sys.argv if options.command is None else options.command)
    # Only the chief opens it: workers that each took the next free directory would take different
    # ones.
    run_dir = broadcast_run_dir(open_run_dir, devices.workers)
    log = chief_log(options.log, is_chief=run_dir.is_writer)
    for warning in inputs.warnings:
        log(f"warning: {warning.message} ({warning.span})")
    try:
        return train_run(
            inputs.graphs,
            config.data,
            config.training,
            run_dir,
            provenance=RunProvenance(
                inputs.blueprint_text, words, config.allow_dirs, inputs.blueprint_file
            ),
            limits=options.limits,
            log=log,
            devices=devices,
            from_data=None if inputs.from_data is None else inputs,
            progress=options.progress if run_dir.is_writer else None,
        )
    except KeyboardInterrupt as error:
        if run_dir.is_writer and run_dir.has_record:
            has_checkpoint = CheckpointManager(run_dir.root).has_checkpoint
            state = "resume" if has_checkpoint else "there is no checkpoint yet; start again"
            error.add_note(f"interrupted; {state} with: archbuilder train --resume {run_dir.path}")
        raise
