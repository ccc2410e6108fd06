"""Fingerprint of everything that must not change between a checkpoint and its resume."""

from __future__ import annotations

import hashlib
import json
from typing import cast

from archbuilder.config.settings import settings_of
from archbuilder.config.training import TrainingConfig
from archbuilder.plain_data import PlainData


def run_fingerprint(blueprint: str, recipe: PlainData) -> str:
    """Return the SHA-256 digest of a blueprint and a recipe, without resumable settings.

    A run can be resumed from a checkpoint only if both have the same fingerprint. More epochs,
    other devices and another checkpoint interval leave it unchanged.

    Args:
        blueprint: the text of the expanded blueprint.
        recipe: the result of `recipe_to_dict`.
    """
    fields = cast(dict[str, PlainData], recipe)
    training = cast(dict[str, PlainData], fields["training"])
    resumable = {each.name for each in settings_of(TrainingConfig) if each.is_resumable}
    fixed = {key: value for key, value in training.items() if key not in resumable}
    # sort_keys: two recipes that differ in the order of their keys are the same recipe.
    text = json.dumps([blueprint, {**fields, "training": fixed}], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()
