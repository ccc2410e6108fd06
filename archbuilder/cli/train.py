"""The command `archbuilder train`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypedDict, Unpack

import click

from archbuilder import api
from archbuilder.blueprint import BlueprintRequest
from archbuilder.cli.command import Command
from archbuilder.cli.common_options import blueprint_options
from archbuilder.cli.console import Console
from archbuilder.cli.device_options import device_options, spawn_workers
from archbuilder.cli.numbers import StrictIntRange
from archbuilder.cli.path_type import PathType
from archbuilder.cli.recipe_options import data_option, recipe_option
from archbuilder.cli.setting_option import option_name, setting_option
from archbuilder.config import TrainingConfig
from archbuilder.config.run_inputs import (
    RunInputs,
    is_cross_validation,
    is_run,
    load_run_inputs,
    new_run_inputs,
)
from archbuilder.config.settings import settings_of
from archbuilder.config.split import MAX_FOLDS
from archbuilder.config.training import StrategyName
from archbuilder.diagnostics.errors import UsageError
from archbuilder.diagnostics.escape import escape_terminal
from archbuilder.limits import Limits


class _Options(TypedDict):
    """Options of a new run; None if not given."""

    recipe: Path | None
    data: str | None
    weights: Path | None
    run_dir: Path | None
    epochs: int | None
    batch_size: int | None
    seed: int | None
    distribute: StrategyName | None


class _RunArguments(TypedDict):
    """Arguments that `api.train` and `api.resume` share."""

    limits: Limits
    allow_dirs: tuple[Path, ...]
    log: Callable[[str], None]
    progress: Callable[[str], None] | None
    command: tuple[str, ...]


@click.command(
    "train",
    cls=Command,
    examples=(
        "archbuilder train digits_cnn",
        "archbuilder train digits_cnn --epochs 3 --run-dir runs/short",
        "archbuilder train lenet.yaml --recipe mnist.yaml",
        "archbuilder train lenet.yaml --data mnist/ --seed 7",
        "archbuilder train --resume runs/lenet-1",
        "archbuilder train digits_cnn --workers 2",
        "archbuilder train digits_cnn --folds 5 --run-dir runs/folds",
        "archbuilder train digits_cnn --weights runs/digits_cnn-1 --seed 7",
    ),
)
@recipe_option
@data_option
@click.option(
    "--weights",
    metavar="FILE",
    type=PathType(),
    help="Weight file, or directory of a run, whose weights the networks start from, in place of"
    " those of the recipe.",
)
@setting_option(TrainingConfig, "epochs")
@device_options(default_strategy=None)
@setting_option(TrainingConfig, "seed")
@click.option(
    "--run-dir",
    metavar="DIR",
    type=PathType(),
    help="New or empty directory for the model, the checkpoints and the record of the run."
    " [default: runs/NAME-1, runs/NAME-2, ...]",
)
@click.option(
    "--resume",
    metavar="RUN",
    type=PathType(),
    help="Resume the run in this directory from its last checkpoint; takes no BLUEPRINT.",
)
@click.option(
    "--auto-resume",
    is_flag=True,
    help="Resume the run in --run-dir if there is one, else start it. For jobs that a scheduler"
    " restarts: the blueprint and the recipe must be those of the run.",
)
@click.option(
    "--folds",
    metavar="N",
    type=StrictIntRange(2, MAX_FOLDS),
    help="Cross-validation: train once for each of N folds of the data, in the directories fold-1,"
    " fold-2, ... of the run directory, and show the mean of the metrics.",
)
@click.argument("blueprint", required=False)
@blueprint_options
@click.pass_obj
def train_command(
    console: Console,
    /,
    *,
    request: BlueprintRequest,
    blueprint: str | None,
    resume: Path | None,
    workers: int | None,
    auto_resume: bool,
    folds: int | None,
    **options: Unpack[_Options],
) -> int:
    """Train the networks of a blueprint.

    Data and training settings come from the sections 'data' and 'training' of the blueprint, or
    from --recipe. The model, checkpoints and a record of the run are saved in a run directory. Use
    --resume to continue an interrupted run, or an interrupted cross-validation.
    """
    exit_code = spawn_workers(console, workers, options["distribute"])
    if exit_code is not None:
        return exit_code
    begun_run = _run_to_resume(blueprint, request, options, folds) if auto_resume else None
    if begun_run is not None:
        resume = begun_run
    elif resume is not None:
        _check_resume_options(blueprint, request, options, folds)
    arguments: _RunArguments = {
        "limits": request.limits,
        "allow_dirs": request.allow_dirs,
        "log": lambda line: console.print(escape_terminal(line)),
        "progress": None if console.is_plain else console.show_status,
        "command": ("archbuilder", *console.arguments),
    }
    if resume is not None:
        resume_run = api.resume_cross_validation if is_cross_validation(resume) else api.resume
        resume_run(resume, epochs=options["epochs"], distribute=options["distribute"], **arguments)
    elif blueprint is not None and folds is not None:
        api.cross_validate(
            blueprint,
            folds=folds,
            auto_resume=auto_resume,
            variant=request.variant,
            params=request.params,
            **options,
            **arguments,
        )
    elif blueprint is not None:
        api.train(
            blueprint,
            variant=request.variant,
            params=request.params,
            **options,
            **arguments,
        )
    else:
        raise UsageError("pass a BLUEPRINT to train, or --resume RUN to resume a run")
    return 0


def _run_to_resume(
    blueprint: str | None, request: BlueprintRequest, options: _Options, folds: int | None
) -> Path | None:
    """Return the directory of --run-dir if it has a run, which must be that of the command.

    A restarted job repeats the whole command, with the options that --resume refuses.
    """
    run_dir = options["run_dir"]
    if run_dir is None:
        raise UsageError("--auto-resume needs --run-dir DIR, the directory of the run to resume")
    if not is_run(run_dir):
        return None
    if blueprint is not None:
        inputs = _new_run_inputs(blueprint, request, options, folds)
        inputs.check_same_run(load_run_inputs(run_dir, request), run_dir)
    return run_dir


def _new_run_inputs(
    blueprint: str, request: BlueprintRequest, options: _Options, folds: int | None
) -> RunInputs:
    """Return the inputs of the run that a command would start, as `api.train` does."""
    inputs = new_run_inputs(blueprint, request, options["recipe"], options["data"])
    overrides = {
        "epochs": options["epochs"],
        "batch_size": options["batch_size"],
        "seed": options["seed"],
        "distribute": options["distribute"],
    }
    inputs = inputs.override(overrides, request.limits)
    inputs = inputs if folds is None else inputs.with_fold(1, folds)
    return inputs if options["weights"] is None else inputs.start_from(options["weights"])


def _check_resume_options(
    blueprint: str | None, request: BlueprintRequest, options: _Options, folds: int | None
) -> None:
    """Check that only resumable settings are overridden in a resumed run.

    Raises:
        UsageError: if an option belongs to a new run.
    """
    resumable = {each.name for each in settings_of(TrainingConfig) if each.is_resumable}
    values = {
        "BLUEPRINT": blueprint,
        "--set": request.params or None,
        "--variant": request.variant,
        "--folds": folds,
        **{option_name(key): value for key, value in options.items() if key not in resumable},
    }
    names = [name for name, value in values.items() if value is not None]
    if names:
        raise UsageError(
            f"{' and '.join(names)} cannot be used with --resume: a resumed run keeps its"
            " blueprint, its recipe and its directory"
        )
