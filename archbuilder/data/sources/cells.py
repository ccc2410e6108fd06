"""Parser of text cells: integers if all cells of a column are integers, else float64."""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import suppress
from typing import Final

import numpy as np
from numpy.typing import NDArray

from archbuilder.data.columns import Array
from archbuilder.data.dtypes import MAX_EXACT_INT, unrepresentable
from archbuilder.diagnostics.errors import RunError

_BOOLEANS: Final = {"true": 1, "false": 0}
_DATE: Final = re.compile(r"\s*\d{1,4}([-/.])\d{1,2}\1\d{1,4}\b|\s*\d{1,2}:\d\d(:\d\d)?")
_TO_DECIMAL_POINT: Final = str.maketrans({",": ".", ".": "_"})
# Only to add a hint to an error: such a cell is never read as a number.
_DECIMAL_COMMA: Final = re.compile(r"\s*[+-]?\d+,\d+\s*")


def with_decimal_point(cells: Sequence[str], decimal: str) -> Sequence[str]:
    """Return cells whose decimal point is `decimal` with a point in its place.

    With a decimal comma, a point becomes an underscore, which no number contains: `1.500` may be
    a thousand and a half thousand, and must not be read as one and a half.
    """
    return cells if decimal == "." else [each.translate(_TO_DECIMAL_POINT) for each in cells]


def parse_optional_column(cells: Sequence[str | None]) -> Array:
    """Parse a column as `parse_column` does, with NaN for the cells that are None.

    Raises:
        ValueError: if a cell is not a finite number, or no dtype represents all.
    """
    present = np.array([each is not None for each in cells], bool)
    numbers = parse_column([each for each in cells if each is not None])
    if present.all():
        return numbers
    values = np.full(len(cells), np.nan)
    # An array of integers of their own: float64 may round them.
    if unrepresentable(numbers, values.dtype).any():
        raise ValueError(cells)
    values[present] = numbers
    return values


def parse_column(cells: Sequence[str]) -> Array:
    """Parse the cells of a column as the first of int64, uint64 and float64 that represents all.

    Raises:
        ValueError: if one of them is not a finite number, or no dtype represents all.
    """
    # numpy parses strings with int() and float(), which take 1_000 for a number.
    if "_" in "".join(cells):
        raise ValueError(cells)
    try:
        return np.array(cells, np.int64)
    except OverflowError:
        with suppress(ValueError, OverflowError):
            return np.array(cells, np.uint64)
    except ValueError:
        pass
    try:
        values = np.array(cells, np.float64)
    except ValueError:
        # numpy does not parse "true" and "false". They are rare, so that the slow way comes last.
        return parse_column([str(parse_cell(each)) for each in cells])
    if not np.isfinite(values).all() or find_inexact_integer(cells, values) is not None:
        raise ValueError(cells)
    return values


def find_inexact_integer(cells: Sequence[str], values: NDArray[np.float64]) -> int | None:
    """Return the index of a cell whose integer no dtype represents together with the other cells.

    `values` are the cells as float64. None means that float64 represents all of them.
    """
    large_indices = np.flatnonzero(abs(values) >= MAX_EXACT_INT).tolist()
    # Only integers, and yet in neither int64 nor uint64: they are on both sides of the range.
    if large_indices and all(parse_integer(each) is not None for each in cells):
        return large_indices[0]
    numbers = ((each, parse_integer(cells[each])) for each in large_indices)
    return next((each for each, number in numbers if number not in (None, int(values[each]))), None)


def parse_integer(cell: str) -> int | None:
    """Return the integer or boolean in a cell, or None."""
    try:
        return None if "_" in cell else int(cell)
    except ValueError:
        return _BOOLEANS.get(cell.strip().lower())


def is_number(cell: str) -> bool:
    """Return whether a cell is a number, as CSV writes them: `1_000` is text."""
    try:
        float(cell)
    except ValueError:
        return False
    return "_" not in cell


def parse_cell(cell: str) -> int | float:
    """Return the number in a cell.

    Raises:
        ValueError: if it is not a finite number, or an integer of more than 64 bits.
    """
    number = parse_integer(cell)
    if number is None:
        value = float(cell)
        if not is_number(cell) or not np.isfinite(value):
            raise ValueError(cell)
        return value
    if not -(2**63) <= number < 2**64:
        raise ValueError(cell)
    return number


def not_a_number_error(cell: str, prefix: str) -> RunError:
    """Return the error for a cell that `parse_cell` rejects; `prefix` begins its message."""
    if parse_integer(cell) is not None:
        return RunError(f"{prefix}, an integer of more than 64 bits")
    hint = ""
    if _DATE.match(cell):
        hint = ": write dates and times as numbers, such as the days since the first one"
    elif _DECIMAL_COMMA.fullmatch(cell):
        hint = ": use a decimal point, or write 'decimal: \",\"'"
    elif is_number(cell) and not np.isfinite(float(cell)):
        return RunError(f"{prefix}, not a finite number: 'on_error: skip' skips such lines")
    elif "_" in cell and is_number(cell.replace("_", "")):
        hint = ": write numbers without '_'"
    elif ";" in cell:
        hint = ": the separator is a comma, but this line has a ';'"
    return RunError(f"{prefix}, not a number{hint}")
