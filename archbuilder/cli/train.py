"""`archbuilder train`."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Final, TypedDict, Unpack

import click

from archbuilder.api import Blueprint
from archbuilder.cli.command import Command
from archbuilder.cli.console import Console
from archbuilder.cli.options import Wanted, takes_blueprint
from archbuilder.cli.quiet import import_tensorflow
from archbuilder.errors import UsageError
from archbuilder.escaping import for_terminal
from archbuilder.graph import Graph
from archbuilder.recipe import DataSpec, Recipe, TrainingSpec, data_from_path, read_recipe
from archbuilder.recipe.file import read_recipe_file
from archbuilder.recipe.spec import Distribution

RUNS: Final = Path("runs")
_POSITIVE: Final = click.IntRange(min=1, max=1_000_000)


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
    help="What to train on: 'digits', a .npz or .csv file, or a folder with the files of MNIST.",
)
@click.option("--epochs", type=_POSITIVE, help="How often every example is seen.")
@click.option("--batch-size", type=_POSITIVE, help="Examples of one step.")
@click.option(
    "--seed",
    type=click.IntRange(min=0, max=2**32 - 1),
    help="Decides the first weights, the order of the examples, and which are held out.",
)
@click.option(
    "--distribute",
    type=click.Choice(("auto", "none", "mirrored")),
    help="Which devices take part; 'auto' takes all GPUs.",
)
@click.option(
    "--run",
    "folder",
    metavar="FOLDER",
    type=click.Path(path_type=Path),
    help="A new folder for the trained model and the record; runs/NAME-1 and so on if not given.",
)
@takes_blueprint
@click.pass_obj
def train_command(
    console: Console,
    /,
    *,
    wanted: Wanted,
    blueprint: str,
    recipe: Path | None,
    data: str | None,
    folder: Path | None,
    **changes: Unpack[_Changes],
) -> None:
    """Train what a blueprint describes.

    What on, and how, stands in the blueprint under 'data' and 'training', or in a recipe. The
    trained model and a record of the run go to a folder.
    """
    loaded = wanted.load(blueprint)
    graphs = loaded.graphs(variant=wanted.variant_of(loaded), **wanted.params)
    spec = _recipe(loaded, graphs, wanted, recipe)
    examples = _examples(spec, data)
    training = _training(spec, changes)
    import_tensorflow()
    # Training is behind the wall: it imports TensorFlow.
    from archbuilder.training import Origin, RunFolder, train  # noqa: PLC0415

    run = RunFolder.numbered(RUNS, loaded.name) if folder is None else RunFolder.at(folder)
    text = loaded.expand(variant=wanted.variant_of(loaded), **wanted.params)
    train(
        graphs,
        examples,
        training,
        run,
        origin=Origin(text, ("archbuilder", *console.arguments), wanted.allow),
        limits=wanted.limits,
        report=lambda line: console.say(for_terminal(line)),
    )


def _recipe(
    loaded: Blueprint, graphs: Mapping[str, Graph], wanted: Wanted, path: Path | None
) -> Recipe:
    """The recipe of the blueprint, with that of a file before it."""
    own = read_recipe(
        loaded, variant=wanted.variant_of(loaded), params=wanted.params, limits=wanted.limits
    )
    if path is None:
        return own
    given = read_recipe_file(path, graphs, wanted.limits)
    return Recipe(given.data or own.data, given.training or own.training)


def _examples(recipe: Recipe, data: str | None) -> DataSpec:
    if data is not None:
        return data_from_path(data)
    if recipe.data is None:
        raise UsageError(
            "the blueprint does not say what to train on; give it a section 'data', or say it "
            "with --data or --recipe"
        )
    return recipe.data


def _training(recipe: Recipe, changes: _Changes) -> TrainingSpec:
    """The training of a recipe with what the command line changes of it."""
    spec = recipe.training
    if spec is None:
        raise UsageError(
            "the blueprint does not say how to train, at least with which 'loss'; give it a "
            "section 'training', or give a file that has one with --recipe"
        )
    seed = changes["seed"]
    return dataclasses.replace(
        spec,
        epochs=changes["epochs"] or spec.epochs,
        batch_size=changes["batch_size"] or spec.batch_size,
        seed=spec.seed if seed is None else seed,
        distribute=changes["distribute"] or spec.distribute,
    )
