"""Tells whether data, blueprint and recipe are still those that a run began with."""

from __future__ import annotations

import hashlib
import json
from typing import Final, cast

import numpy as np

from archbuilder.training.columns import Column
from archbuilder.training.examples import Dataset
from archbuilder.tree import PlainData

_SAMPLED_ROWS: Final = 64
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


def dataset_digest(*datasets: Dataset | None) -> str:
    """A text that is another one where data has other columns or another number of examples.

    Of the values, examples are looked at that are spread over all of them: to read all would take
    as long as an epoch.

    Raises:
        RunError: if one of them cannot be read.
    """
    sha256 = hashlib.sha256()
    for dataset in datasets:
        for name, column in _columns(dataset):
            sha256.update(f"{name} {column.count} {column.shape} {column.dtype}\n".encode())
            rows = np.linspace(0, column.count - 1, min(column.count, _SAMPLED_ROWS))
            values = column.numpy(rows.astype(np.int64))
            sha256.update(np.ascontiguousarray(values).tobytes())
        sha256.update(b"\n")
    return sha256.hexdigest()


def _columns(dataset: Dataset | None) -> list[tuple[str, Column]]:
    if dataset is None:
        return []
    inputs = [(f"input {name}", each.column) for name, each in dataset.inputs.items()]
    targets = [(f"target {name}", each) for name, each in dataset.targets.items()]
    weights = [(f"weight {name}", each) for name, each in dataset.sample_weights.items()]
    return sorted([*inputs, *targets, *weights], key=lambda pair: pair[0])
