"""Fingerprint of everything that must not change between a checkpoint and its resume."""

from __future__ import annotations

import hashlib
import json
from typing import Final, cast

from archbuilder.plain_data import PlainData

# These decide how long, on which devices and how fast a run computes, not what a step computes: a
# run may be resumed with other values. `callbacks` is not among them: they change the learning rate
# and the weights, and checkpoints hold their state, which other callbacks could not continue from.
_RESUMABLE_KEYS: Final = (
    "epochs",
    "distribute",
    "checkpoint_every_seconds",
    "jit_compile",
    "steps_per_execution",
)


def run_fingerprint(blueprint: str, recipe: PlainData) -> str:
    """Return the SHA-256 digest of a blueprint and a recipe, without the keys that may change.

    A run can be resumed from a checkpoint only if both have the same fingerprint. More epochs,
    other devices and another checkpoint interval leave it unchanged.

    Args:
        blueprint: the text of the expanded blueprint.
        recipe: the result of `recipe_to_dict`.
    """
    fields = cast(dict[str, PlainData], recipe)
    training = cast(dict[str, PlainData], fields["training"])
    fixed = {key: value for key, value in training.items() if key not in _RESUMABLE_KEYS}
    # sort_keys: two recipes that differ in the order of their keys are the same recipe.
    text = json.dumps([blueprint, {**fields, "training": fixed}], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()
