"""Text tables, and numbers formatted for people."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from archbuilder.diagnostics.escape import display_width

_GAP: Final = "  "
_BINARY_UNITS: Final = ("B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB")


@dataclass(frozen=True, slots=True)
class TableColumn:
    """A column of a text table; numbers are aligned right."""

    title: str
    align_right: bool = False


def format_table(columns: Sequence[TableColumn], rows: Iterable[Sequence[str]]) -> list[str]:
    """Return the lines of a table with its header, aligned by the columns of a terminal."""
    lines = [tuple(column.title for column in columns), *(tuple(row) for row in rows)]
    # Not `len` and `str.ljust`: a CJK character takes two columns, a combining mark none.
    widths = [max(display_width(line[index]) for line in lines) for index in range(len(columns))]
    formatted = []
    for cells in lines:
        padded = []
        for column, width, cell in zip(columns, widths, cells, strict=True):
            padding = " " * (width - display_width(cell))
            padded.append(padding + cell if column.align_right else cell + padding)
        formatted.append(_GAP.join(padded).rstrip())
    return formatted


def format_count(number: int) -> str:
    """Return an integer with thousands separators: `1,248,424`."""
    return f"{number:,}"


def plural(number: int, noun: str, plural_noun: str = "") -> str:
    """Return a count with its noun: `1 layer`, `12 layers`.

    `plural_noun` is the plural if it is not `noun` with an s.
    """
    return f"{format_count(number)} {noun if number == 1 else plural_noun or f'{noun}s'}"


def any_of(choices: Iterable[str]) -> str:
    """Return a list of choices in words: `a, b or c`."""
    *first, last = choices
    return f"{', '.join(first)} or {last}" if first else last


def format_bytes(number: int) -> str:
    """Return a number of bytes in binary units: `4.8 MiB`."""
    value, unit = float(number), 0
    # 1023.95 is the first value that one decimal would show as 1024.0; it becomes 1.0 of the next
    # unit instead.
    while value >= 1023.95 and unit < len(_BINARY_UNITS) - 1:
        value /= 1024
        unit += 1
    return f"{number} B" if unit == 0 else f"{value:,.1f} {_BINARY_UNITS[unit]}"
