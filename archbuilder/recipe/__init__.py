"""What to train on and how: the `data:` and `training:` of a blueprint, as frozen dataclasses.

Needs no Keras, so that `archbuilder validate` sees mistakes in a recipe too.
"""

from __future__ import annotations

from archbuilder.recipe.data import decode_data
from archbuilder.recipe.given import data_from_path
from archbuilder.recipe.reading import decode_recipe, read_recipe
from archbuilder.recipe.sources import DataSpec
from archbuilder.recipe.spec import Recipe, TrainingSpec
from archbuilder.recipe.training import decode_training

__all__ = [
    "DataSpec",
    "Recipe",
    "TrainingSpec",
    "data_from_path",
    "decode_data",
    "decode_recipe",
    "decode_training",
    "read_recipe",
]
