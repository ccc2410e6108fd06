"""Parquet files, whose rows are read in batches of bounded size."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Final

import pyarrow as pa
import pyarrow.parquet as pq

from archbuilder.config.sources import DataPath
from archbuilder.data.file_access import DataFileOpener
from archbuilder.data.sources.batch_reader import MAX_BATCH_BYTES, MAX_BATCH_ROWS
from archbuilder.data.sources.parquet_footer import FOOTER_ERRORS, row_groups
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


@dataclass(frozen=True, slots=True, eq=False)
class ParquetTable:
    """An open table."""

    name: str
    """Name of the file for messages."""
    descriptor: int
    file: pq.ParquetFile

    def column_names(self) -> list[str]:
        """Return the names of the columns.

        Raises:
            RunError: if the file is damaged.
        """
        with translate_arrow_errors(self.name):
            # `schema_arrow` has the columns; `schema.names` has the leaves of nested ones.
            names: list[str] = self.file.schema_arrow.names
            return names

    def record_batches(self, columns: Sequence[str] | None = None) -> Iterator[pa.RecordBatch]:
        """Yield the rows of some columns, or of all, in batches.

        Raises:
            RunError: if the file is damaged, or a row is larger than `_MAX_ROW_BYTES`.
        """
        rows = self._rows_per_read(self.column_names() if columns is None else columns)
        with translate_arrow_errors(self.name):
            record_batches = self.file.iter_batches(rows, columns=columns, use_threads=False)
        while True:
            with translate_arrow_errors(self.name):
                record_batch = next(record_batches, None)
                if record_batch is None:
                    return
                # pyarrow reads invalid UTF-8, and list offsets out of bounds, without an error.
                record_batch.validate(full=True)
            yield record_batch

    def _rows_per_read(self, column_names: Sequence[str]) -> int:
        """Return the number of rows to read at once: fewer with long lists or strings.

        Raises:
            RunError: if the file is damaged, or a row is larger than `_MAX_ROW_BYTES`.
        """
        used = {*column_names}
        with translate_arrow_errors(self.name):
            schema = self.file.schema
            columns = [schema.column(index) for index in range(len(schema))]
            # A leaf with repetition levels is inside a list.
            list_paths = {each.path for each in columns if each.max_repetition_level}
            string_paths = {each.path for each in columns if each.physical_type in _STRINGS}
        sized = {each for each in list_paths | string_paths if each.partition(".")[0] in used}
        sized_bytes = 0
        # Only then is the footer parsed: see `parquet_footer` for why not by pyarrow.
        if sized:
            with parser_errors(FOOTER_ERRORS, f"{self.name} is damaged"):
                for group in row_groups(self.descriptor):
                    chunks = [each for each in group.columns if each.path in sized]
                    group_bytes = sum(
                        each.num_values * _NUMBER_BYTES * (each.path in list_paths)
                        + each.num_bytes * (each.path in string_paths)
                        for each in chunks
                    )
                    sized_bytes = max(sized_bytes, group_bytes // max(group.rows, 1))
        row_bytes = len(column_names) * _NUMBER_BYTES + sized_bytes
        if row_bytes > _MAX_ROW_BYTES:
            raise RunError(f"{self.name} has rows of more than {_MAX_ROW_BYTES // 2**20} MiB")
        # At least one: a single row may be larger than a batch. Without columns, it has no bytes.
        return max(min(MAX_BATCH_ROWS, MAX_BATCH_BYTES // max(row_bytes, 1)), 1)


@contextmanager
def open_parquet(file: DataPath, opener: DataFileOpener) -> Iterator[ParquetTable]:
    """Open a file.

    Raises:
        RunError: if it is missing, or is not a Parquet file.
    """
    name = quote(file.path, 200)
    # A duplicate, since the file object closes its descriptor and the opener closes its own.
    with opener.open_file(file) as descriptor, os.fdopen(os.dup(descriptor), "rb") as raw:
        with translate_arrow_errors(name):
            # By default, pyarrow 26 keeps what it has read of all row groups, and reads the columns
            # of each as a whole.
            parquet = pq.ParquetFile(raw, pre_buffer=False, buffer_size=_READ_BYTES)
        with parquet:
            yield ParquetTable(name, descriptor, parquet)


def iter_rows(file: DataPath, opener: DataFileOpener) -> Iterator[Mapping[str, object]]:
    """Yield the rows of a table with their values as Python objects.

    Raises:
        RunError: if the file is missing, or is not a Parquet file.
    """
    with open_parquet(file, opener) as table:
        for record_batch in table.record_batches():
            with translate_arrow_errors(table.name):
                values = record_batch.to_pylist()
            yield from values


def translate_arrow_errors(name: str) -> AbstractContextManager[None]:
    """Translate exceptions of pyarrow. It guards single calls, so that our bugs stay visible."""
    return parser_errors(_ERRORS, f"{name} is not a Parquet file, or is damaged")
