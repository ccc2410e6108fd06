"""Tells whether data, blueprint and recipe are still those that a run began with."""

from __future__ import annotations

import hashlib
from typing import Final

import numpy as np

from archbuilder.data.columns import Column
from archbuilder.data.dataset import Dataset

_SAMPLED_ROWS: Final = 64


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
