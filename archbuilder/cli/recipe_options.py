"""Recipe of a command line, from the blueprint, `--recipe` and `--data`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from archbuilder.api import Blueprint
from archbuilder.cli.common_options import BlueprintRequest
from archbuilder.compiler.ir import Graph
from archbuilder.config import DataConfig, Recipe, TrainingConfig, data_from_argument, read_recipe
from archbuilder.config.load import read_recipe_file
from archbuilder.diagnostics.errors import UsageError


def load_recipe(
    blueprint: Blueprint, graphs: Mapping[str, Graph], request: BlueprintRequest, path: Path | None
) -> Recipe:
    """Load the recipe of a blueprint; sections of a recipe file replace those of the blueprint."""
    blueprint_recipe = read_recipe(
        blueprint,
        variant=request.select_variant(blueprint),
        params=request.params,
        limits=request.limits,
    )
    if path is None:
        return blueprint_recipe
    file_recipe = read_recipe_file(path, graphs, request.limits)
    # Sections are replaced as a whole: keys of both are not merged.
    return Recipe(
        file_recipe.data or blueprint_recipe.data, file_recipe.training or blueprint_recipe.training
    )


def select_data(recipe: Recipe, data_argument: str | None) -> DataConfig:
    """Return the data of `--data`, or else that of the recipe.

    Raises:
        UsageError: if there is neither.
    """
    if data_argument is not None:
        return data_from_argument(data_argument, recipe.data)
    if recipe.data is None:
        raise UsageError(
            "the blueprint does not say what to train on; give it a section 'data', or say it "
            "with --data or --recipe"
        )
    return recipe.data


def require_training(recipe: Recipe) -> TrainingConfig:
    """Return the training configuration of a recipe.

    Raises:
        UsageError: if the recipe has none.
    """
    if recipe.training is None:
        raise UsageError(
            "the blueprint does not say how to train, at least with which 'loss'; give it a "
            "section 'training', or give a file that has one with --recipe"
        )
    return recipe.training
