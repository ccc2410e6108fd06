"""What to train on and how: the `data:` and `training:` of a blueprint, as frozen dataclasses.

Needs no Keras, so that `archbuilder validate` sees mistakes in a recipe too.
"""

from __future__ import annotations

from archbuilder.recipe.data import parse_data
from archbuilder.recipe.given import data_from_argument
from archbuilder.recipe.reading import parse_recipe, read_recipe
from archbuilder.recipe.sources import DataConfig
from archbuilder.recipe.spec import Recipe, TrainingConfig
from archbuilder.recipe.training import parse_training

__all__ = [
    "DataConfig",
    "Recipe",
    "TrainingConfig",
    "data_from_argument",
    "parse_data",
    "parse_recipe",
    "parse_training",
    "read_recipe",
]
