"""Locations in source text."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Final


@dataclass(frozen=True, eq=False)
class SourceText:
    """The text of a file, with the name that messages show for it."""

    name: str
    text: str = field(repr=False)

    @cached_property
    def lines(self) -> tuple[str, ...]:
        """The lines of the text, split as YAML 1.2 splits them."""
        # `str.splitlines` also splits at form feeds and U+2028, and its line numbers would then
        # differ from those of the YAML parser.
        return tuple(self.text.replace("\r\n", "\n").replace("\r", "\n").split("\n"))


@dataclass(frozen=True, slots=True)
class Span:
    """A range of characters in a source. Lines and columns count from 1; the end is exclusive."""

    source: SourceText
    line: int
    column: int
    end_line: int
    end_column: int

    def __str__(self) -> str:
        return f"{self.source.name}:{self.line}:{self.column}"

    @property
    def text(self) -> str:
        """The characters of a span within one line; empty for several lines."""
        lines = self.source.lines[self.line - 1 : self.end_line]
        return lines[0][self.column - 1 : self.end_column - 1] if len(lines) == 1 else ""

    def subspan(self, start: int, length: int) -> Span:
        """Return the span of `length` characters from offset `start` within this span.

        Returns the whole span if it covers several lines, because YAML folds lines, and offsets
        in the value then differ from those in the source.
        """
        if self.line != self.end_line:
            return self
        column = self.column + start
        return Span(self.source, self.line, column, self.line, column + max(length, 1))


NO_FILE: Final = Span(SourceText("", ""), 1, 1, 1, 1)
"""The location of a value that does not stand in a file; messages show no location for it."""
