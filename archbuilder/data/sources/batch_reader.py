"""Batches of raw examples, and the columns that are collected from all batches."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, TypeVar

import numpy as np

from archbuilder.config.sources import DataPath
from archbuilder.data.columns import Array, Column
from archbuilder.data.dtypes import common_dtype, unrepresentable
from archbuilder.data.provenance import ColumnOrigin
from archbuilder.data.raw_feature import RawFeature
from archbuilder.data.source_dataset import Feature, KeyColumn
from archbuilder.data.sources.category_writer import CategoryWriter
from archbuilder.data.sources.column_roles import ColumnRoles
from archbuilder.data.sources.dates import DATE_DTYPE, Dates, date_parts
from archbuilder.data.sources.disk_columns import ColumnStore
from archbuilder.data.sources.example_files import ExampleFiles, table_file
from archbuilder.data.sources.label_encoder import Strings, TargetWriter
from archbuilder.data.sources.list_parser import ListValues
from archbuilder.data.sources.list_writer import ListWriter, list_bytes
from archbuilder.data.sources.load_context import LoadContext
from archbuilder.data.sources.text_writer import TextWriter
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
    inputs: Mapping[str, Sequence[Array]]
    """Values of each column, without those of files, which are decoded on demand."""
    targets: Mapping[str, Array | str]
    sample_weights: Mapping[str, Array] = field(default_factory=dict)
    words: Mapping[str, str | None] = field(default_factory=dict)
    dates: Mapping[str, np.datetime64] = field(default_factory=dict)
    texts: Mapping[str, str] = field(default_factory=dict)
    """The texts for a tokenizer, by field."""
    lists: Mapping[str, ListValues] = field(default_factory=dict)

    @property
    def num_bytes(self) -> int:
        """Size in memory."""
        columns = (column for each in self.inputs.values() for column in each)
        values = (*columns, *self.targets.values(), *self.sample_weights.values())
        words = (*self.words.values(), *self.texts.values())
        num_bytes = sum(len(each or "") for each in words) + list_bytes(self.lists.values())
        for value in values:
            num_bytes += len(value) if isinstance(value, str) else value.nbytes
        return num_bytes


@dataclass(frozen=True, slots=True, eq=False)
class RawBatch:
    """The values of inputs, targets and sample weights of some records, by name.

    Arrays have the shape `(rows, ...)`. A sequence of arrays is one input with several columns side
    by side. Missing numbers are NaN, words None, and dates NaT.
    """

    inputs: Mapping[str, Array | Sequence[Array]]
    targets: Mapping[str, Array | Strings]
    sample_weights: Mapping[str, Array] = field(default_factory=dict)
    words: Mapping[str, Sequence[str | None]] = field(default_factory=dict)
    dates: Mapping[str, Dates] = field(default_factory=dict)
    texts: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """The texts for a tokenizer, by column."""
    lists: Mapping[str, Sequence[ListValues]] = field(default_factory=dict)
    directory: DataPath | None = None
    """The directory of the file, to which the names of files are relative."""


@dataclass(frozen=True, slots=True, eq=False)
class CollectedColumns:
    """The columns collected from all batches, by the names of inputs and targets."""

    inputs: Mapping[str, Feature]
    files: Mapping[str, ExampleFiles]
    raw_features: Mapping[str, RawFeature]
    key_columns: Mapping[str, KeyColumn]
    targets: Mapping[str, Column]
    sample_weights: Mapping[str, Column]
    classes: Mapping[str, tuple[str, ...]]
    """The class names of targets that were strings."""
    notes: tuple[str, ...]
    """Messages for the user about label encoding."""


class _InputWriters:
    """The columns of all inputs, which grow while a file is read."""

    def __init__(
        self, roles: ColumnRoles, describe_row: Callable[[int], str], store: ColumnStore
    ) -> None:
        self._roles = roles
        self._origins = {
            name: ColumnOrigin(describe_row, tuple(map(roles.title, columns)))
            for name, columns in roles.inputs.items()
        }
        self._numbers = {
            name: store.create_writer("the input", self._origins[name])
            for name in (*roles.number_inputs, *roles.dates)
        }
        self._categories = {
            name: CategoryWriter(roles.title(column), store, self._origins[name])
            for name, column in roles.words.items()
            if name not in roles.files
        }
        self._lists = {
            name: ListWriter(roles.title(column), store, self._origins[name])
            for name, column in roles.lists.items()
        }
        self.files = {name: ExampleFiles() for name in roles.files}
        # By column: the segments of texts are an input that reads the columns of another.
        self._texts = {each: TextWriter(roles.title(each), store) for each in roles.text_columns}

    def add(self, batch: RawBatch) -> None:
        """Append the inputs of a batch.

        Raises:
            RunError: if examples differ in shape, or there are too many categories.
        """
        for name, numbers in batch.inputs.items():
            if isinstance(numbers, np.ndarray):
                self._numbers[name].add(numbers)
            else:
                self._numbers[name].add_columns(numbers)
        for name, dates in batch.dates.items():
            parts = self._roles.features[name].date or ()
            self._numbers[name].add(date_parts(dates, parts))
        for name, words in batch.words.items():
            if name in self._categories:
                self._categories[name].add(words)
                continue
            for word in words:
                file = table_file(self._roles.files[name], batch.directory, word or "")
                self.files[name].append(file)
        for column, texts in batch.texts.items():
            self._texts[column].add(texts)
        for name, lists in batch.lists.items():
            self._lists[name].add(lists)

    def plain_features(self) -> Mapping[str, Feature]:
        """Return the inputs that are numbers as the file has them."""
        return {
            name: Feature(each.to_column(), origin=each.origin, integer_mask=each.integer_mask)
            for name, each in self._numbers.items()
            if name not in self._roles.features
        }

    def raw_features(self) -> Mapping[str, RawFeature]:
        """Return the inputs and targets that learn from the training set."""
        raw_features: dict[str, RawFeature] = {}
        texts = {column: each.to_column() for column, each in self._texts.items()}
        lists = {
            name: each.to_raw_feature(self._roles.features[name], self._roles.inputs[name])
            for name, each in self._lists.items()
        }
        for name, config in self._roles.features.items():
            if name in self._roles.key_columns or name in self.files:
                continue
            columns = self._roles.inputs[name]
            if config.is_ragged:
                raw_features[name] = replace(lists[config.mask_of or name], config=config)
            elif config.is_text or config.is_labels:
                raw_features[name] = RawFeature.from_texts(
                    config, columns, tuple(texts[each] for each in columns), self._origins[name]
                )
            elif config.is_category:
                writer = self._categories[name]
                raw_features[name] = RawFeature(
                    config, columns, writer.to_column(), writer.origin, categories=writer.categories
                )
            else:
                numbers = self._numbers[name]
                raw_features[name] = RawFeature(
                    config, columns, numbers.to_column(), numbers.origin, numbers.integer_mask
                )
            output = self._roles.target_features.get(name)
            raw_features[name] = replace(raw_features[name], output=output)
        return raw_features

    def key_columns(self) -> Mapping[str, KeyColumn]:
        """Return the columns that the split of the data follows, by their names."""
        writers = {column: self._categories[key] for key, column in self._roles.key_columns.items()}
        return {
            column: KeyColumn(
                self._roles.title(column), each.to_column(), each.categories, each.origin
            )
            for column, each in writers.items()
        }


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
    inputs = _InputWriters(roles, describe_row, store)
    weights = {name: store.create_writer("the weights") for name in roles.sample_weights}
    targets = {
        name: TargetWriter(
            roles.title(column),
            context.fitted.schema.classes_for(name) if context.fitted else None,
            store,
            text_cells=roles.text_cells,
            decimal=roles.decimal,
        )
        for name, column in roles.targets.items()
    }
    for batch in batches:
        inputs.add(batch)
        for name, values in batch.sample_weights.items():
            weights[name].add(values)
        for name, labels in batch.targets.items():
            targets[name].add(labels)
    # Only now are the dtypes and classes known, since the last row may change them.
    finished = {name: each.finish() for name, each in targets.items()}
    return CollectedColumns(
        inputs.plain_features(),
        inputs.files,
        inputs.raw_features(),
        inputs.key_columns(),
        {name: column for name, (column, _, _) in finished.items()},
        {name: each.to_column() for name, each in weights.items()},
        {name: classes for name, (_, classes, _) in finished.items() if classes is not None},
        tuple(note for _, _, notes in finished.values() for note in notes),
    )


def stack_rows(
    rows: Iterable[Row], roles: ColumnRoles, directory: DataPath | None = None
) -> Iterator[RawBatch]:
    """Yield batches of rows, whose values have the shapes of the first row.

    `directory` is that of the file.

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
        inputs: dict[str, Array | Sequence[Array]] = {}
        for key, columns in roles.number_inputs.items():
            # An encoded image of a record has no values here.
            if key not in batch[0].inputs:
                continue
            arrays = [
                stack(batch, column, [row.inputs[key][number] for row in batch])
                for number, column in enumerate(columns)
            ]
            is_list = key in roles.features and roles.features[key].is_list
            # A list of coordinates has an axis already.
            inputs[key] = arrays if is_list and arrays[0].ndim == 1 else arrays[0]
        yield RawBatch(
            inputs,
            targets,
            {
                key: stack(batch, column, [row.sample_weights[key] for row in batch])
                for key, column in roles.sample_weights.items()
            },
            {key: [row.words[key] for row in batch] for key in roles.words},
            {key: np.array([row.dates[key] for row in batch], DATE_DTYPE) for key in roles.dates},
            {column: [row.texts[column] for row in batch] for column in roles.text_columns},
            {key: [row.lists[key] for row in batch] for key in roles.lists},
            directory,
        )
