"""The recipe that a command line asks for: of the blueprint, of a file, and of its own options."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from archbuilder.api import Blueprint
from archbuilder.cli.options import Wanted
from archbuilder.errors import UsageError
from archbuilder.graph import Graph
from archbuilder.recipe import DataSpec, Recipe, TrainingSpec, data_from_path, read_recipe
from archbuilder.recipe.file import read_recipe_file


def recipe_of(
    loaded: Blueprint, graphs: Mapping[str, Graph], wanted: Wanted, path: Path | None
) -> Recipe:
    """The recipe of a blueprint, with that of a file before it."""
    own = read_recipe(
        loaded, variant=wanted.variant_of(loaded), params=wanted.params, limits=wanted.limits
    )
    if path is None:
        return own
    given = read_recipe_file(path, graphs, wanted.limits)
    return Recipe(given.data or own.data, given.training or own.training)


def examples_of(recipe: Recipe, data: str | None) -> DataSpec:
    """The data of a recipe, or that of the command line.

    Raises:
        UsageError: if there is neither.
    """
    if data is not None:
        return data_from_path(data, recipe.data)
    if recipe.data is None:
        raise UsageError(
            "the blueprint does not say what to train on; give it a section 'data', or say it "
            "with --data or --recipe"
        )
    return recipe.data


def training_of(recipe: Recipe) -> TrainingSpec:
    """The training of a recipe.

    Raises:
        UsageError: if it has none.
    """
    if recipe.training is None:
        raise UsageError(
            "the blueprint does not say how to train, at least with which 'loss'; give it a "
            "section 'training', or give a file that has one with --recipe"
        )
    return recipe.training
