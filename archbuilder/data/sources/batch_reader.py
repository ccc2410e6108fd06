"""Examples that are read some at a time: what a batch of them has, and columns of all batches."""

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
"""Examples that are read at once, at the most."""
MAX_BATCH_BYTES: Final = 2**25
"""What they may take of the memory, but for one that takes more alone."""
_T = TypeVar("_T")


def batched_by_bytes(rows: Iterable[_T], size: Callable[[_T], int]) -> Iterator[list[_T]]:
    """Some rows at a time, which have a size in bytes."""
    batch: list[_T] = []
    num_bytes = 0
    for row in rows:
        batch.append(row)
        num_bytes += size(row)
        if len(batch) == MAX_BATCH_ROWS or num_bytes >= MAX_BATCH_BYTES:
            yield batch
            batch, num_bytes = [], 0
    if batch:
        yield batch


@dataclass(frozen=True, slots=True, eq=False)
class Row:
    """One example: arrays and words by the names that its file has for them."""

    location: str
    values: Mapping[str, Array | str]


@dataclass(frozen=True, slots=True, eq=False)
class RawBatch:
    """Some examples: the values of inputs and targets, and what they count, by their names.

    An input may be several columns that stand side by side.
    """

    inputs: Mapping[str, Array | Sequence[Array]]
    targets: Mapping[str, Array | Strings]
    sample_weights: Mapping[str, Array] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, eq=False)
class CollectedColumns:
    """The columns of all batches."""

    inputs: Mapping[str, Feature]
    targets: Mapping[str, Column]
    sample_weights: Mapping[str, Column]
    preprocessing: FittedPreprocessing
    """What the numbers of those targets mean that were words."""
    notes: tuple[str, ...]

    @property
    def count(self) -> int:
        """The number of examples, if there are inputs."""
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
    """Columns of everything in the batches; targets are `called` so in messages.

    `origins` tells where the values of inputs stand. Of `untyped` data nobody knows whether a word
    is meant as a number, so those that can be are.

    Raises:
        RunError: if examples differ in shape, or words are none of the classes that are known.
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
    """Return the column of a target; whole doubles become integers, which may be classes."""
    if writer.dtype != np.float64 or not writer.is_integral:
        return writer.to_column()
    int64 = np.dtype(np.int64)
    return writer.to_column(lambda values: values.astype(int64), int64)


@dataclass(frozen=True, slots=True)
class FieldRoles:
    """The fields of rows that are inputs, targets and weights, by the names of those."""

    inputs: Mapping[str, str]
    targets: Mapping[str, str]
    sample_weights: Mapping[str, str]
    noun: str
    """What the format calls a field."""

    @classmethod
    def from_source(cls, source: Jsonl | Tfrecord, noun: str) -> FieldRoles:
        """Return the fields that a source names."""
        targets, weights = as_mapping(source.targets), as_mapping(source.weights or {})
        return cls(as_mapping(source.inputs), targets, weights, noun)

    def title(self, field: str) -> str:
        """Return what messages call a field."""
        return f"the {self.noun} {quote(field)}"

    def batch(self, rows: Sequence[Row]) -> RawBatch:
        """Return the values of some rows; inputs that they do not have are left out.

        Raises:
            RunError: if no dtype represents all values of a field.
        """
        return RawBatch(
            {
                key: self._stack(rows, field)
                for key, field in self.inputs.items()
                if field in rows[0].values
            },
            {key: self._stack_or_strings(rows, field) for key, field in self.targets.items()},
            {key: self._stack(rows, field) for key, field in self.sample_weights.items()},
        )

    def _stack(self, rows: Sequence[Row], field: str) -> Array:
        """Return one array of the values of a field, which are arrays of one shape."""
        arrays = [np.asarray(row.values[field]) for row in rows]
        dtype = common_dtype({each.dtype for each in arrays})
        for row, values in zip(rows, arrays, strict=True):
            if values.dtype != dtype and (inexact := unrepresentable(values, dtype)).any():
                raise RunError(
                    f"{self.title(field)} of {row.location} has {values[inexact][0]}, where"
                    " others have"
                    " numbers that are not 64-bit integers like it: no dtype represents all of them"
                )
        return np.stack([each.astype(dtype, copy=False) for each in arrays])

    def _stack_or_strings(self, rows: Sequence[Row], field: str) -> Array | Strings:
        """Return the values of a target: words where all of them are, and else an array."""
        strings = [value for row in rows if isinstance(value := row.values[field], str)]
        return strings if len(strings) == len(rows) else self._stack(rows, field)


def collect_rows(
    rows: Iterable[Row],
    fields: FieldRoles,
    describe_row: Callable[[int], str],
    fitted: FittedPreprocessing | None,
    store: ColumnStore,
) -> CollectedColumns:
    """Return the columns of all rows; `place` names the place of a row by its number from 0.

    Raises:
        RunError: as `gather` does, or if no dtype represents all values of a field.
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
    """Return the size of a row in memory."""
    return sum(len(each) if isinstance(each, str) else each.nbytes for each in row.values.values())


def _add_target_values(
    target: ColumnWriter | LabelEncoder, values: Array | Strings, title: str
) -> None:
    if isinstance(target, ColumnWriter) != isinstance(values, np.ndarray):
        raise RunError(f"{title} holds words and numbers")
    if isinstance(target, ColumnWriter):
        target.add(cast(Array, values))
    else:
        target.add(cast(Strings, values))
