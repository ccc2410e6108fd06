"""The `data` and `training` sections of a blueprint (its recipe) as frozen dataclasses.

Nothing here imports Keras, so that `archbuilder validate` checks recipes without loading it.
"""

from __future__ import annotations

from archbuilder.config.data import parse_data
from archbuilder.config.data_cli import data_from_argument
from archbuilder.config.load import parse_recipe, read_recipe
from archbuilder.config.sources import DataConfig
from archbuilder.config.training import Recipe, TrainingConfig
from archbuilder.config.training_parser import parse_training

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
