"""Tables of plain text, and numbers as people read them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from archbuilder.diagnostics.escape import display_width

_GAP: Final = "  "
_BINARY_UNITS: Final = ("B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB")


@dataclass(frozen=True, slots=True)
class TableColumn:
    """A column of a table; numbers stand to the right."""

    title: str
    align_right: bool = False


def format_table(columns: Sequence[TableColumn], rows: Iterable[Sequence[str]]) -> list[str]:
    """The lines of a table with its head, aligned as a terminal shows them."""
    lines = [tuple(column.title for column in columns), *(tuple(row) for row in rows)]
    widths = [max(display_width(line[index]) for line in lines) for index in range(len(columns))]
    return [_format_row(columns, widths, cells) for cells in lines]


def _format_row(columns: Sequence[TableColumn], widths: Sequence[int], cells: Sequence[str]) -> str:
    padded = []
    for column, width, cell in zip(columns, widths, cells, strict=True):
        padding = " " * (width - display_width(cell))
        padded.append(padding + cell if column.align_right else cell + padding)
    return _GAP.join(padded).rstrip()


def format_count(number: int) -> str:
    """A whole number with separators: `1,248,424`."""
    return f"{number:,}"


def plural(number: int, noun: str, plural_noun: str = "") -> str:
    """A number of things: `1 layer`, `12 layers`; `several` of them where an s is not enough."""
    return f"{format_count(number)} {noun if number == 1 else plural_noun or f'{noun}s'}"


def format_bytes(number: int) -> str:
    """A number of bytes: `4.8 MiB`."""
    value, unit = float(number), 0
    while value >= 1023.95 and unit < len(_BINARY_UNITS) - 1:
        value /= 1024
        unit += 1
    return f"{number} B" if unit == 0 else f"{value:,.1f} {_BINARY_UNITS[unit]}"
