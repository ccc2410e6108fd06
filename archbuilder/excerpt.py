"""Cuts the line out of a source that a mistake is in, and finds where the caret stands below it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from archbuilder.escaping import columns, for_terminal
from archbuilder.tree import Span

WIDTH: Final = 100
"""Columns of a terminal that a source line may take."""
_BEFORE: Final = WIDTH // 3
_DOTS: Final = "..."


@dataclass(frozen=True, slots=True)
class Excerpt:
    """A source line ready for a terminal; `indent` and `caret` count columns of the terminal."""

    number: str
    text: str
    indent: int
    caret: int


def excerpt(span: Span) -> Excerpt | None:
    """The first line of `span`; None where the source has no such line."""
    lines = span.source.lines
    if not 1 <= span.line <= len(lines) or not span.source.text:
        return None
    line = lines[span.line - 1]
    start = min(span.column - 1, len(line))
    end = span.end_column - 1 if span.end_line == span.line else len(line.rstrip())
    end = min(max(end, start + 1), len(line))
    first, last = _window(line, start)
    head = _DOTS if first > 0 else ""
    tail = _DOTS if last < len(line) else ""
    return Excerpt(
        number=str(span.line),
        text=head + for_terminal(line[first:last]) + tail,
        indent=len(head) + columns(line[first:start]),
        caret=max(columns(line[start : min(end, last)]), 1),
    )


def _window(line: str, start: int) -> tuple[int, int]:
    """The part of a line that is shown: all of it, or what surrounds `start` within the width."""
    if len(line) <= WIDTH and columns(line) <= WIDTH:
        return 0, len(line)
    first, room = start, _BEFORE
    while first > 0 and (room := room - _cost(line[first - 1])) >= 0:
        first -= 1
    before = sum(_cost(character) for character in line[first:start])
    last, room = start, WIDTH - before - 2 * len(_DOTS)
    while last < len(line) and (room := room - _cost(line[last])) >= 0:
        last += 1
    return first, max(last, min(start + 1, len(line)))


def _cost(character: str) -> int:
    # Combining characters take no column, and a stranger can write a megabyte of them.
    return max(columns(character), 1)
