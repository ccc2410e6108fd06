"""Numbers of the data that the parameters of a blueprint are set to."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from archbuilder.config.sources import DataConfig
from archbuilder.config.training import TrainingConfig
from archbuilder.data.columns import iter_chunks
from archbuilder.data.errors import locate_data_errors
from archbuilder.data.file_access import DataFileOpener
from archbuilder.data.source_dataset import UNNAMED, SourceDatasets, target_key
from archbuilder.data.sources import load_datasets
from archbuilder.diagnostics.errors import RunError, quote
from archbuilder.language.ast import DataSize


def load_sizes(
    data: DataConfig,
    training: TrainingConfig | None,
    allow_dirs: Sequence[Path],
    sizes: Mapping[str, DataSize],
) -> dict[str, int]:
    """Load the data of a recipe, and return its numbers by the parameters that have them.

    Raises:
        BlueprintError: if a blueprint names a file that it may not read.
        RunError: if the data cannot be loaded, or has no such number.
    """
    opener = DataFileOpener(data.directory or Path(), allow_dirs)
    return measure(load_datasets(data, training, opener), sizes)


def measure(datasets: SourceDatasets, sizes: Mapping[str, DataSize]) -> dict[str, int]:
    """Return the numbers of the data by the parameters that have them.

    Raises:
        DataError: if the data has no such number, with the location of the name.
        RunError: if an example cannot be read.
    """
    values: dict[str, int] = {}
    for name, size in sizes.items():
        with locate_data_errors(size.span):
            values[name] = _measure(datasets, size)
    return values


def _measure(datasets: SourceDatasets, size: DataSize) -> int:
    dataset = datasets.train
    numbers: Mapping[str, int]
    if size.quantity == "classes":
        numbers = _class_counts(datasets, size.column)
    elif size.quantity == "vocabulary_size":
        tokenizer = dataset.preprocessing.tokenizer
        categories = {name: each.num_categories for name, each in dataset.inputs.items()}
        numbers = {name: count for name, count in categories.items() if count is not None}
        if tokenizer is not None:
            numbers = {UNNAMED: tokenizer.vocab_size}
    else:
        numbers = {name: math.prod(each.shape) for name, each in dataset.inputs.items()}
    # The only input or target of a source without names is that of any input or output.
    only = next(iter(numbers), None) if len(numbers) == 1 else None
    key = only if only is not None and "" in (only, size.column) else size.column
    if key not in numbers:
        available = ", ".join(f"{each}.{size.quantity}" for each in numbers if each)
        raise RunError(
            f"{dataset.source_name} has no {quote(str(size))}"
            + (f", but {available}" if available else "")
        )
    return numbers[key]


def _class_counts(datasets: SourceDatasets, output: str) -> dict[str, int]:
    """Return the number of classes of each target; only that of `output` if it has one."""
    dataset = datasets.train
    schema = dataset.preprocessing.schema
    counts: dict[str, int] = {}
    for name in [output] if output in dataset.targets else dataset.targets:
        feature = schema.features.get(target_key(name))
        if names := schema.classes_for(name):
            counts[name] = len(names)
        elif feature is not None and feature.vocabulary:
            counts[name] = len(feature.vocabulary)
        elif dataset.targets[name].dtype.kind in "bui":
            sets = (each for each in (dataset, datasets.validation, datasets.test) if each)
            columns = (each.targets[name] for each in sets if name in each.targets)
            labels = (
                int(values.max())
                for column in columns
                for values, _ in iter_chunks(column, np.arange(column.count))
            )
            counts[name] = max(labels) + 1
    return counts
