"""Cuts the line out of a source that a mistake is in, and finds where the caret stands below it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from archbuilder.diagnostics.escape import display_width, escape_terminal
from archbuilder.diagnostics.span import Span

MAX_WIDTH: Final = 100
"""Columns of a terminal that a source line may take."""
_CONTEXT_WIDTH: Final = MAX_WIDTH // 3
_ELLIPSIS: Final = "..."


@dataclass(frozen=True, slots=True)
class Snippet:
    """A source line ready for a terminal; `indent` and `caret` count columns of the terminal."""

    line_number: str
    text: str
    indent: int
    caret_width: int


def make_snippet(span: Span) -> Snippet | None:
    """The first line of `span`; None where the source has no such line."""
    lines = span.source.lines
    if not 1 <= span.line <= len(lines) or not span.source.text:
        return None
    line = lines[span.line - 1]
    start = min(span.column - 1, len(line))
    end = span.end_column - 1 if span.end_line == span.line else len(line.rstrip())
    end = min(max(end, start + 1), len(line))
    first, last = _clip(line, start)
    head = _ELLIPSIS if first > 0 else ""
    tail = _ELLIPSIS if last < len(line) else ""
    return Snippet(
        line_number=str(span.line),
        text=head + escape_terminal(line[first:last]) + tail,
        indent=len(head) + display_width(line[first:start]),
        caret_width=max(display_width(line[start : min(end, last)]), 1),
    )


def _clip(line: str, start: int) -> tuple[int, int]:
    """The part of a line that is shown: all of it, or what surrounds `start` within the width."""
    if len(line) <= MAX_WIDTH and display_width(line) <= MAX_WIDTH:
        return 0, len(line)
    first, remaining = start, _CONTEXT_WIDTH
    while first > 0 and (remaining := remaining - _width(line[first - 1])) >= 0:
        first -= 1
    leading_width = sum(_width(character) for character in line[first:start])
    last, remaining = start, MAX_WIDTH - leading_width - 2 * len(_ELLIPSIS)
    while last < len(line) and (remaining := remaining - _width(line[last])) >= 0:
        last += 1
    return first, max(last, min(start + 1, len(line)))


def _width(character: str) -> int:
    # Combining characters take no column, and a stranger can write a megabyte of them.
    return max(display_width(character), 1)
