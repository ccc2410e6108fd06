"""The first rows of a table, whose columns are not known yet."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from itertools import islice
from typing import Final, TypeAlias

from archbuilder.config.sources import Csv, DataPath, Jsonl, Parquet
from archbuilder.data.bad_records import BadRecords
from archbuilder.data.file_access import DataFileOpener
from archbuilder.data.sources.cells import is_number
from archbuilder.data.sources.parquet_file import iter_rows
from archbuilder.data.text.line_reader import iter_json_objects, iter_lines
from archbuilder.diagnostics.errors import RunError, UsageError, quote, quote_list

MAX_ROWS: Final = 100_000
"""Number of rows that are read."""
_MAX_CHARS: Final = 2**27
"""Number of characters that are read, so that long cells do not fill the memory."""
_SEPARATORS: Final = (",", ";", "\t", "|")
_HEADER_LINES: Final = 20
"""Number of lines that decide the separator."""

Cell: TypeAlias = str | int | float | bool | None
"""A value of a column; None if it is missing. Cells of CSV are text."""


@dataclass(frozen=True, slots=True)
class TableSample:
    """The first rows of a table by column, and how its file is written."""

    columns: Mapping[str, Sequence[Cell]]
    unsupported: Mapping[str, str] = field(default_factory=dict)
    """Columns whose values are not numbers or text, with the reason."""
    is_complete: bool = True
    """Whether these are all rows."""
    text_cells: bool = False
    """Whether numbers are written as text, as in CSV."""
    separator: str = ","
    has_header: bool = True

    @property
    def num_rows(self) -> int:
        """Number of rows of the sample."""
        return len(next(iter(self.columns.values()), ()))


def read_sample(source: Csv | Parquet | Jsonl, opener: DataFileOpener) -> TableSample:
    """Read the first rows of a table.

    Raises:
        RunError: if the file is missing or damaged.
        UsageError: if it has no rows, or no column of numbers or text.
    """
    file = opener.match_files(source.file)[0]
    if isinstance(source, Csv):
        sample = _read_csv(file, opener)
    elif isinstance(source, Parquet):
        sample = _from_rows(iter_rows(file, opener))
    else:
        objects = iter_json_objects(
            file, opener, BadRecords("stop", "lines"), lambda fields, _location: fields
        )
        sample = _from_rows(fields for _, fields in objects)
    if not sample.num_rows and sample.unsupported:
        raise UsageError(
            f"{quote(file.path, 200)} has no column of numbers or text that a new blueprint could"
            f" use; it has {quote_list(sample.unsupported)}"
        )
    if not sample.num_rows:
        raise UsageError(f"{quote(file.path, 200)} has no rows")
    return sample


def _read_csv(file: DataPath, opener: DataFileOpener) -> TableSample:
    name = quote(file.path, 200)
    head = [line for _, line in islice(iter_lines(file, opener), _HEADER_LINES)]
    separator = max(_SEPARATORS, key=lambda mark: _separator_score(head, mark))
    rows: list[list[str]] = []
    num_chars = 0
    is_complete = True
    try:
        lines = (line for _, line in iter_lines(file, opener))
        for row in csv.reader(lines, delimiter=separator):
            if len(rows) > MAX_ROWS or num_chars > _MAX_CHARS:
                is_complete = False
                break
            if row:
                rows.append(row)
                num_chars += sum(map(len, row))
    except csv.Error as error:
        raise RunError(f"{name} is not valid CSV: {error}") from error
    if not rows:
        return TableSample({})
    has_header = not all(map(is_number, rows[0]))
    names = rows[0] if has_header else [str(number) for number in range(len(rows[0]))]
    duplicate = next((each for each in names if names.count(each) > 1), None)
    if duplicate is not None:
        raise RunError(f"{name} has two columns {quote(duplicate)}")
    # A line with another number of cells is reported by training, with its number.
    body = [row for row in rows[has_header:] if len(row) == len(names)]
    columns = {column: [row[index].strip() for row in body] for index, column in enumerate(names)}
    return TableSample(
        columns,
        is_complete=is_complete,
        text_cells=True,
        separator=separator,
        has_header=has_header,
    )


def _separator_score(lines: Sequence[str], separator: str) -> tuple[float, int]:
    """Return the share of lines with the most common number of cells, and this number.

    A separator that most lines lack explains nothing.
    """
    counts = Counter(len(row) for row in csv.reader(lines, delimiter=separator) if row)
    (num_cells, num_lines), *_ = counts.most_common(1) or [(1, 1)]
    return (num_lines / counts.total(), num_cells) if num_cells > 1 else (0, 1)


def _from_rows(rows: Iterator[Mapping[str, object]]) -> TableSample:
    """Return a sample of rows with typed values; a field that a row lacks is missing there."""
    columns: dict[str, list[Cell]] = {}
    unsupported: dict[str, str] = {}
    num_rows = num_chars = 0
    for row in rows:
        if num_rows >= MAX_ROWS or num_chars > _MAX_CHARS:
            return TableSample(columns, unsupported, is_complete=False)
        for key, value in row.items():
            if key in unsupported:
                continue
            if isinstance(value, date | datetime):
                cell: Cell = value.isoformat()
            elif value is None or isinstance(value, str | int | float | bool):
                cell = value
            else:
                unsupported[key] = f"values of the type {type(value).__name__}"
                columns.pop(key, None)
                continue
            columns.setdefault(key, [None] * num_rows).append(cell)
            num_chars += len(cell) if isinstance(cell, str) else 8
        num_rows += 1
        for cells in columns.values():
            cells.extend([None] * (num_rows - len(cells)))
    return TableSample(columns, unsupported)
