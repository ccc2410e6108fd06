"""The command `archbuilder train`."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Final, TypedDict, Unpack

import click

from archbuilder.cli.command import Command
from archbuilder.cli.common_options import BlueprintRequest, blueprint_options
from archbuilder.cli.console import Console
from archbuilder.cli.device_options import spawn_workers
from archbuilder.cli.numbers import StrictIntRange
from archbuilder.cli.recipe_options import load_recipe, require_training, select_data
from archbuilder.cli.run_inputs import RunInputs, load_run_inputs
from archbuilder.cli.silence_tensorflow import import_tensorflow
from archbuilder.config import TrainingConfig
from archbuilder.config.run_config import RUN_JSON, RunConfig
from archbuilder.config.training import StrategyName
from archbuilder.diagnostics.errors import UsageError
from archbuilder.diagnostics.escape import escape_terminal
from archbuilder.files import path_status

RUNS: Final = Path("runs")
_POSITIVE: Final = StrictIntRange(min=1, max=1_000_000)


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
@click.option(
    "--recipe",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="A file with 'data' and 'training', which go before those of the blueprint.",
)
@click.option(
    "--data",
    metavar="DATA",
    help="What to train on: 'digits', 'tfds:NAME', a .npz, .csv, .parquet, .jsonl, .tfrecord, .txt"
    " or .tsv file, a pattern of such files, or a folder with the files of MNIST or with images. It"
    " takes the place of the recipe's files.",
)
@click.option("--epochs", type=_POSITIVE, help="How often every example is seen.")
@click.option("--batch-size", type=_POSITIVE, help="Examples of one step.")
@click.option(
    "--seed",
    type=StrictIntRange(min=0, max=2**32 - 1),
    help="Decides the first weights, the order of the examples, and which are held out.",
)
@click.option(
    "--distribute",
    type=click.Choice(("auto", "none", "mirrored", "multi_worker", "tpu")),
    help="Which devices take part; 'auto' takes the cluster that TF_CONFIG or Slurm tells of, or"
    " all GPUs.",
)
@click.option(
    "--workers",
    type=StrictIntRange(min=1, max=64),
    help="Train with so many processes of this machine, to try a cluster out.",
)
@click.option(
    "--run-dir",
    metavar="FOLDER",
    type=click.Path(path_type=Path),
    help="A new folder for the trained model and the record; runs/NAME-1 and so on if not given.",
)
@click.option(
    "--resume",
    metavar="RUN",
    type=click.Path(path_type=Path),
    help="Go on with the run in this folder, in place of a blueprint.",
)
@click.option(
    "--auto-resume",
    is_flag=True,
    help="Where the folder of --run-dir has a run already, go on with it: for jobs that are started"
    " again.",
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
    """Train what a blueprint describes.

    What on, and how, stands in the blueprint under 'data' and 'training', or in a recipe. The
    trained model and a record of the run go to a folder. A run that was broken off goes on with
    --resume.
    """
    exit_code = spawn_workers(console, workers, overrides["distribute"])
    if exit_code is not None:
        return exit_code
    if auto_resume and run_dir is None:
        raise UsageError("--auto-resume goes with the --run-dir FOLDER that it looks into")
    # A run writes its record before it trains: without one there is nothing to resume.
    if auto_resume and run_dir is not None and path_status.is_file(run_dir / RUN_JSON):
        resume = run_dir
        # A restarted job repeats the whole command. Its settings are in the record of the run, so
        # those that a resumed run refuses are dropped here.
        run_inputs = _resume_inputs(
            run_dir,
            BlueprintRequest(None, {}, request.limits, request.allow_dirs),
            {**overrides, "batch_size": None, "seed": None},
            (),
        )
    elif resume is not None:
        run_inputs = _resume_inputs(resume, request, overrides, (blueprint, recipe, data, run_dir))
    elif blueprint is not None:
        run_inputs = _new_inputs(blueprint, request, overrides, recipe, data)
    else:
        raise UsageError("there is no BLUEPRINT to train, and no run to --resume")
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
    new_run_options: tuple[str | Path | None, ...],
) -> RunInputs:
    """Load a run to resume it; only epochs and devices may be overridden.

    Raises:
        UsageError: if an option belongs to a new run, or the data may not be read.
    """
    if any(each is not None for each in new_run_options) or request.params or request.variant:
        raise UsageError("a run that goes on has its blueprint, its data and its folder already")
    if overrides["batch_size"] is not None or overrides["seed"] is not None:
        raise UsageError("a run goes on with the batch size and the seed that it began with")
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
