"""A hash of everything that must not change between a checkpoint and its resume."""

from __future__ import annotations

import hashlib
import json
from typing import Final, cast

from archbuilder.plain_data import PlainData

_RESUMABLE_KEYS: Final = (
    "epochs",
    "distribute",
    "checkpoint_seconds",
    "xla",
    "steps_per_execution",
)


def run_fingerprint(blueprint: str, recipe: PlainData) -> str:
    """A text that is another one where a checkpoint cannot be gone on from.

    A run may go on for more epochs, on other devices, and be kept more or less often.
    """
    fields = cast(dict[str, PlainData], recipe)
    training = cast(dict[str, PlainData], fields["training"])
    fixed = {key: value for key, value in training.items() if key not in _RESUMABLE_KEYS}
    text = json.dumps([blueprint, {**fields, "training": fixed}], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()
