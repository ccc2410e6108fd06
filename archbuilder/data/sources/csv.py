"""CSV tables."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np

from archbuilder.config.sources import Csv, DataPath
from archbuilder.data.bad_records import BadRecords
from archbuilder.data.columns import Array
from archbuilder.data.dataset import Dataset, FittedPreprocessing
from archbuilder.data.file_access import DataFileOpener
from archbuilder.data.provenance import RecordLocations
from archbuilder.data.sources.batch_reader import RawBatch, batched_by_bytes
from archbuilder.data.sources.cells import (
    find_inexact_integer,
    is_number,
    not_a_number_error,
    parse_cell,
    parse_column,
)
from archbuilder.data.sources.disk_columns import ColumnStore
from archbuilder.data.sources.tabular import (
    ColumnRoles,
    InferenceColumns,
    fitted_column_names,
    make_tabular_dataset,
)
from archbuilder.data.text.line_reader import iter_lines
from archbuilder.diagnostics.errors import InternalError, RunError, quote
from archbuilder.formatting import plural

# More than the default of `iter_lines`, since tables may have thousands of columns.
_MAX_LINE_CHARS: Final = 2**26
_HEADER_HINT: Final = "; write 'header: false', or add a line of column names"
_SKIP_HINT: Final = "; 'on_error: skip' skips such lines"
_OTHER_DELIMITERS: Final = {";": "a ';'", "\t": "a tab"}
"""Delimiters of other tables, which are reported and not guessed."""
_STR_OVERHEAD_BYTES: Final = 50
"""Approximate size of an empty `str` in memory."""
_Line: TypeAlias = tuple[int, list[str]]
"""The number of a line, and its cells."""


def load_csv(
    source: Csv,
    opener: DataFileOpener,
    store: ColumnStore,
    fitted: FittedPreprocessing | None = None,
    *,
    inference_columns: InferenceColumns | None = None,
) -> Dataset:
    """Load the columns of tables as inputs, targets and sample weights.

    A target of strings becomes class indices: in alphabetical order, or in the order of the classes
    in `fitted`. With `fitted`, input columns are found by their names, in any order. With
    `inference_columns`, only inputs are read, and the target columns may be missing.

    Raises:
        RunError: if a line or a value is invalid, or differs in shape or type from the others.
    """
    bad_records = BadRecords(source.on_error, "lines")
    files = opener.match_files(source.file)
    fitted_columns = fitted_column_names(source, fitted, inference_columns)
    header_hint = _HEADER_HINT if inference_columns is None else "; add a line of column names"
    if fitted_columns is not None:
        header_hint = ", which the run was trained with"
    missing_value_hint = (
        _SKIP_HINT if inference_columns is None and source.on_error == "stop" else ""
    )
    tables = [
        _CsvFile(file, opener, bad_records, header_hint, missing_value_hint, header=source.header)
        for file in files
    ]
    first_table = tables[0]
    column_names = first_table.column_names()
    roles = ColumnRoles.from_source(
        source,
        column_names,
        first_table.name,
        fitted_columns=fitted_columns,
        inference_columns=inference_columns,
    )
    locations = RecordLocations("line")

    def batches() -> Iterator[RawBatch]:
        for table in tables:
            table.check_same_columns(column_names, first_table.name)
            yield from table.batches(roles, column_names, locations)

    name = quote(source.file.path, 200)
    return make_tabular_dataset(
        batches(), roles, name, locations, bad_records=bad_records, fitted=fitted, store=store
    )


@dataclass(frozen=True, slots=True, eq=False)
class _CsvFile:
    """One CSV file."""

    file: DataPath
    opener: DataFileOpener
    bad_records: BadRecords
    header_hint: str = _HEADER_HINT
    """What to do if the first line has no names, as the end of a message."""
    missing_value_hint: str = ""
    """What to do about empty cells, as the end of a message."""
    header: bool = True

    @property
    def name(self) -> str:
        return quote(self.file.path, 200)

    def column_names(self) -> list[str]:
        """Return the column names or, without a header, their indices as strings."""
        # A separate object: `batches` reads the same lines again, and would count them twice. A bad
        # header stops the run, since `on_error: skip` is about examples.
        bad_records = BadRecords(
            "stop" if self.header else self.bad_records.on_error, self.bad_records.noun
        )
        for _, cells in self._records(bad_records):
            self._check_delimiter(cells)
            if not self.header:
                return [str(number) for number in range(len(cells))]
            if all(is_number(each) for each in cells):
                # Read as a header, the first example would be lost silently.
                raise RunError(
                    f"the first line of {self.name} has numbers, not column names{self.header_hint}"
                )
            return cells
        raise RunError(f"{self.name} is empty")

    def _check_delimiter(self, cells: Sequence[str]) -> None:
        other_delimiters = [
            name for mark, name in _OTHER_DELIMITERS.items() if len(cells) == 1 and mark in cells[0]
        ]
        if other_delimiters:
            raise RunError(
                f"the separator must be a comma, but the first line of {self.name} has"
                f" {other_delimiters[0]} and no comma"
            )

    def check_same_columns(self, column_names: Sequence[str], other_name: str) -> None:
        """Check that the columns are those of another table.

        Raises:
            RunError: if they are not.
        """
        names = self.column_names()
        if self.header and names != [*column_names]:
            raise RunError(f"{self.name} does not have the columns of {other_name}")

    def batches(
        self, roles: ColumnRoles, column_names: Sequence[str], locations: RecordLocations
    ) -> Iterator[RawBatch]:
        """Yield the examples; invalid lines are added to `bad_records`."""
        parser = _RowParser(roles, column_names, self.name, self.missing_value_hint)
        for lines in batched_by_bytes(self._complete_lines(len(column_names)), _line_bytes):
            yield from parser.batches(lines, self.bad_records, locations)

    def _complete_lines(self, num_columns: int) -> Iterator[_Line]:
        """Yield the lines with the right number of cells; others are added to `bad_records`."""
        records = self._records(self.bad_records)
        if self.header:
            next(records)
        for line, cells in records:
            if len(cells) == num_columns:
                yield line, cells
            else:
                count_text = plural(len(cells), "value")
                message = f"line {line} of {self.name} has {count_text}, not {num_columns}"
                self.bad_records.add(RunError(message))

    def _records(self, bad_records: BadRecords) -> Iterator[_Line]:
        """Yield the cells of each record, and the number of its first line.

        A quoted cell may contain line ends, so that a record may span several lines.
        """
        numbers: list[int] = []

        def lines() -> Iterator[str]:
            for number, line in iter_lines(
                self.file, self.opener, limit=_MAX_LINE_CHARS, bad_records=bad_records
            ):
                numbers.append(number)
                yield line

        # Not `reader.line_num`, which does not count the lines that `iter_lines` skipped.
        reader = csv.reader(lines())
        while True:
            # The reader pulls as many lines as a record spans; their numbers collect here.
            numbers.clear()
            try:
                cells = next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                message = f"line {numbers[0]} of {self.name} is not valid CSV: {error}"
                bad_records.add(RunError(message))
                continue
            # A blank line has no cells.
            if cells:
                yield numbers[0], cells


class _RowParser:
    """Parser of lines into columns of numbers and of target strings."""

    def __init__(
        self, roles: ColumnRoles, column_names: Sequence[str], name: str, hint: str
    ) -> None:
        index = {column: number for number, column in enumerate(column_names)}
        self._column_names, self._name, self._hint = column_names, name, hint
        self._inputs = {
            key: [index[each] for each in columns] for key, columns in roles.inputs.items()
        }
        self._scalar_inputs = roles.scalar_inputs
        self._sample_weights = {key: index[each] for key, each in roles.sample_weights.items()}
        self._targets = {key: index[each] for key, each in roles.targets.items()}
        inputs = (number for numbers in self._inputs.values() for number in numbers)
        self._numeric_columns = [*dict.fromkeys((*inputs, *self._sample_weights.values()))]

    def batches(
        self, lines: Sequence[_Line], bad_records: BadRecords, locations: RecordLocations
    ) -> Iterator[RawBatch]:
        """Yield one batch of the valid lines, if there are any."""
        valid_lines, columns = self._parse_lines(lines, bad_records)
        if not valid_lines:
            return
        locations.add(self._name, [line for line, _ in valid_lines])
        yield RawBatch(
            {
                key: columns[numbers[0]]
                if key in self._scalar_inputs
                else [columns[each] for each in numbers]
                for key, numbers in self._inputs.items()
            },
            {
                key: [cells[number] for _, cells in valid_lines]
                for key, number in self._targets.items()
            },
            {key: columns[number] for key, number in self._sample_weights.items()},
        )

    def _parse_lines(
        self, lines: Sequence[_Line], bad_records: BadRecords
    ) -> tuple[Sequence[_Line], dict[int, Array]]:
        """Return the valid lines, and their columns of numbers by column index."""
        targets = self._targets.values()
        if all(cells[column_index].strip() for _, cells in lines for column_index in targets):
            with suppress(ValueError):
                return lines, self._parse_columns(lines)
        # At least one line is invalid. Only now each is checked alone: to parse whole columns with
        # numpy is much faster than cell by cell.
        valid_lines: list[_Line] = []
        for line in lines:
            try:
                self._check_line(line)
            except RunError as error:
                bad_records.add(error)
            else:
                valid_lines.append(line)
        try:
            return valid_lines, self._parse_columns(valid_lines)
        except ValueError:
            raise self._dtype_conflict_error(valid_lines) from None

    def _parse_columns(self, lines: Sequence[_Line]) -> dict[int, Array]:
        return {
            number: parse_column([cells[number] for _, cells in lines])
            for number in self._numeric_columns
        }

    def _check_line(self, line: _Line) -> None:
        """Check the cells of a line.

        Raises:
            RunError: if one is empty, or not a number where numbers are read.
        """
        line_number, cells = line
        for column_index in (*self._targets.values(), *self._numeric_columns):
            if not cells[column_index].strip():
                raise RunError(
                    f"line {line_number} of {self._name} has no value in column"
                    f" {quote(self._column_names[column_index])}"
                    f"{self._hint}"
                )
        for column_index in self._numeric_columns:
            try:
                parse_cell(cells[column_index])
            except ValueError:
                raise not_a_number_error(
                    cells[column_index], self._describe_cell(cells, column_index, line_number)
                ) from None

    def _dtype_conflict_error(self, lines: Sequence[_Line]) -> RunError:
        """Return the error for a column whose numbers no dtype represents."""
        for column_index in self._numeric_columns:
            column = [cells[column_index] for _, cells in lines]
            values = np.array([float(parse_cell(each)) for each in column])
            index = find_inexact_integer(column, values)
            if index is not None:
                line, cells = lines[index]
                return RunError(
                    f"{self._describe_cell(cells, column_index, line)}, beside numbers that are"
                    " no 64-bit integers like"
                    " it: no dtype represents all of them"
                )
        raise InternalError("a column of numbers could not be parsed")

    def _describe_cell(self, cells: Sequence[str], column_index: int, line: int) -> str:
        return (
            f"line {line} of {self._name} has {quote(cells[column_index])} in column"
            f" {quote(self._column_names[column_index])}"
        )


def _line_bytes(line: _Line) -> int:
    # For short cells, the overhead of the objects is most of the memory.
    _, cells = line
    return sum(map(len, cells)) + _STR_OVERHEAD_BYTES * len(cells)
