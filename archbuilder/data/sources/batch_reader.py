"""Batches of raw records, and the columns that are collected from all batches."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, TypeAlias, TypeVar, cast

import numpy as np

from archbuilder.config.data_schema import DatasetSchema
from archbuilder.config.sources import Jsonl, Tfrecord
from archbuilder.data.columns import Array, Column
from archbuilder.data.dataset import Feature, FittedPreprocessing
from archbuilder.data.dtypes import common_dtype, unrepresentable
from archbuilder.data.provenance import ColumnOrigin
from archbuilder.data.sources.disk_columns import ColumnStore, ColumnWriter
from archbuilder.data.sources.label_encoder import LabelEncoder
from archbuilder.data.sources.npy_header import as_mapping
from archbuilder.diagnostics.errors import RunError, quote

Strings: TypeAlias = Sequence[str]
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
    preprocessing: FittedPreprocessing
    """The class names of targets that were strings."""
    notes: tuple[str, ...]
    """Messages for the user about label encoding."""

    @property
    def count(self) -> int:
        """Number of examples; 0 without inputs."""
        return next((each.column.count for each in self.inputs.values()), 0)


def collect_columns(
    batches: Iterable[RawBatch],
    target_titles: Mapping[str, str],
    fitted: FittedPreprocessing | None,
    store: ColumnStore,
    *,
    origins: Mapping[str, ColumnOrigin] | None = None,
    text_cells: bool = False,
) -> CollectedColumns:
    """Concatenate batches into columns, with the widest dtype of each, and encode string targets.

    Args:
        batches: The batches in order.
        target_titles: What messages call each target.
        fitted: Preprocessing of the training data, whose classes string targets must have.
        store: Where large columns spill.
        origins: The locations of input values, for messages.
        text_cells: Whether the format cannot tell numbers from strings, as in CSV. Targets are then
            numbers if all of their cells are.

    Raises:
        RunError: if examples differ in shape, or a string is not one of the fitted classes.
    """
    inputs: dict[str, ColumnWriter] = {}
    targets: dict[str, ColumnWriter | LabelEncoder] = {}
    weights: dict[str, ColumnWriter] = {}
    for batch in batches:
        for name, numbers in batch.inputs.items():
            if name not in inputs:
                inputs[name] = store.create_writer("the input", (origins or {}).get(name))
            if isinstance(numbers, np.ndarray):
                inputs[name].add(numbers)
            else:
                inputs[name].add_columns(numbers)
        for name, numbers in batch.sample_weights.items():
            weights.setdefault(name, store.create_writer("the weights")).add(numbers)
        for name, values in batch.targets.items():
            # The first batch decides whether a target is strings or numbers.
            if name not in targets:
                fitted_classes = fitted.schema.classes.get(name, ()) if fitted else ()
                targets[name] = (
                    store.create_writer(target_titles[name])
                    if isinstance(values, np.ndarray)
                    else LabelEncoder(
                        target_titles[name], fitted_classes, store, text_cells=text_cells
                    )
                )
            _add_target_values(targets[name], values, target_titles[name])
    # Only now are the dtypes and classes known, since the last row may change them.
    columns: dict[str, Column] = {}
    classes: dict[str, tuple[str, ...]] = {}
    notes: list[str] = []
    for name, target in targets.items():
        if isinstance(target, ColumnWriter):
            columns[name] = _target_column(target)
        else:
            columns[name], classes[name], target_notes = target.finish()
            notes += target_notes
    return CollectedColumns(
        {
            name: Feature(each.to_column(), origin=each.origin, integers=each.integers)
            for name, each in inputs.items()
        },
        columns,
        {name: each.to_column() for name, each in weights.items()},
        FittedPreprocessing(DatasetSchema(classes=classes)),
        tuple(notes),
    )


def _target_column(writer: ColumnWriter) -> Column:
    """Return the column of a target, as int64 if it is float64 and all values are integers.

    pandas stores integers with a missing value as float64; they may still be class indices.
    """
    if writer.dtype != np.float64 or not writer.is_integral:
        return writer.to_column()
    int64 = np.dtype(np.int64)
    return writer.to_column(lambda values: values.astype(int64), int64)


@dataclass(frozen=True, slots=True)
class FieldRoles:
    """The fields that are inputs, targets and sample weights: from their names to the fields."""

    inputs: Mapping[str, str]
    targets: Mapping[str, str]
    sample_weights: Mapping[str, str]
    noun: str
    """What the format calls a field, for messages: `field` or `feature`."""

    @classmethod
    def from_source(cls, source: Jsonl | Tfrecord, noun: str) -> FieldRoles:
        """Return the roles that a source assigns to fields."""
        targets, weights = as_mapping(source.targets), as_mapping(source.sample_weight or {})
        return cls(as_mapping(source.inputs), targets, weights, noun)

    def title(self, field: str) -> str:
        """Return the name of a field for messages."""
        return f"the {self.noun} {quote(field)}"

    def batch(self, rows: Sequence[Row]) -> RawBatch:
        """Stack the values of some rows.

        Raises:
            RunError: if no dtype represents all values of a field.
        """
        # All rows have the same names: their readers have compared them with the first record.
        return RawBatch(
            {
                key: self._stack(rows, self.inputs[key], [row.inputs[key] for row in rows])
                for key in rows[0].inputs
            },
            {
                key: self._stack_or_strings(rows, field, [row.targets[key] for row in rows])
                for key, field in self.targets.items()
            },
            {
                key: self._stack(rows, field, [row.sample_weights[key] for row in rows])
                for key, field in self.sample_weights.items()
            },
        )

    def _stack(self, rows: Sequence[Row], field: str, values: Sequence[Array | str]) -> Array:
        """Stack the values of a field, arrays of one shape, with the widest dtype of them."""
        arrays = [np.asarray(each) for each in values]
        dtype = common_dtype({each.dtype for each in arrays})
        for row, array in zip(rows, arrays, strict=True):
            # numpy promotes int64 beside float32 to float64, which rounds integers above 2**53:
            # large ids would become equal.
            if array.dtype != dtype and (inexact := unrepresentable(array, dtype)).any():
                raise RunError(
                    f"{self.title(field)} of {row.location} has {array[inexact][0]}, among"
                    " numbers that are not 64-bit integers like it: no dtype represents all of them"
                )
        return np.stack([each.astype(dtype, copy=False) for each in arrays])

    def _stack_or_strings(
        self, rows: Sequence[Row], field: str, values: Sequence[Array | str]
    ) -> Array | Strings:
        """Return the values of a target: strings if all of them are, else an array."""
        strings = [each for each in values if isinstance(each, str)]
        return strings if len(strings) == len(rows) else self._stack(rows, field, values)


def collect_rows(
    rows: Iterable[Row],
    fields: FieldRoles,
    describe_row: Callable[[int], str],
    fitted: FittedPreprocessing | None,
    store: ColumnStore,
) -> CollectedColumns:
    """Collect the columns of rows; `describe_row` returns the location of a row by its index.

    Raises:
        RunError: as `collect_columns` does, or if no dtype represents all values of a field.
    """
    return collect_columns(
        map(fields.batch, batched_by_bytes(rows, _row_bytes)),
        {key: fields.title(field) for key, field in fields.targets.items()},
        fitted,
        store,
        origins={
            key: ColumnOrigin(describe_row, (fields.title(field),))
            for key, field in fields.inputs.items()
        },
    )


def _row_bytes(row: Row) -> int:
    """Return the size of a row in memory, in bytes."""
    values = (*row.inputs.values(), *row.targets.values(), *row.sample_weights.values())
    return sum(len(each) if isinstance(each, str) else each.nbytes for each in values)


def _add_target_values(
    target: ColumnWriter | LabelEncoder, values: Array | Strings, title: str
) -> None:
    # TFRecord files and JSON lines have no schema: every record decides the type of its fields.
    if isinstance(target, ColumnWriter) != isinstance(values, np.ndarray):
        raise RunError(f"{title} contains both strings and numbers")
    if isinstance(target, ColumnWriter):
        target.add(cast(Array, values))
    else:
        target.add(cast(Strings, values))
