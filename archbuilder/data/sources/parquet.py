"""Tables in the format of Apache Parquet."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
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
from archbuilder.data.dataset import Dataset, FittedPreprocessing
from archbuilder.data.file_access import DataFileOpener
from archbuilder.data.provenance import RecordLocations
from archbuilder.data.sources.batch_reader import MAX_BATCH_BYTES, MAX_BATCH_ROWS, RawBatch, Strings
from archbuilder.data.sources.disk_columns import ColumnStore
from archbuilder.data.sources.parquet_footer import FOOTER_ERRORS, row_groups
from archbuilder.data.sources.tabular import (
    ColumnRoles,
    InferenceColumns,
    fitted_column_names,
    make_tabular_dataset,
)
from archbuilder.diagnostics.errors import RunError, quote
from archbuilder.files.parser_errors import ErrorTypes, parser_errors

_ERRORS: Final[ErrorTypes] = (pa.ArrowException, OSError, UnicodeDecodeError, OverflowError)
_NUMBER_BYTES: Final = 8
_MAX_ROW_BYTES: Final = 2**28
"""The bytes of the largest row that is read."""


def load_parquet(
    source: Parquet,
    opener: DataFileOpener,
    store: ColumnStore,
    fitted: FittedPreprocessing | None = None,
    *,
    inference_columns: InferenceColumns | None = None,
) -> Dataset:
    """The columns of tables as inputs, targets and weights; see `load_csv`.

    A column may hold lists of numbers, all of one length.

    Raises:
        RunError: if a file is damaged, or a value is missing or not as the others are.
    """
    bad_records = BadRecords(source.on_error, "rows")
    files = opener.match_files(source.file)
    first_name = quote(files[0].path, 200)
    with opener.open_file(files[0]) as descriptor, _open_table(descriptor, first_name) as table:
        column_names = _column_names(table, first_name)
    fitted_columns = fitted_column_names(source, fitted, inference_columns)
    roles = ColumnRoles.from_source(
        source,
        column_names,
        first_name,
        fitted_columns=fitted_columns,
        inference_columns=inference_columns,
    )

    locations = RecordLocations("row")

    def batches() -> Iterator[RawBatch]:
        for file in files:
            yield from _iter_batches(file, opener, roles, bad_records, locations)

    name = quote(source.file.path, 200)
    return make_tabular_dataset(
        batches(), roles, name, locations, bad_records=bad_records, fitted=fitted, store=store
    )


@contextmanager
def _open_table(descriptor: int, name: str) -> Iterator[pq.ParquetFile]:
    with os.fdopen(os.dup(descriptor), "rb") as raw:
        with _translate_arrow_errors(name):
            table = pq.ParquetFile(raw)
        with table:
            yield table


def _translate_arrow_errors(name: str) -> AbstractContextManager[None]:
    """Guard calls of pyarrow."""
    return parser_errors(_ERRORS, f"{name} is no Parquet file, or damaged")


def _iter_batches(
    file: DataPath,
    opener: DataFileOpener,
    roles: ColumnRoles,
    bad_records: BadRecords,
    locations: RecordLocations,
) -> Iterator[RawBatch]:
    name = quote(file.path, 200)
    with opener.open_file(file) as descriptor, _open_table(descriptor, name) as table:
        available = {*_column_names(table, name)}
        missing = [each for each in roles.columns if each not in available]
        if missing:
            raise RunError(f"{name} has no column {quote(missing[0])}")
        chunk_rows = _rows_per_read(descriptor, table.schema, roles, name)
        first_row = 1
        for record_batch in _iter_record_batches(table, chunk_rows, roles, name):
            yield from _RowBatch(record_batch, roles, first_row, name, locations).batches(
                bad_records
            )
            first_row += record_batch.num_rows


def _column_names(table: pq.ParquetFile, name: str) -> list[str]:
    with _translate_arrow_errors(name):
        names: list[str] = table.schema_arrow.names
        return names


def _iter_record_batches(
    table: pq.ParquetFile, chunk_rows: int, roles: ColumnRoles, name: str
) -> Iterator[pa.RecordBatch]:
    """So many rows at a time, whose offsets and text can be relied on."""
    with _translate_arrow_errors(name):
        batches = table.iter_batches(chunk_rows, columns=[*roles.columns], use_threads=False)
    while True:
        with _translate_arrow_errors(name):
            record_batch = next(batches, None)
            if record_batch is None:
                return
            # What pyarrow reads may hold text that is not UTF-8, and lists that end elsewhere.
            record_batch.validate(full=True)
        yield record_batch


def _rows_per_read(descriptor: int, schema: pq.ParquetSchema, roles: ColumnRoles, name: str) -> int:
    """How many rows are read at once: less where they hold long lists."""
    used = {*roles.columns}
    with _translate_arrow_errors(name):
        columns = [schema.column(index) for index in range(len(schema))]
        list_paths = {each.path for each in columns if each.max_repetition_level}
    used_lists = {each for each in list_paths if each.partition(".")[0] in used}
    values_per_row = 0
    if used_lists:
        with parser_errors(FOOTER_ERRORS, f"{name} is damaged"):
            for group in row_groups(descriptor):
                in_lists = sum(count for path, count in group.values if path in used_lists)
                values_per_row = max(values_per_row, in_lists // max(group.rows, 1))
    row_bytes = (len(roles.columns) + values_per_row) * _NUMBER_BYTES
    if row_bytes > _MAX_ROW_BYTES:
        raise RunError(f"{name} has rows of more than {_MAX_ROW_BYTES // 2**20} MiB")
    return max(min(MAX_BATCH_ROWS, MAX_BATCH_BYTES // row_bytes), 1)


@dataclass(frozen=True, slots=True, eq=False)
class _RowBatch:
    """Some rows of a table, of which the first has a number."""

    record_batch: pa.RecordBatch
    roles: ColumnRoles
    first_row: int
    name: str
    locations: RecordLocations

    def batches(self, bad_records: BadRecords) -> Iterator[RawBatch]:
        """One batch of what is right, or none."""
        valid = np.ones(self.record_batch.num_rows, bool)
        for column in self.roles.columns:
            complete = _complete_mask(self.record_batch.column(column))
            for row in np.flatnonzero(valid & ~complete):
                bad_records.add(
                    RunError(
                        f"row {self.first_row + row} of {self.name} has something in column"
                        f" {quote(column)} that is missing, not finite, or a list of another length"
                    )
                )
            valid &= complete
        if not valid.any():
            return
        self.locations.add(self.name, (np.flatnonzero(valid) + self.first_row).tolist())
        valid_rows = self.record_batch.filter(pa.array(valid))
        columns = {
            each: self._to_array_or_strings(each, valid_rows.column(each))
            for each in self.roles.columns
        }
        yield RawBatch(
            {key: self._input_arrays(key, columns) for key in self.roles.inputs},
            {key: columns[each] for key, each in self.roles.targets.items()},
            {
                key: self._numeric_array(each, columns)
                for key, each in self.roles.sample_weights.items()
            },
        )

    def _to_array_or_strings(self, column: str, array: pa.Array) -> Array | Strings:
        """The values of a column in which nothing is missing."""
        if pa.types.is_dictionary(array.type):
            array = array.dictionary_decode()
        if pa.types.is_string(array.type) or pa.types.is_large_string(array.type):
            words: Strings = array.to_pylist()
            return words
        shape: list[int] = []
        count = len(array)
        while _is_list(array.type):
            inner = array.flatten()
            shape.append(len(inner) // max(len(array), 1))
            array = inner
        if not _is_number(array.type):
            hint = ""
            if pa.types.is_temporal(array.type):
                hint = ": write dates and times as numbers, such as the days since the first"
            elif pa.types.is_decimal(array.type):
                hint = ": write decimals as float64"
            raise RunError(f"{self._describe_column(column)} holds {array.type}, not numbers{hint}")
        values: Array = array.to_numpy(zero_copy_only=False).reshape(count, *shape)
        return values

    def _input_arrays(
        self, key: str, columns: dict[str, Array | Strings]
    ) -> Array | Sequence[Array]:
        arrays = [self._numeric_array(each, columns) for each in self.roles.inputs[key]]
        if key in self.roles.scalar_inputs or (len(arrays) == 1 and arrays[0].ndim > 1):
            return arrays[0]
        for column, values in zip(self.roles.inputs[key], arrays, strict=True):
            if values.ndim > 1:
                raise RunError(
                    f"{self._describe_column(column)} holds lists, and stands side by side with"
                    " others;"
                    " name one such column for each of the inputs"
                )
        return arrays

    def _numeric_array(self, column: str, columns: dict[str, Array | Strings]) -> Array:
        values = columns[column]
        if not isinstance(values, np.ndarray):
            raise RunError(f"{self._describe_column(column)} holds words, not numbers")
        return values

    def _describe_column(self, column: str) -> str:
        return f"column {quote(column)} of {self.name}"


def _is_list(arrow_type: pa.DataType) -> bool:
    return bool(
        pa.types.is_list(arrow_type)
        or pa.types.is_large_list(arrow_type)
        or pa.types.is_fixed_size_list(arrow_type)
    )


def _is_number(arrow_type: pa.DataType) -> bool:
    return bool(
        pa.types.is_integer(arrow_type)
        or pa.types.is_floating(arrow_type)
        or pa.types.is_boolean(arrow_type)
    )


def _complete_mask(array: pa.Array) -> NDArray[np.bool_]:
    """Of which entries nothing is missing or infinite, and lists are as long as the first one."""
    complete = np.asarray(pc.is_valid(array), bool)
    if pa.types.is_floating(array.type):
        finite = pc.is_finite(pc.fill_null(array, np.nan))
        return complete & np.asarray(finite, bool)
    if _is_list(array.type) and len(array):
        lengths = np.asarray(pc.fill_null(pc.list_value_length(array), -1))
        present = lengths[complete]
        inner_complete = _complete_mask(array.flatten())
        parents = np.asarray(pc.list_parent_indices(array))
        complete &= lengths == (present[0] if len(present) else 0)
        complete[parents[~inner_complete]] = False
    return complete
