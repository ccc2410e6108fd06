"""Options `--recipe` and `--data`, and the recipe that they make with the blueprint."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import click

from archbuilder.api import Blueprint
from archbuilder.cli.common_options import BlueprintRequest
from archbuilder.compiler.ir import Graph
from archbuilder.config import DataConfig, Recipe, TrainingConfig, data_from_argument, read_recipe
from archbuilder.config.load import read_recipe_file
from archbuilder.diagnostics.errors import UsageError

recipe_option = click.option(
    "--recipe",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="YAML file with the sections 'data' and 'training'. Each replaces that of the blueprint or"
    " run.",
)
data_option = click.option(
    "--data",
    metavar="DATA",
    help="Data to use in place of the recipe's: 'digits', 'tfds:NAME', a directory of images or of"
    " MNIST files, a .npz, .csv, .parquet, .jsonl, .tfrecord, .txt or .tsv file, or a glob pattern"
    " of such files.",
)


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
            "the blueprint has no section 'data'; pass --data or --recipe, or add the section"
        )
    return recipe.data


def require_training(recipe: Recipe) -> TrainingConfig:
    """Return the training configuration of a recipe.

    Raises:
        UsageError: if the recipe has none.
    """
    if recipe.training is None:
        raise UsageError(
            "the blueprint has no section 'training', which needs at least a 'loss'; pass a file"
            " with --recipe, or add the section"
        )
    return recipe.training
