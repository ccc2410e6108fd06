"""Batches of raw examples, and the columns that are collected from all batches."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, TypeVar

import numpy as np

from archbuilder.data.columns import Array, Column
from archbuilder.data.dataset import Feature
from archbuilder.data.dtypes import common_dtype, unrepresentable
from archbuilder.data.provenance import ColumnOrigin
from archbuilder.data.sources.column_roles import ColumnRoles
from archbuilder.data.sources.label_encoder import Strings, TargetWriter
from archbuilder.data.sources.load_context import LoadContext
from archbuilder.diagnostics.errors import RunError

MAX_BATCH_ROWS: Final = 1024
"""Rows that are read at once at most."""
MAX_BATCH_BYTES: Final = 2**25
"""Bytes of a batch, after which it ends. A single row may exceed them."""
_T = TypeVar("_T")


def batched_by_bytes(rows: Iterable[_T], size: Callable[[_T], int]) -> Iterator[list[_T]]:
    """Group rows into batches of limited count and size; `size` returns the bytes of a row."""
    batch: list[_T] = []
    num_bytes = 0
    for row in rows:
        # Appended before the check, so that a row larger than a batch is a batch of its own.
        batch.append(row)
        num_bytes += size(row)
        if len(batch) == MAX_BATCH_ROWS or num_bytes >= MAX_BATCH_BYTES:
            yield batch
            batch, num_bytes = [], 0
    if batch:
        yield batch


@dataclass(frozen=True, slots=True, eq=False)
class Row:
    """One record: its location for messages, and its values by the names of inputs and targets.

    Several of them may read one field, and reshape it differently.
    """

    location: str
    inputs: Mapping[str, Array]
    """Values without encoded images, which are decoded on demand."""
    targets: Mapping[str, Array | str]
    sample_weights: Mapping[str, Array] = field(default_factory=dict)

    @property
    def num_bytes(self) -> int:
        """Size in memory."""
        values = (*self.inputs.values(), *self.targets.values(), *self.sample_weights.values())
        return sum(len(each) if isinstance(each, str) else each.nbytes for each in values)


@dataclass(frozen=True, slots=True, eq=False)
class RawBatch:
    """The values of inputs, targets and sample weights of some records, by name.

    Arrays have the shape `(rows, ...)`. A sequence of arrays is one input with several columns side
    by side.
    """

    inputs: Mapping[str, Array | Sequence[Array]]
    targets: Mapping[str, Array | Strings]
    sample_weights: Mapping[str, Array] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, eq=False)
class CollectedColumns:
    """The columns collected from all batches, by the names of inputs and targets."""

    inputs: Mapping[str, Feature]
    targets: Mapping[str, Column]
    sample_weights: Mapping[str, Column]
    classes: Mapping[str, tuple[str, ...]]
    """The class names of targets that were strings."""
    notes: tuple[str, ...]
    """Messages for the user about label encoding."""


def collect_columns(
    batches: Iterable[RawBatch],
    roles: ColumnRoles,
    describe_row: Callable[[int], str],
    context: LoadContext,
) -> CollectedColumns:
    """Concatenate batches into columns, with the widest dtype of each, and encode string targets.

    `describe_row` returns the location of an example by its index, for messages.

    Raises:
        RunError: if examples differ in shape, or a string is not one of the fitted classes.
    """
    store = context.store
    inputs = {
        name: store.create_writer(
            "the input", ColumnOrigin(describe_row, tuple(map(roles.title, columns)))
        )
        for name, columns in roles.inputs.items()
    }
    weights = {name: store.create_writer("the weights") for name in roles.sample_weights}
    fitted_classes = context.fitted.schema.classes if context.fitted else {}
    targets = {
        name: TargetWriter(
            roles.title(column), fitted_classes.get(name, ()), store, text_cells=roles.text_cells
        )
        for name, column in roles.targets.items()
    }
    for batch in batches:
        for name, numbers in batch.inputs.items():
            if isinstance(numbers, np.ndarray):
                inputs[name].add(numbers)
            else:
                inputs[name].add_columns(numbers)
        for name, values in batch.sample_weights.items():
            weights[name].add(values)
        for name, labels in batch.targets.items():
            targets[name].add(labels)
    # Only now are the dtypes and classes known, since the last row may change them.
    finished = {name: each.finish() for name, each in targets.items()}
    return CollectedColumns(
        {
            name: Feature(each.to_column(), origin=each.origin, integers=each.integers)
            for name, each in inputs.items()
        },
        {name: column for name, (column, _, _) in finished.items()},
        {name: each.to_column() for name, each in weights.items()},
        {name: classes for name, (_, classes, _) in finished.items() if classes is not None},
        tuple(note for _, _, notes in finished.values() for note in notes),
    )


def stack_rows(rows: Iterable[Row], roles: ColumnRoles) -> Iterator[RawBatch]:
    """Yield batches of rows, whose values have the shapes of the first row.

    Raises:
        RunError: if no dtype represents all values of a field.
    """

    def stack(batch: Sequence[Row], column: str, values: Sequence[Array | str]) -> Array:
        arrays = [np.asarray(each) for each in values]
        dtype = common_dtype({each.dtype for each in arrays})
        for row, array in zip(batch, arrays, strict=True):
            # numpy promotes int64 beside float32 to float64, which rounds integers above 2**53:
            # large ids would become equal.
            if array.dtype != dtype and (inexact := unrepresentable(array, dtype)).any():
                raise RunError(
                    f"{roles.title(column)} of {row.location} has {array[inexact][0]}, among"
                    " numbers that are not 64-bit integers like it: no dtype represents all of them"
                )
        return np.stack([each.astype(dtype, copy=False) for each in arrays])

    for batch in batched_by_bytes(rows, lambda row: row.num_bytes):
        targets: dict[str, Array | Strings] = {}
        for key, column in roles.targets.items():
            values = [row.targets[key] for row in batch]
            strings = [each for each in values if isinstance(each, str)]
            targets[key] = strings if len(strings) == len(batch) else stack(batch, column, values)
        yield RawBatch(
            {
                key: stack(batch, column, [row.inputs[key] for row in batch])
                for key, (column,) in roles.inputs.items()
                if key in batch[0].inputs
            },
            targets,
            {
                key: stack(batch, column, [row.sample_weights[key] for row in batch])
                for key, column in roles.sample_weights.items()
            },
        )
