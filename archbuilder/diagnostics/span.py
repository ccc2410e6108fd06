"""Locations in source text."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property


@dataclass(frozen=True, eq=False)
class SourceText:
    """A text that was read, under the name that messages show for it."""

    name: str
    text: str = field(repr=False)

    @cached_property
    def lines(self) -> tuple[str, ...]:
        """The lines of the text, split where YAML splits them."""
        return tuple(self.text.replace("\r\n", "\n").replace("\r", "\n").split("\n"))


@dataclass(frozen=True, slots=True)
class Span:
    """A range of characters in a source: lines and columns count from 1, the end is exclusive."""

    source: SourceText
    line: int
    column: int
    end_line: int
    end_column: int

    def __str__(self) -> str:
        return f"{self.source.name}:{self.line}:{self.column}"

    def subspan(self, start: int, length: int) -> Span:
        """The `length` characters that begin `start` characters behind the start of this span.

        Falls back to the whole span where it covers several lines, because folding may have moved
        the characters.
        """
        if self.line != self.end_line:
            return self
        column = self.column + start
        return Span(self.source, self.line, column, self.line, column + max(length, 1))
