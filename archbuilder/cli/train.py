"""The command `archbuilder train`."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Final, TypedDict, Unpack

import click

from archbuilder.cli.command import Command
from archbuilder.cli.common_options import BlueprintRequest, blueprint_options
from archbuilder.cli.console import Console
from archbuilder.cli.device_options import device_options, spawn_workers
from archbuilder.cli.recipe_options import (
    data_option,
    load_recipe,
    recipe_option,
    require_training,
    select_data,
)
from archbuilder.cli.run_inputs import RunInputs, load_run_inputs
from archbuilder.cli.setting_option import setting_option
from archbuilder.cli.silence_tensorflow import import_tensorflow
from archbuilder.config import TrainingConfig
from archbuilder.config.run_config import RUN_JSON, RunConfig
from archbuilder.config.training import StrategyName
from archbuilder.diagnostics.errors import UsageError
from archbuilder.diagnostics.escape import escape_terminal
from archbuilder.files import path_status

RUNS: Final = Path("runs")


class _Overrides(TypedDict):
    """Options that override settings of the recipe; None if not given."""

    epochs: int | None
    batch_size: int | None
    seed: int | None
    distribute: StrategyName | None


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
    ),
)
@recipe_option
@data_option
@setting_option(TrainingConfig, "epochs")
@device_options(default_strategy=None)
@setting_option(TrainingConfig, "seed")
@click.option(
    "--run-dir",
    metavar="DIR",
    type=click.Path(path_type=Path),
    help="New or empty directory for the model, the checkpoints and the record of the run."
    " [default: runs/NAME-1, runs/NAME-2, ...]",
)
@click.option(
    "--resume",
    metavar="RUN",
    type=click.Path(path_type=Path),
    help="Resume the run in this directory from its last checkpoint; takes no BLUEPRINT.",
)
@click.option(
    "--auto-resume",
    is_flag=True,
    help="Resume the run in --run-dir if there is one, else start it. For jobs that a scheduler"
    " restarts.",
)
@click.argument("blueprint", required=False)
@blueprint_options
@click.pass_obj
def train_command(  # noqa: PLR0913 - an option each
    console: Console,
    /,
    *,
    request: BlueprintRequest,
    blueprint: str | None,
    recipe: Path | None,
    data: str | None,
    run_dir: Path | None,
    resume: Path | None,
    workers: int | None,
    auto_resume: bool,
    **overrides: Unpack[_Overrides],
) -> int:
    """Train the networks of a blueprint.

    Data and training settings come from the sections 'data' and 'training' of the blueprint, or
    from --recipe. The model, checkpoints and a record of the run are saved in a run directory. Use
    --resume to continue an interrupted run.
    """
    exit_code = spawn_workers(console, workers, overrides["distribute"])
    if exit_code is not None:
        return exit_code
    if auto_resume and run_dir is None:
        raise UsageError("--auto-resume needs --run-dir DIR, the directory of the run to resume")
    # A run writes its record before it trains: without one there is nothing to resume.
    if auto_resume and run_dir is not None and path_status.is_file(run_dir / RUN_JSON):
        resume = run_dir
        # A restarted job repeats the whole command. Its settings are in the record of the run, so
        # those that a resumed run refuses are dropped here.
        run_inputs = _resume_inputs(
            run_dir,
            BlueprintRequest(None, {}, request.limits, request.allow_dirs),
            {**overrides, "batch_size": None, "seed": None},
            {},
        )
    elif resume is not None:
        new_run_options = {
            "BLUEPRINT": blueprint,
            "--recipe": recipe,
            "--data": data,
            "--run-dir": run_dir,
        }
        run_inputs = _resume_inputs(resume, request, overrides, new_run_options)
    elif blueprint is not None:
        run_inputs = _new_inputs(blueprint, request, overrides, recipe, data)
    else:
        raise UsageError("pass a BLUEPRINT to train, or --resume RUN to resume a run")
    _train(console, request, run_inputs, run_dir, resume)
    return 0


def _train(
    console: Console,
    request: BlueprintRequest,
    run_inputs: RunInputs,
    new_dir: Path | None,
    resume: Path | None,
) -> None:
    """Resume the run in `resume`, or train in `new_dir`, or else in the next free directory."""
    import_tensorflow()
    # These import TensorFlow; see archbuilder/cli/__init__.py.
    from archbuilder.distribution.membership import make_membership  # noqa: PLC0415
    from archbuilder.distribution.strategy import setup_devices  # noqa: PLC0415
    from archbuilder.runs.manifest import RunProvenance  # noqa: PLC0415
    from archbuilder.runs.run_dir import RunDir  # noqa: PLC0415
    from archbuilder.training import broadcast_run_dir, train  # noqa: PLC0415

    def open_run_dir() -> RunDir:
        if resume is not None:
            return RunDir.open_existing(resume)
        return (
            RunDir.create_numbered(RUNS, run_inputs.name)
            if new_dir is None
            else RunDir.create(new_dir)
        )

    training = run_inputs.config.training
    devices = setup_devices(
        training.distribute,
        training.batch_size,
        membership=make_membership(
            resume or new_dir, run_inputs.blueprint_text, run_inputs.config.data, training
        ),
    )
    # Only the chief opens it: workers that each took the next free directory would take different
    # ones.
    run_dir = broadcast_run_dir(open_run_dir, devices.workers)
    command_line = ("archbuilder", *console.arguments)
    try:
        train(
            run_inputs.graphs,
            run_inputs.config.data,
            training,
            run_dir,
            provenance=RunProvenance(
                run_inputs.blueprint_text,
                command_line,
                run_inputs.config.allow_dirs,
                run_inputs.blueprint_file,
            ),
            limits=request.limits,
            log=lambda line: console.print(escape_terminal(line)) if run_dir.is_writer else None,
            devices=devices,
            progress=None if console.is_plain or not run_dir.is_writer else console.show_status,
        )
    except KeyboardInterrupt:
        if run_dir.is_writer:
            console.print_stderr(
                escape_terminal(
                    f"interrupted; resume with: archbuilder train --resume {run_dir.path}"
                )
            )
        raise


def _new_inputs(
    blueprint: str,
    request: BlueprintRequest,
    overrides: _Overrides,
    recipe_path: Path | None,
    data_argument: str | None,
) -> RunInputs:
    loaded = request.load(blueprint)
    variant = request.select_variant(loaded)
    graphs = loaded.graphs(variant=variant, **request.params)
    recipe = load_recipe(loaded, graphs, request, recipe_path)
    text = loaded.expand(variant=variant, **request.params)
    data, training = (
        select_data(recipe, data_argument),
        _apply_overrides(require_training(recipe), overrides),
    )
    return RunInputs(
        loaded.name, graphs, RunConfig(data, training, request.allow_dirs), text, loaded.files[0]
    )


def _resume_inputs(
    run_dir: Path,
    request: BlueprintRequest,
    overrides: _Overrides,
    new_run_options: Mapping[str, str | Path | None],
) -> RunInputs:
    """Load a run to resume it; only epochs and devices may be overridden.

    Raises:
        UsageError: if an option belongs to a new run, or the data may not be read.
    """
    values = {
        **new_run_options,
        "--set": request.params or None,
        "--variant": request.variant,
        "--batch-size": overrides["batch_size"],
        "--seed": overrides["seed"],
    }
    names = [name for name, value in values.items() if value is not None]
    if names:
        raise UsageError(
            f"{' and '.join(names)} cannot be used with --resume: a resumed run keeps its"
            " blueprint, its recipe and its directory"
        )
    run_inputs = load_run_inputs(run_dir, request)
    run_inputs.config.check_data()
    training = _apply_overrides(run_inputs.config.training, overrides)
    return dataclasses.replace(
        run_inputs, config=dataclasses.replace(run_inputs.config, training=training)
    )


def _apply_overrides(training: TrainingConfig, overrides: _Overrides) -> TrainingConfig:
    seed = overrides["seed"]
    return dataclasses.replace(
        training,
        epochs=overrides["epochs"] or training.epochs,
        batch_size=overrides["batch_size"] or training.batch_size,
        # Unlike the others, a seed may be 0.
        seed=training.seed if seed is None else seed,
        distribute=overrides["distribute"] or training.distribute,
    )
