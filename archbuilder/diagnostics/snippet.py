"""The source line of a diagnostic, clipped to the width of a terminal, with its caret."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from archbuilder.diagnostics.escape import display_width, escape_terminal
from archbuilder.diagnostics.span import Span

MAX_WIDTH: Final = 100
"""Terminal columns of a source line."""
# Of a line that is clipped, a third of the width is before the caret.
_CONTEXT_WIDTH: Final = MAX_WIDTH // 3
_ELLIPSIS: Final = "..."


@dataclass(frozen=True, slots=True)
class Snippet:
    """An escaped source line; `indent` and `caret_width` count terminal columns."""

    line_number: str
    text: str
    indent: int
    caret_width: int


def make_snippet(span: Span) -> Snippet | None:
    """Return the first line of `span`, or None if the source does not have that line.

    A line that is too wide is clipped to the surroundings of the caret. The text of a source is
    empty if the file could not be read or decoded.
    """
    lines = span.source.lines
    if not 1 <= span.line <= len(lines) or not span.source.text:
        return None
    line = lines[span.line - 1]
    start = min(span.column - 1, len(line))
    end = span.end_column - 1 if span.end_line == span.line else len(line.rstrip())
    # A caret at least, also for an empty span, but not beyond the end of the line.
    end = min(max(end, start + 1), len(line))
    first, last = 0, len(line)
    # `len` first: a line can be a megabyte long, and `display_width` looks at every character.
    if len(line) > MAX_WIDTH or display_width(line) > MAX_WIDTH:
        first, remaining = start, _CONTEXT_WIDTH
        while first > 0 and (remaining := remaining - _width(line[first - 1])) >= 0:
            first -= 1
        leading_width = sum(_width(character) for character in line[first:start])
        last, remaining = start, MAX_WIDTH - leading_width - 2 * len(_ELLIPSIS)
        while last < len(line) and (remaining := remaining - _width(line[last])) >= 0:
            last += 1
        # The character at the caret is shown even if it does not fit: a tab is four columns wide,
        # an escaped character up to ten.
        last = max(last, min(start + 1, len(line)))
    head = _ELLIPSIS if first > 0 else ""
    tail = _ELLIPSIS if last < len(line) else ""
    return Snippet(
        line_number=str(span.line),
        text=head + escape_terminal(line[first:last]) + tail,
        indent=len(head) + display_width(line[first:start]),
        caret_width=max(display_width(line[start : min(end, last)]), 1),
    )


def _width(character: str) -> int:
    # At least 1: combining marks take no column, so that the loops of `make_snippet` would pass
    # over a megabyte of them without using up the width.
    return max(display_width(character), 1)
