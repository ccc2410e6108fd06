"""Apache Parquet tables."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import compress

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from archbuilder.config.sources import DataPath, Parquet
from archbuilder.data.bad_records import BadRecords
from archbuilder.data.columns import Array
from archbuilder.data.provenance import RecordLocations
from archbuilder.data.source_dataset import SourceDataset
from archbuilder.data.sources.batch_reader import RawBatch
from archbuilder.data.sources.column_roles import ColumnRoles
from archbuilder.data.sources.label_encoder import Strings
from archbuilder.data.sources.list_parser import ListParser
from archbuilder.data.sources.load_context import LoadContext
from archbuilder.data.sources.parquet_file import open_parquet
from archbuilder.data.sources.parquet_lists import complete_mask, read_lists
from archbuilder.data.sources.parquet_values import ParquetColumn
from archbuilder.data.sources.table_files import TableFiles
from archbuilder.data.sources.tabular import load_table
from archbuilder.data.sources.text_writer import parse_text
from archbuilder.diagnostics.errors import RunError, quote


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
        with open_parquet(self.file, self.context.opener) as table:
            return table.column_names()

    def batches(self, roles: ColumnRoles, locations: RecordLocations) -> Iterator[RawBatch]:
        """Yield the valid rows in batches; others are added to `bad_records`."""
        with open_parquet(self.file, self.context.opener) as table:
            available = {*table.column_names()}
            missing = [each for each in roles.columns if each not in available]
            if missing:
                raise RunError(f"{self.name} has no column {quote(missing[0])}")
            files = TableFiles(self.file, roles, self.bad_records, self.context)
            parse_lists = ListParser(roles)
            first_row = 1
            for record_batch in table.record_batches([*roles.columns]):
                yield from _RowBatch(
                    record_batch, roles, first_row, self.name, locations, files, parse_lists
                ).batches(self.bad_records)
                first_row += record_batch.num_rows


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
            self._describe_row,
            valid,
            bad_records,
        )
        if not valid.any():
            return
        self.locations.add(self.name, (np.flatnonzero(valid) + self.first_row).tolist())
        valid_rows = self.record_batch.filter(pa.array(valid))
        columns = {
            each: ParquetColumn(each, self.name, valid_rows.column(each))
            for each in self.roles.columns
        }
        optional = {*self.roles.optional_columns}
        values = {
            each: columns[each].to_optional_numbers()
            if each in optional
            else columns[each].to_array_or_strings()
            for each in self.roles.columns
            if each in value_columns
        }
        weights = self.roles.sample_weights
        yield RawBatch(
            {key: self._input_arrays(key, values) for key in self.roles.number_inputs},
            {key: values[each] for key, each in self.roles.targets.items()},
            {key: self._numeric_array(each, values) for key, each in weights.items()},
            {key: columns[each].to_words() for key, each in self.roles.words.items()},
            {key: columns[each].to_dates() for key, each in self.roles.dates.items()},
            {column: [*compress(each, valid)] for column, each in texts.items()},
            {key: [*compress(each, valid)] for key, each in lists.items()},
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
            for row in np.flatnonzero(valid & ~complete).tolist():
                bad_records.add(
                    RunError(
                        f"{self._describe_row(row)} has a value in column {quote(column)} that is"
                        " missing, not finite, or a list of a different length"
                    )
                )
            valid &= complete

    def _check_rows(
        self, check: Callable[[int], None], valid: NDArray[np.bool_], bad_records: BadRecords
    ) -> None:
        """Make rows for which `check` raises an error not valid, and add them to `bad_records`."""
        for row in np.flatnonzero(valid).tolist():
            try:
                check(row)
            except RunError as error:
                bad_records.add(error)
                valid[row] = False

    def _check_files(self, valid: NDArray[np.bool_], bad_records: BadRecords) -> None:
        """Make rows whose files cannot be read not valid, and add them to `bad_records`."""
        names = {
            key: ParquetColumn(column, self.name, self.record_batch.column(column)).to_words()
            for key, column in self.roles.words.items()
            if key in self.roles.files
        }

        def check(row: int) -> None:
            self.files.check(
                {key: words[row] for key, words in names.items()}, self._describe_row(row)
            )

        if names:
            self._check_rows(check, valid, bad_records)

    def _texts(self, column: str, valid: NDArray[np.bool_], bad_records: BadRecords) -> list[str]:
        """Return the texts of a column, or those of its lists of words; empty for missing ones.

        Rows with other values become not valid, and are added to `bad_records`.
        """
        texts = [""] * len(valid)
        for row, value in enumerate(self.record_batch.column(column).to_pylist()):
            # A row that lacks another text is counted once.
            if not valid[row]:
                continue
            description = f"column {quote(column)} of {self._describe_row(row)}"
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
        """Make rows that do not have as many labels as words not valid."""

        def check(row: int) -> None:
            row_texts = {column: each[row] for column, each in texts.items()}
            self.roles.check_labels(row_texts, self._describe_row(row))

        if self.roles.has_labels:
            self._check_rows(check, valid, bad_records)

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

    def _describe_row(self, row: int) -> str:
        return f"row {self.first_row + row} of {self.name}"
