"""What commands read of a run, or of a model, before they import TensorFlow."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from archbuilder.cli.options import Wanted
from archbuilder.cli.recipes import examples_of, recipe_of, training_of
from archbuilder.errors import UsageError, shown
from archbuilder.files import read_place
from archbuilder.graph import Graph
from archbuilder.places import Place
from archbuilder.recipe.file import read_recipe_file
from archbuilder.recipe.legend import Legend
from archbuilder.recipe.record import BLUEPRINT, RECORD, Recorded, read_legend, read_record

MODEL: Final = ".keras"
"""How the files of models end."""


@dataclass(frozen=True, slots=True)
class Run:
    """What a run was begun with."""

    name: str
    graphs: Mapping[str, Graph]
    recorded: Recorded
    text: str
    """The blueprint with everything resolved."""
    file: Path | None = None
    """The blueprint as a person wrote it."""


def read_run(folder: Path, wanted: Wanted) -> Run:
    """The blueprint and the recipe of a run.

    Raises:
        UsageError: if it is not the folder of a run.
        BlueprintError: with the mistakes in what it was begun with.
    """
    place = Place(folder).inside(BLUEPRINT)
    if not (folder / BLUEPRINT).exists():
        lost = f": {BLUEPRINT} is missing" if (folder / RECORD).is_file() else ""
        lost = lost if folder.exists() else ": there is no such folder"
        raise UsageError(f"{shown(str(folder), 200)} is not the folder of a run{lost}")
    loaded = wanted.load(place)
    graphs = loaded.graphs()
    recorded = read_record(folder, graphs, wanted.limits, allow=wanted.allow)
    text = read_place(place, wanted.limits).decode("utf-8", "replace")
    return Run(loaded.name, graphs, recorded, text)


@dataclass(frozen=True, slots=True)
class Target:
    """Trained networks that a command uses."""

    begun: Run
    folder: Path | None
    """The folder of their run; None where there is none."""
    files: Mapping[str, Path] = field(default_factory=dict)
    """The files of their weights, where they are not those of the run."""


def read_target(path: Path, wanted: Wanted, blueprint: str | None, recipe: Path | None) -> Target:
    """The networks of a run, or of a `.keras` file.

    A file tells weights alone. What the network computes says the blueprint, which is that of the
    run whose folder the file lies in, if none is given.

    Raises:
        UsageError: if there is no such run or file, or no blueprint or recipe for it.
        BlueprintError: with the mistakes in the blueprint or the recipe.
    """
    is_model = path.suffix == MODEL
    if is_model and not path.is_file():
        raise UsageError(f"there is no file {shown(str(path), 200)}")
    if is_model and blueprint is not None:
        begun = _of_blueprint(blueprint, wanted, recipe, read_legend(path.parent))
        return Target(begun, None, {_network(path, begun): path})
    if blueprint is not None:
        raise UsageError("a run has its blueprint; --blueprint goes with a .keras file")
    if wanted.params or wanted.variant:
        raise UsageError("a run has its parameters; --set and --variant go with --blueprint")
    folder = path.parent if is_model else path
    if is_model and not (folder / RECORD).is_file():
        raise UsageError(
            f"{shown(path.name)} lies in the folder of no run: give its --blueprint, of which the"
            " network is made; only numbers are read from the file"
        )
    begun = read_run(folder, wanted)
    if recipe is not None:
        begun = _with_recipe(begun, recipe, wanted)
    return Target(begun, folder, {_network(path, begun): path} if is_model else {})


def _of_blueprint(blueprint: str, wanted: Wanted, path: Path | None, legend: Legend) -> Run:
    loaded = wanted.load(blueprint)
    graphs = loaded.graphs(variant=wanted.variant_of(loaded), **wanted.params)
    recipe = recipe_of(loaded, graphs, wanted, path)
    recorded = Recorded(examples_of(recipe, None), training_of(recipe), wanted.allow, legend)
    return Run(loaded.name, graphs, recorded, "")


def _with_recipe(begun: Run, path: Path, wanted: Wanted) -> Run:
    given = read_recipe_file(path, begun.graphs, wanted.limits)
    recorded = begun.recorded
    return replace(
        begun,
        recorded=replace(
            recorded,
            data=given.data or recorded.data,
            training=given.training or recorded.training,
            allow=(*recorded.allow, *wanted.allow),
            digest=recorded.digest if given.data is None else None,
            forbidden=recorded.forbidden if given.data is None else (),
        ),
    )


def _network(path: Path, begun: Run) -> str:
    """The network whose weights a file has."""
    if len(begun.graphs) > 1 and path.stem not in begun.graphs:
        raise UsageError(
            f"the blueprint has the networks {', '.join(begun.graphs)}, and {shown(path.name)} has"
            " the name of none of them"
        )
    return path.stem if path.stem in begun.graphs else next(iter(begun.graphs))
