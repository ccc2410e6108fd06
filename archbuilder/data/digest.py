"""Digest of the data of a run, to detect that a resumed run has other data."""

from __future__ import annotations

import hashlib
import json
from typing import Final

import numpy as np

from archbuilder.data.source_dataset import SourceDatasets

_SAMPLED_ROWS: Final = 64
"""Number of examples in the digest: reading all of them would take as long as an epoch."""


def dataset_digest(datasets: SourceDatasets) -> str:
    """Return a digest of columns, lengths and values of the datasets of a run.

    Values are sampled from examples that are spread evenly over a dataset.

    Raises:
        RunError: if an example cannot be read.
    """
    sha256 = hashlib.sha256()
    # Without a test set, the digest is what it was before there were any.
    tests = [] if datasets.test is None else [datasets.test]
    for dataset in (datasets.train, datasets.validation, *tests):
        columns = []
        if dataset is not None:
            columns += [(f"input {name}", each.column) for name, each in dataset.inputs.items()]
            columns += [(f"target {name}", each) for name, each in dataset.targets.items()]
            columns += [(f"weight {name}", each) for name, each in dataset.sample_weights.items()]
        # Sorted by name alone: the order of columns in a file or a recipe does not matter.
        for name, column in sorted(columns, key=lambda pair: pair[0]):
            sha256.update(f"{name} {column.count} {column.shape} {column.dtype}\n".encode())
            rows = np.linspace(0, column.count - 1, min(column.count, _SAMPLED_ROWS))
            values = column.numpy(rows.astype(np.int64))
            sha256.update(np.ascontiguousarray(values).tobytes())
        # Whole, since each of their values decides in which set an example is.
        for name, key in sorted(dataset.key_columns.items()) if dataset is not None else ():
            sha256.update(f"key {name} {json.dumps(key.categories)}\n".encode())
            sha256.update(key.read().tobytes())
        # Keeps a column of one dataset from counting as one of the next.
        sha256.update(b"\n")
    return sha256.hexdigest()
