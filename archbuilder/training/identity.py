"""Tells whether data, blueprint and recipe are still those that a run began with."""

from __future__ import annotations

import hashlib
import json
from typing import Final, cast

import numpy as np

from archbuilder.training.columns import Column
from archbuilder.training.examples import Examples
from archbuilder.tree import Plain

_LOOKED_AT: Final = 64
_MAY_CHANGE: Final = ("epochs", "distribute", "checkpoint_seconds", "xla", "steps_per_execution")


def fingerprint(blueprint: str, recipe: Plain) -> str:
    """A text that is another one where a checkpoint cannot be gone on from.

    A run may go on for more epochs, on other devices, and be kept more or less often.
    """
    fields = cast(dict[str, Plain], recipe)
    training = cast(dict[str, Plain], fields["training"])
    kept = {key: value for key, value in training.items() if key not in _MAY_CHANGE}
    text = json.dumps([blueprint, {**fields, "training": kept}], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def digest(*parts: Examples | None) -> str:
    """A text that is another one where data has other columns or another number of examples.

    Of the values, examples are looked at that are spread over all of them: to read all would take
    as long as an epoch.

    Raises:
        RunError: if one of them cannot be read.
    """
    made = hashlib.sha256()
    for part in parts:
        for name, column in _columns(part):
            made.update(f"{name} {column.count} {column.shape} {column.dtype}\n".encode())
            chosen = np.linspace(0, column.count - 1, min(column.count, _LOOKED_AT))
            values = column.values_of(chosen.astype(np.int64))
            made.update(np.ascontiguousarray(values).tobytes())
        made.update(b"\n")
    return made.hexdigest()


def _columns(part: Examples | None) -> list[tuple[str, Column]]:
    if part is None:
        return []
    inputs = [(f"input {name}", each.column) for name, each in part.inputs.items()]
    targets = [(f"target {name}", each) for name, each in part.targets.items()]
    weights = [(f"weight {name}", each) for name, each in part.weights.items()]
    return sorted([*inputs, *targets, *weights], key=lambda pair: pair[0])
