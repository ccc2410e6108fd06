"""Apache Parquet tables."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from archbuilder.config.sources import DataPath, Parquet
from archbuilder.data.bad_records import BadRecords
from archbuilder.data.columns import Array
from archbuilder.data.dtypes import unrepresentable
from archbuilder.data.file_access import DataFileOpener
from archbuilder.data.provenance import RecordLocations
from archbuilder.data.source_dataset import SourceDataset
from archbuilder.data.sources.batch_reader import MAX_BATCH_BYTES, MAX_BATCH_ROWS, RawBatch
from archbuilder.data.sources.column_roles import ColumnRoles
from archbuilder.data.sources.dates import DATE_DTYPE, Dates, not_a_date_error, parse_date
from archbuilder.data.sources.label_encoder import Strings
from archbuilder.data.sources.list_parser import ListParser
from archbuilder.data.sources.load_context import LoadContext
from archbuilder.data.sources.parquet_footer import FOOTER_ERRORS, row_groups
from archbuilder.data.sources.parquet_lists import complete_mask, is_list, read_lists
from archbuilder.data.sources.table_files import TableFiles
from archbuilder.data.sources.tabular import load_table
from archbuilder.data.sources.text_writer import parse_text
from archbuilder.diagnostics.errors import RunError, quote
from archbuilder.files.parser_errors import ErrorTypes, parser_errors

# pyarrow documents ArrowException alone; damaged files showed the others.
_ERRORS: Final[ErrorTypes] = (pa.ArrowException, OSError, UnicodeDecodeError, OverflowError)
_NUMBER_BYTES: Final = 8
_READ_BYTES: Final = 2**14
"""Bytes of a column that are read at once."""
_STRINGS: Final = ("BYTE_ARRAY", "FIXED_LEN_BYTE_ARRAY")
"""The types of values whose size the type does not say."""
_MAX_ROW_BYTES: Final = 2**28
"""Size of the largest row that is read."""


def load_parquet(source: Parquet, context: LoadContext) -> SourceDataset:
    """Load the columns of tables; see `load_table`.

    A column may contain nested lists of numbers, all of one shape.

    Raises:
        RunError: if a file is damaged, or a value is missing or differs in shape or type from the
            others.
    """
    bad_records = BadRecords(source.on_error, "rows")
    files = [
        _ParquetFile(file, bad_records, context) for file in context.opener.match_files(source.file)
    ]
    return load_table(source, files, bad_records, RecordLocations("row"), context)


@dataclass(frozen=True, slots=True, eq=False)
class _ParquetFile:
    """One Parquet file."""

    file: DataPath
    bad_records: BadRecords
    context: LoadContext

    @property
    def name(self) -> str:
        """Name of the file for messages."""
        return quote(self.file.path, 200)

    def column_names(self) -> list[str]:
        """Return the names of the columns."""
        with (
            self.context.opener.open_file(self.file) as descriptor,
            _open_table(descriptor, self.name) as table,
        ):
            return _column_names(table, self.name)

    def batches(self, roles: ColumnRoles, locations: RecordLocations) -> Iterator[RawBatch]:
        """Yield the valid rows in batches; others are added to `bad_records`."""
        with (
            self.context.opener.open_file(self.file) as descriptor,
            _open_table(descriptor, self.name) as table,
        ):
            available = {*_column_names(table, self.name)}
            missing = [each for each in roles.columns if each not in available]
            if missing:
                raise RunError(f"{self.name} has no column {quote(missing[0])}")
            chunk_rows = _rows_per_read(descriptor, table.schema, roles.columns, self.name)
            files = TableFiles(self.file, roles, self.bad_records, self.context)
            parse_lists = ListParser(roles)
            first_row = 1
            for record_batch in _record_batches(table, chunk_rows, [*roles.columns], self.name):
                yield from _RowBatch(
                    record_batch, roles, first_row, self.name, locations, files, parse_lists
                ).batches(self.bad_records)
                first_row += record_batch.num_rows


def iter_rows(file: DataPath, opener: DataFileOpener) -> Iterator[Mapping[str, object]]:
    """Yield the rows of a table with their values as Python objects.

    Raises:
        RunError: if the file is missing, or is not a Parquet file.
    """
    name = quote(file.path, 200)
    with opener.open_file(file) as descriptor, _open_table(descriptor, name) as table:
        rows = _rows_per_read(descriptor, table.schema, _column_names(table, name), name)
        for record_batch in _record_batches(table, rows, None, name):
            with _translate_arrow_errors(name):
                values = record_batch.to_pylist()
            yield from values


def _record_batches(
    table: pq.ParquetFile, rows: int, columns: Sequence[str] | None, name: str
) -> Iterator[pa.RecordBatch]:
    """Yield the rows of some columns, or of all, in batches.

    Raises:
        RunError: if the file is damaged.
    """
    with _translate_arrow_errors(name):
        record_batches = table.iter_batches(rows, columns=columns, use_threads=False)
    while True:
        with _translate_arrow_errors(name):
            record_batch = next(record_batches, None)
            if record_batch is None:
                return
            # pyarrow reads invalid UTF-8, and list offsets out of bounds, without an error.
            record_batch.validate(full=True)
        yield record_batch


@contextmanager
def _open_table(descriptor: int, name: str) -> Iterator[pq.ParquetFile]:
    """Open a file; errors of pyarrow name it.

    Raises:
        RunError: if it is not a Parquet file.
    """
    # A duplicate, since the file object closes its descriptor and the opener closes its own.
    with os.fdopen(os.dup(descriptor), "rb") as raw:
        with _translate_arrow_errors(name):
            # By default, pyarrow 26 keeps what it has read of all row groups, and reads the columns
            # of each as a whole.
            table = pq.ParquetFile(raw, pre_buffer=False, buffer_size=_READ_BYTES)
        with table:
            yield table


def _translate_arrow_errors(name: str) -> AbstractContextManager[None]:
    """Translate exceptions of pyarrow. It guards single calls, so that our bugs stay visible."""
    return parser_errors(_ERRORS, f"{name} is not a Parquet file, or is damaged")


def _column_names(table: pq.ParquetFile, name: str) -> list[str]:
    with _translate_arrow_errors(name):
        # `schema_arrow` has the columns; `schema.names` has the leaves of nested ones.
        names: list[str] = table.schema_arrow.names
        return names


def _rows_per_read(
    descriptor: int, schema: pq.ParquetSchema, column_names: Sequence[str], name: str
) -> int:
    """Return the number of rows to read at once: fewer with long lists or strings.

    Raises:
        RunError: if the file is damaged, or a row is larger than `_MAX_ROW_BYTES`.
    """
    used = {*column_names}
    with _translate_arrow_errors(name):
        columns = [schema.column(index) for index in range(len(schema))]
        # A leaf with repetition levels is inside a list.
        list_paths = {each.path for each in columns if each.max_repetition_level}
        string_paths = {each.path for each in columns if each.physical_type in _STRINGS}
    sized = {each for each in list_paths | string_paths if each.partition(".")[0] in used}
    sized_bytes = 0
    # Only then is the footer parsed: see `parquet_footer` for why not by pyarrow.
    if sized:
        with parser_errors(FOOTER_ERRORS, f"{name} is damaged"):
            for group in row_groups(descriptor):
                chunks = [each for each in group.columns if each.path in sized]
                group_bytes = sum(
                    each.num_values * _NUMBER_BYTES * (each.path in list_paths)
                    + each.num_bytes * (each.path in string_paths)
                    for each in chunks
                )
                sized_bytes = max(sized_bytes, group_bytes // max(group.rows, 1))
    row_bytes = len(column_names) * _NUMBER_BYTES + sized_bytes
    if row_bytes > _MAX_ROW_BYTES:
        raise RunError(f"{name} has rows of more than {_MAX_ROW_BYTES // 2**20} MiB")
    # At least one: a single row may be larger than a batch.
    return max(min(MAX_BATCH_ROWS, MAX_BATCH_BYTES // row_bytes), 1)


@dataclass(frozen=True, slots=True, eq=False)
class _RowBatch:
    """Some rows of a table; `first_row` is the number of the first one, from 1."""

    record_batch: pa.RecordBatch
    roles: ColumnRoles
    first_row: int
    name: str
    locations: RecordLocations
    files: TableFiles
    parse_lists: ListParser

    def batches(self, bad_records: BadRecords) -> Iterator[RawBatch]:
        """Yield one batch of the valid rows, if any; others are added to `bad_records`."""
        valid = np.ones(self.record_batch.num_rows, bool)
        texts = {each: self._texts(each, valid, bad_records) for each in self.roles.text_columns}
        self._check_labels(texts, valid, bad_records)
        value_columns = {*self.roles.targets.values(), *self.roles.sample_weights.values()}
        value_columns |= {column for each in self.roles.number_inputs.values() for column in each}
        any_length = {*texts, *self.roles.lists.values()}
        fixed_size = [
            each for each in self.roles.columns if each in value_columns or each not in any_length
        ]
        self._check_complete(fixed_size, valid, bad_records)
        self._check_files(valid, bad_records)
        lists = read_lists(
            self.record_batch,
            self.parse_lists,
            lambda row: f"row {self.first_row + row} of {self.name}",
            valid,
            bad_records,
        )
        if not valid.any():
            return
        self.locations.add(self.name, (np.flatnonzero(valid) + self.first_row).tolist())
        valid_rows = self.record_batch.filter(pa.array(valid))
        optional = {*self.roles.optional_columns}
        columns = {
            each: self._optional_numbers(each, valid_rows.column(each))
            if each in optional
            else self._to_array_or_strings(each, valid_rows.column(each))
            for each in self.roles.columns
            if each in value_columns
        }
        yield RawBatch(
            {key: self._input_arrays(key, columns) for key in self.roles.number_inputs},
            {key: columns[each] for key, each in self.roles.targets.items()},
            {
                key: self._numeric_array(each, columns)
                for key, each in self.roles.sample_weights.items()
            },
            {
                key: self._words(each, valid_rows.column(each))
                for key, each in self.roles.words.items()
            },
            {
                key: self._dates(each, valid_rows.column(each))
                for key, each in self.roles.dates.items()
            },
            {
                column: [each for each, is_valid in zip(words, valid, strict=True) if is_valid]
                for column, words in texts.items()
            },
            {
                key: [each for each, is_valid in zip(rows, valid, strict=True) if is_valid]
                for key, rows in lists.items()
            },
            self.files.directory,
        )

    def _check_complete(
        self, columns: Sequence[str], valid: NDArray[np.bool_], bad_records: BadRecords
    ) -> None:
        """Make rows with a missing value not valid, and add them to `bad_records`."""
        required = {
            *self.roles.numeric_columns,
            *self.roles.targets.values(),
            *self.roles.required_strings,
        }
        for column in columns:
            array = self.record_batch.column(column)
            complete = complete_mask(array)
            if column not in required:
                # A missing value, as null or NaN, is not an error here.
                complete |= np.asarray(pc.is_null(array, nan_is_null=True), bool)
            for row in np.flatnonzero(valid & ~complete):
                bad_records.add(
                    RunError(
                        f"row {self.first_row + row} of {self.name} has a value in column"
                        f" {quote(column)} that is missing, not finite, or a list of a different"
                        " length"
                    )
                )
            valid &= complete

    def _check_files(self, valid: NDArray[np.bool_], bad_records: BadRecords) -> None:
        """Make rows whose files cannot be read not valid, and add them to `bad_records`."""
        names = {
            key: self._words(self.roles.inputs[key][0], self.record_batch.column(column))
            for key, column in self.roles.words.items()
            if key in self.roles.files
        }
        for row in np.flatnonzero(valid).tolist() if names else ():
            row_names = {key: words[row] for key, words in names.items()}
            try:
                self.files.check(row_names, f"row {self.first_row + row} of {self.name}")
            except RunError as error:
                bad_records.add(error)
                valid[row] = False

    def _optional_numbers(self, column: str, array: pa.Array) -> Array | Strings:
        """Return the values of a column with NaN for missing ones.

        Raises:
            RunError: if they are not numbers, or are integers that float64 would round.
        """
        present = self._to_array_or_strings(column, array.drop_null())
        if not isinstance(present, np.ndarray) or not array.null_count:
            return present
        values = np.full(len(array), np.nan)
        if present.ndim > 1 or unrepresentable(present, values.dtype).any():
            raise RunError(
                f"{self._describe_column(column)} has missing values among lists or among integers"
                " that float64 would round"
            )
        values[np.asarray(pc.is_valid(array), bool)] = present
        return values

    def _dates(self, column: str, array: pa.Array) -> Dates:
        """Return the dates of a column, in UTC; NaT for missing ones.

        Raises:
            RunError: if they are not dates.
        """
        if pa.types.is_date(array.type) or pa.types.is_timestamp(array.type):
            with _translate_arrow_errors(self.name):
                # To microseconds, without the fraction of one, and without the time zone.
                naive = array.cast(pa.timestamp("us"), safe=False)
            return np.asarray(naive).astype(DATE_DTYPE)
        strings = array.to_pylist()
        try:
            return np.array(
                [np.datetime64("NaT") if each is None else parse_date(each) for each in strings],
                DATE_DTYPE,
            )
        except (TypeError, ValueError, AttributeError):
            raise not_a_date_error(f"{self._describe_column(column)} has a value that is") from None

    def _texts(self, column: str, valid: NDArray[np.bool_], bad_records: BadRecords) -> list[str]:
        """Return the texts of a column, or those of its lists of words; empty for missing ones.

        Rows with other values become not valid, and are added to `bad_records`.
        """
        texts = [""] * len(valid)
        for row, value in enumerate(self.record_batch.column(column).to_pylist()):
            description = f"column {quote(column)} of row {self.first_row + row} of {self.name}"
            try:
                texts[row] = parse_text(value, description)
            except RunError as error:
                bad_records.add(error)
                valid[row] = False
        return texts

    def _check_labels(
        self,
        texts: Mapping[str, Sequence[str]],
        valid: NDArray[np.bool_],
        bad_records: BadRecords,
    ) -> None:
        """Add rows that do not have as many labels as words to `bad_records`."""
        rows: list[int] = np.flatnonzero(valid).tolist()
        for row in rows if self.roles.has_labels else ():
            row_texts = {column: each[row] for column, each in texts.items()}
            try:
                self.roles.check_labels(row_texts, f"row {self.first_row + row} of {self.name}")
            except RunError as error:
                bad_records.add(error)
                valid[row] = False

    def _words(self, column: str, array: pa.Array) -> list[str | None]:
        """Return the categories of a column; None for missing ones.

        Raises:
            RunError: if they are neither strings nor integers.
        """
        values = array.to_pylist()
        # pandas stores integers with a missing value as float64.
        numbers = [each for each in values if isinstance(each, float)]
        is_integral = all(each.is_integer() or math.isnan(each) for each in numbers)
        for index, value in enumerate(values):
            if isinstance(value, float) and is_integral:
                values[index] = None if math.isnan(value) else str(int(value))
            elif isinstance(value, str | int) and not isinstance(value, bool):
                values[index] = str(value).strip() or None
            elif value is not None:
                raise RunError(
                    f"{self._describe_column(column)} contains {array.type}, but categories and"
                    " names of files are strings or integers"
                )
        return values

    def _to_array_or_strings(self, column: str, array: pa.Array) -> Array | Strings:
        """Return the values of a column without missing values, as strings or as an array.

        Raises:
            RunError: if they are neither strings nor numbers.
        """
        # pandas writes categorical columns as dictionaries.
        if pa.types.is_dictionary(array.type):
            array = array.dictionary_decode()
        if pa.types.is_string(array.type) or pa.types.is_large_string(array.type):
            words: Strings = array.to_pylist()
            return words
        shape: list[int] = []
        count = len(array)
        while is_list(array.type):
            inner = array.flatten()
            shape.append(len(inner) // max(len(array), 1))
            array = inner
        is_number = (
            pa.types.is_integer(array.type)
            or pa.types.is_floating(array.type)
            or pa.types.is_boolean(array.type)
        )
        if not is_number:
            hint = ""
            if pa.types.is_temporal(array.type):
                hint = ": write dates and times as numbers, such as the days since the first"
            elif pa.types.is_decimal(array.type):
                hint = ": write decimals as float64"
            raise RunError(
                f"{self._describe_column(column)} contains {array.type}, not numbers{hint}"
            )
        # pyarrow refuses to copy by default, as booleans (one bit each) need it.
        values: Array = array.to_numpy(zero_copy_only=False).reshape(count, *shape)
        return values

    def _input_arrays(
        self, key: str, columns: dict[str, Array | Strings]
    ) -> Array | Sequence[Array]:
        """Return the array of an input, or the arrays of its columns side by side.

        Raises:
            RunError: if a column is not numbers, or one of several contains lists.
        """
        arrays = [self._numeric_array(each, columns) for each in self.roles.inputs[key]]
        is_feature = key in self.roles.features and key not in self.roles.coordinates
        if is_feature and any(each.ndim > 1 for each in arrays):
            raise RunError(
                f"{self._describe_column(self.roles.inputs[key][0])} contains lists, and a feature"
                " takes one number per row"
            )
        if key in self.roles.scalar_inputs or (len(arrays) == 1 and arrays[0].ndim > 1):
            return arrays[0]
        for column, values in zip(self.roles.inputs[key], arrays, strict=True):
            if values.ndim > 1:
                raise RunError(
                    f"{self._describe_column(column)} contains lists, and cannot be joined with"
                    " other columns; give it an input of its own"
                )
        return arrays

    def _numeric_array(self, column: str, columns: dict[str, Array | Strings]) -> Array:
        values = columns[column]
        if not isinstance(values, np.ndarray):
            raise RunError(f"{self._describe_column(column)} contains strings, not numbers")
        return values

    def _describe_column(self, column: str) -> str:
        return f"column {quote(column)} of {self.name}"
