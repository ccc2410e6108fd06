"""`archbuilder train`."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Final, TypedDict, Unpack

import click

from archbuilder.cli.command import Command
from archbuilder.cli.console import Console
from archbuilder.cli.devices import as_workers
from archbuilder.cli.numbers import WholeNumber
from archbuilder.cli.options import Wanted, takes_choice
from archbuilder.cli.quiet import import_tensorflow
from archbuilder.cli.recipes import examples_of, recipe_of, training_of
from archbuilder.cli.runs import Run, read_run
from archbuilder.errors import UsageError
from archbuilder.escaping import for_terminal
from archbuilder.recipe import TrainingSpec
from archbuilder.recipe.record import RECORD, Recorded
from archbuilder.recipe.spec import Distribution

RUNS: Final = Path("runs")
_POSITIVE: Final = WholeNumber(min=1, max=1_000_000)


class _Changes(TypedDict):
    """What the command line changes of a recipe, None where it is silent."""

    epochs: int | None
    batch_size: int | None
    seed: int | None
    distribute: Distribution | None


@click.command(
    "train",
    cls=Command,
    examples=(
        "archbuilder train digits_cnn",
        "archbuilder train digits_cnn --epochs 3 --run runs/short",
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
    type=WholeNumber(min=0, max=2**32 - 1),
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
    type=WholeNumber(min=1, max=64),
    help="Train with so many processes of this machine, to try a cluster out.",
)
@click.option(
    "--run",
    "folder",
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
    "--go-on",
    is_flag=True,
    help="Where the folder of --run has a run already, go on with it: for jobs that are started"
    " again.",
)
@click.argument("blueprint", required=False)
@takes_choice
@click.pass_obj
def train_command(  # noqa: PLR0913 - an option each
    console: Console,
    /,
    *,
    wanted: Wanted,
    blueprint: str | None,
    recipe: Path | None,
    data: str | None,
    folder: Path | None,
    resume: Path | None,
    workers: int | None,
    go_on: bool,
    **changes: Unpack[_Changes],
) -> int:
    """Train what a blueprint describes.

    What on, and how, stands in the blueprint under 'data' and 'training', or in a recipe. The
    trained model and a record of the run go to a folder. A run that was broken off goes on with
    --resume.
    """
    done = as_workers(console, workers, changes["distribute"])
    if done is not None:
        return done
    if go_on and folder is None:
        raise UsageError("--go-on goes with the --run FOLDER that it looks into")
    if go_on and folder is not None and (folder / RECORD).is_file():
        resume = folder
        begun = _begun_before(folder, wanted, changes)
    elif resume is not None:
        begun = _begun(resume, wanted, changes, (blueprint, recipe, data, folder))
    elif blueprint is not None:
        begun = _new(blueprint, wanted, changes, recipe, data)
    else:
        raise UsageError("there is no BLUEPRINT to train, and no run to --resume")
    _train(console, wanted, begun, folder, resume)
    return 0


def _train(
    console: Console, wanted: Wanted, begun: Run, folder: Path | None, resume: Path | None
) -> None:
    """Train in the folder that a run goes on in, the one that is named, or the next free one."""
    import_tensorflow()
    # Training is behind the wall: it imports TensorFlow.
    from archbuilder.training import (  # noqa: PLC0415
        Origin,
        RunFolder,
        common_folder,
        membership_of,
        place,
        train,
    )

    def choose() -> RunFolder:
        if resume is not None:
            return RunFolder.again(resume)
        return RunFolder.numbered(RUNS, begun.name) if folder is None else RunFolder.at(folder)

    training = begun.recorded.training
    placement = place(
        training.distribute,
        training.batch_size,
        membership=membership_of(resume or folder, begun.text, begun.recorded.data, training),
    )
    run = common_folder(choose, placement.peers)
    command = ("archbuilder", *console.arguments)
    try:
        train(
            begun.graphs,
            begun.recorded.data,
            training,
            run,
            origin=Origin(begun.text, command, begun.recorded.allow, begun.file),
            limits=wanted.limits,
            report=lambda line: console.say(for_terminal(line)) if run.writes else None,
            placement=placement,
            show=None if console.lasting or not run.writes else console.show_passing,
        )
    except KeyboardInterrupt:
        if run.writes:
            console.remark(for_terminal(f"to go on: archbuilder train --resume {run.path}"))
        raise


def _new(
    blueprint: str, wanted: Wanted, changes: _Changes, recipe: Path | None, data: str | None
) -> Run:
    loaded = wanted.load(blueprint)
    variant = wanted.variant_of(loaded)
    graphs = loaded.graphs(variant=variant, **wanted.params)
    spec = recipe_of(loaded, graphs, wanted, recipe)
    text = loaded.expand(variant=variant, **wanted.params)
    examples, training = examples_of(spec, data), _changed(training_of(spec), changes)
    return Run(
        loaded.name, graphs, Recorded(examples, training, wanted.allow), text, loaded.files[0]
    )


def _begun(
    run: Path, wanted: Wanted, changes: _Changes, others: tuple[str | Path | None, ...]
) -> Run:
    """What a run was begun with, which goes on as it was but for a few things."""
    if any(each is not None for each in others) or wanted.params or wanted.variant:
        raise UsageError("a run that goes on has its blueprint, its data and its folder already")
    if changes["batch_size"] is not None or changes["seed"] is not None:
        raise UsageError("a run goes on with the batch size and the seed that it began with")
    begun = read_run(run, wanted)
    begun.recorded.check_data()
    training = _changed(begun.recorded.training, changes)
    return dataclasses.replace(
        begun, recorded=dataclasses.replace(begun.recorded, training=training)
    )


def _begun_before(run: Path, wanted: Wanted, changes: _Changes) -> Run:
    """What the same command began, which may say it all again."""
    plain = Wanted(None, {}, wanted.limits, wanted.allow)
    return _begun(run, plain, {**changes, "batch_size": None, "seed": None}, ())


def _changed(spec: TrainingSpec, changes: _Changes) -> TrainingSpec:
    seed = changes["seed"]
    return dataclasses.replace(
        spec,
        epochs=changes["epochs"] or spec.epochs,
        batch_size=changes["batch_size"] or spec.batch_size,
        seed=spec.seed if seed is None else seed,
        distribute=changes["distribute"] or spec.distribute,
    )
