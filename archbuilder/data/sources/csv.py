"""CSV tables."""

from __future__ import annotations

import csv
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np

from archbuilder.config.sources import Csv, DataPath
from archbuilder.data.bad_records import BadRecords
from archbuilder.data.columns import Array
from archbuilder.data.provenance import RecordLocations
from archbuilder.data.source_dataset import SourceDataset
from archbuilder.data.sources.batch_reader import RawBatch, batched_by_bytes
from archbuilder.data.sources.cells import (
    find_inexact_integer,
    is_number,
    not_a_number_error,
    parse_cell,
    parse_column,
    parse_optional_column,
    with_decimal_point,
)
from archbuilder.data.sources.column_roles import ColumnRoles
from archbuilder.data.sources.dates import DATE_DTYPE, Dates, not_a_date_error, parse_date
from archbuilder.data.sources.list_parser import ListParser, ListValues
from archbuilder.data.sources.load_context import LoadContext
from archbuilder.data.sources.table_files import TableFiles
from archbuilder.data.sources.tabular import load_table
from archbuilder.data.text.line_reader import iter_lines
from archbuilder.diagnostics.errors import InternalError, RunError, quote
from archbuilder.formatting import plural

# More than the default of `iter_lines`, since tables may have thousands of columns.
_MAX_LINE_CHARS: Final = 2**26
_SKIP_HINT: Final = "; 'on_error: skip' skips such lines"
_OTHER_SEPARATORS: Final = {
    ",": ("a comma", ","),
    ";": ("a ';'", ";"),
    "\t": ("a tab", "\\t"),
}
"""Separators of other tables, which are reported and not guessed: their names and notations."""
_STR_OVERHEAD_BYTES: Final = 50
"""Approximate size of an empty `str` in memory."""
_Line: TypeAlias = tuple[int, list[str]]
"""The number of a line, and its cells."""


def load_csv(source: Csv, context: LoadContext) -> SourceDataset:
    """Load the columns of tables; see `load_table`.

    Raises:
        RunError: if a line or a value is invalid, or differs in shape or type from the others.
    """
    bad_records = BadRecords(source.on_error, "lines")
    files = [
        _CsvFile(file, source, bad_records, context)
        for file in context.opener.match_files(source.file)
    ]
    return load_table(source, files, bad_records, RecordLocations("line"), context)


@dataclass(frozen=True, slots=True, eq=False)
class _CsvFile:
    """One CSV file."""

    file: DataPath
    source: Csv
    bad_records: BadRecords
    context: LoadContext

    @property
    def name(self) -> str:
        """Name of the file for messages."""
        return quote(self.file.path, 200)

    def column_names(self) -> list[str]:
        """Return the column names or, without a header, their indices as strings."""
        # A separate object: `batches` reads the same lines again, and would count them twice. A bad
        # header stops the run, since `on_error: skip` is about examples.
        on_error = "stop" if self.source.header else self.bad_records.on_error
        records = self._records(BadRecords(on_error, self.bad_records.noun))
        _, cells = next(records, (0, None))
        if cells is None:
            raise RunError(f"{self.name} is empty")
        separator = _OTHER_SEPARATORS.get(self.source.separator, (quote(self.source.separator),))[0]
        for mark, (mark_text, notation) in _OTHER_SEPARATORS.items():
            if len(cells) == 1 and mark != self.source.decimal and mark in cells[0]:
                raise RunError(
                    f"the separator is {separator}, but the first line of {self.name} has"
                    f" {mark_text} and not {separator}; write 'separator: \"{notation}\"'"
                )
        if not self.source.header:
            return [str(number) for number in range(len(cells))]
        if all(map(is_number, with_decimal_point(cells, self.source.decimal))):
            # Read as a header, the first example would be lost silently.
            hint = "; add a line of column names"
            if self.context.fitted is not None and self.context.fitted.schema.column_names:
                hint = ", which the run was trained with"
            elif not self.context.inputs_only:
                hint = "; write 'header: false', or add a line of column names"
            raise RunError(f"the first line of {self.name} has numbers, not column names{hint}")
        return cells

    def batches(self, roles: ColumnRoles, locations: RecordLocations) -> Iterator[RawBatch]:
        """Yield the examples; invalid lines are added to `bad_records`."""
        column_names = self.column_names()
        if self.source.header and column_names != [*roles.all_columns]:
            raise RunError(f"{self.name} does not have the columns of {roles.table}")
        records = self._records(self.bad_records, len(roles.all_columns))
        if self.source.header:
            next(records)
        can_skip = self.source.on_error == "stop" and not self.context.inputs_only
        hint = _SKIP_HINT if can_skip else ""
        files = TableFiles(self.file, roles, self.bad_records, self.context)
        parser = _RowParser(roles, self.name, hint, {"", *self.source.missing}, files)
        # For short cells, the overhead of the objects is most of the memory.
        for lines in batched_by_bytes(
            records, lambda line: sum(map(len, line[1])) + _STR_OVERHEAD_BYTES * len(line[1])
        ):
            yield from parser.batches(lines, self.bad_records, locations)

    def _records(self, bad_records: BadRecords, num_columns: int | None = None) -> Iterator[_Line]:
        """Yield the cells of each record, and the number of its first line.

        A quoted cell may contain line ends, so that a record may span several lines. Records that
        do not have `num_columns` cells are bad.
        """
        numbers: list[int] = []
        ended: list[bool] = []

        def lines() -> Iterator[str]:
            for number, line in iter_lines(
                self.file, self.context.opener, limit=_MAX_LINE_CHARS, bad_records=bad_records
            ):
                numbers.append(number)
                yield line
            ended.append(True)

        # Not `reader.line_num`, which does not count the lines that `iter_lines` skipped.
        reader = csv.reader(lines(), delimiter=self.source.separator)
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
            if ended:
                # Only a record inside of quotes makes the reader ask for a line after the last.
                message = f"line {numbers[0]} of {self.name} has a quote that is never closed"
                bad_records.add(RunError(message))
                return
            # A blank line has no cells.
            if cells and num_columns not in (None, len(cells)):
                message = (
                    f"line {numbers[0]} of {self.name} has {plural(len(cells), 'value')}, not"
                    f" {num_columns}"
                )
                bad_records.add(RunError(message))
            elif cells:
                yield numbers[0], cells


class _RowParser:
    """Parser of lines into columns of numbers and of target strings."""

    def __init__(
        self,
        roles: ColumnRoles,
        name: str,
        hint: str,
        missing_cells: Collection[str],
        files: TableFiles,
    ) -> None:
        index = {column: number for number, column in enumerate(roles.all_columns)}
        self._column_names, self._name, self._hint = roles.all_columns, name, hint
        self._missing_cells, self._decimal = missing_cells, roles.decimal
        self._inputs = {
            key: [index[each] for each in columns] for key, columns in roles.number_inputs.items()
        }
        self._words = {key: index[each] for key, each in roles.words.items()}
        self._files = files
        self._parse_list_cells = ListParser(roles)
        self._list_columns = {each: index[each] for each in roles.list_columns}
        self._texts = {each: index[each] for each in roles.text_columns}
        self._scalar_inputs = roles.scalar_inputs
        self._sample_weights = {key: index[each] for key, each in roles.sample_weights.items()}
        self._targets = {key: index[each] for key, each in roles.targets.items()}
        self._numeric_columns = [index[each] for each in roles.numeric_columns]
        self._optional_columns = [index[each] for each in roles.optional_columns]
        self._dates = {key: index[each] for key, each in roles.dates.items()}
        self._text_columns = [
            *self._targets.values(),
            *(index[each] for each in roles.required_strings),
        ]
        """Columns in which a missing cell is an error, but not one of a number."""

    def batches(
        self, lines: Sequence[_Line], bad_records: BadRecords, locations: RecordLocations
    ) -> Iterator[RawBatch]:
        """Yield one batch of the valid lines, if there are any."""
        columns = None
        if self._files.roles.has_labels:
            lines = [line for line in lines if self._has_labels(line, bad_records)]
        if not lines:
            return
        required = [*self._text_columns]
        # An empty cell is not a number, but a cell such as -999 is.
        if len(self._missing_cells) > 1:
            required += self._numeric_columns
        has_missing = any(self._is_missing(cells[each]) for _, cells in lines for each in required)
        # Files are checked one by one.
        if not has_missing and not self._files.roles.files:
            with suppress(ValueError, RunError):
                lists = self._parse_lists(lines)
                columns, dates = self._parse_columns(lines), self._parse_dates(lines)
        valid_lines = [*lines]
        if columns is None:
            # At least one line is invalid. Only now each is checked alone: to parse whole columns
            # with numpy is much faster than cell by cell.
            valid_lines = [line for line in lines if self._is_valid(line, bad_records)]
            if not valid_lines:
                return
            lists = self._parse_lists(valid_lines)
            try:
                columns, dates = self._parse_columns(valid_lines), self._parse_dates(valid_lines)
            except ValueError:
                raise self._dtype_conflict_error(valid_lines) from None
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
            {
                key: [
                    None if self._is_missing(cells[number]) else cells[number].strip()
                    for _, cells in valid_lines
                ]
                for key, number in self._words.items()
            },
            dates,
            {
                column: [self._text(cells[number]) for _, cells in valid_lines]
                for column, number in self._texts.items()
            },
            lists,
            self._files.directory,
        )

    def _parse_lists(self, lines: Sequence[_Line]) -> Mapping[str, Sequence[ListValues]]:
        """Return the lists of each input.

        Raises:
            RunError: if one is not valid.
        """
        rows = [self._parse_row_lists(line) for line in lines] if self._list_columns else []
        return {key: [row[key] for row in rows] for key in self._files.roles.lists}

    def _parse_row_lists(self, line: _Line) -> Mapping[str, ListValues]:
        number, cells = line
        texts = {column: self._text(cells[index]) for column, index in self._list_columns.items()}
        return self._parse_list_cells(texts, f"line {number} of {self._name}")

    def _has_labels(self, line: _Line, bad_records: BadRecords) -> bool:
        """Return whether a line has as many labels as words; if not, it is a bad record."""
        number, cells = line
        texts = {column: self._text(cells[index]) for column, index in self._texts.items()}
        try:
            self._files.roles.check_labels(texts, f"line {number} of {self._name}")
        except RunError as error:
            bad_records.add(error)
            return False
        return True

    def _text(self, cell: str) -> str:
        return "" if self._is_missing(cell) else cell

    def _is_missing(self, cell: str) -> bool:
        return cell.strip() in self._missing_cells

    def _parse_columns(self, lines: Sequence[_Line]) -> dict[int, Array]:
        columns = {
            number: parse_column(self._number_cells(lines, number))
            for number in self._numeric_columns
        }
        for number in self._optional_columns:
            columns[number] = parse_optional_column(
                [
                    None if self._is_missing(line[1][number]) else cell
                    for line, cell in zip(lines, self._number_cells(lines, number), strict=True)
                ]
            )
        return columns

    def _parse_dates(self, lines: Sequence[_Line]) -> dict[str, Dates]:
        return {
            key: np.array([self._parse_date(cells[number]) for _, cells in lines], DATE_DTYPE)
            for key, number in self._dates.items()
        }

    def _parse_date(self, cell: str) -> np.datetime64:
        """Return the date in a cell, or NaT if it is missing.

        Raises:
            ValueError: if the cell is not a date.
        """
        return np.datetime64("NaT") if self._is_missing(cell) else parse_date(cell)

    def _number_cells(self, lines: Sequence[_Line], number: int) -> Sequence[str]:
        return with_decimal_point([cells[number] for _, cells in lines], self._decimal)

    def _is_valid(self, line: _Line, bad_records: BadRecords) -> bool:
        """Return whether no cell of a line is empty, nor text where numbers are read."""
        line_number, cells = line
        for column_index in (*self._text_columns, *self._numeric_columns):
            if self._is_missing(cells[column_index]):
                bad_records.add(
                    RunError(
                        f"line {line_number} of {self._name} has no value in column"
                        f" {quote(self._column_names[column_index])}{self._hint}"
                    )
                )
                return False
        for column_index in (*self._numeric_columns, *self._optional_columns):
            if column_index in self._optional_columns and self._is_missing(cells[column_index]):
                continue
            try:
                parse_cell(*self._number_cells([line], column_index))
            except ValueError:
                description = self._describe_cell(cells, column_index, line_number)
                bad_records.add(not_a_number_error(cells[column_index], description))
                return False
        for column_index in self._dates.values():
            try:
                self._parse_date(cells[column_index])
            except ValueError:
                description = self._describe_cell(cells, column_index, line_number)
                bad_records.add(not_a_date_error(description))
                return False
        names = {key: cells[number].strip() for key, number in self._words.items()}
        try:
            self._files.check(names, f"line {line_number} of {self._name}")
            self._parse_row_lists(line)
        except RunError as error:
            bad_records.add(error)
            return False
        return True

    def _dtype_conflict_error(self, lines: Sequence[_Line]) -> RunError:
        """Return the error for a column whose numbers no dtype represents."""
        for column_index in (*self._numeric_columns, *self._optional_columns):
            # A missing number widens the column as a fraction does.
            column = [
                "0.5" if self._is_missing(line[1][column_index]) else cell
                for line, cell in zip(lines, self._number_cells(lines, column_index), strict=True)
            ]
            values = np.array([float(parse_cell(each)) for each in column])
            index = find_inexact_integer(column, values)
            if index is not None:
                line, cells = lines[index]
                return RunError(
                    f"{self._describe_cell(cells, column_index, line)}, beside numbers that are"
                    " no 64-bit integers like it: no dtype represents all of them"
                )
        raise InternalError("a column of numbers could not be parsed")

    def _describe_cell(self, cells: Sequence[str], column_index: int, line: int) -> str:
        return (
            f"line {line} of {self._name} has {quote(cells[column_index])} in column"
            f" {quote(self._column_names[column_index])}"
        )
