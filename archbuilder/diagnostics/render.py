"""Render diagnostics as text for people, JSON for editors, or annotations for GitHub.

Untrusted text passes through `diagnostics.escape`; colors are added after that, or the escape
sequences of the colors would be escaped as well.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from typing import Final, Literal, TypeAlias

from archbuilder.diagnostics.errors import Diagnostic, ExpansionFrame, Severity
from archbuilder.diagnostics.escape import (
    escape_github_message,
    escape_github_property,
    escape_terminal,
)
from archbuilder.diagnostics.snippet import make_snippet
from archbuilder.plain_data import PlainData

ErrorFormat: TypeAlias = Literal["text", "json", "github"]
ERROR_FORMATS: Final[tuple[ErrorFormat, ...]] = ("text", "json", "github")

MAX_FRAMES: Final = 8
"""Frames that are shown of a chain of blocks; a longer chain loses its middle."""

# Parameters of the ANSI sequence SGR: bold red, bold yellow, cyan.
_SEVERITY_COLORS: Final[dict[Severity, str]] = {"error": "1;31", "warning": "1;33"}
_GUTTER_COLOR: Final = "36"

_Paint: TypeAlias = Callable[[str, str], str]


def render(
    diagnostics: Iterable[Diagnostic], error_format: ErrorFormat = "text", *, color: bool = False
) -> str:
    """Render `diagnostics` in their order, without a trailing line break.

    `text` is for people: each source line with a caret, and a summary at the end. It is empty if
    there are no diagnostics. `json` is a list of objects with the keys `code`, `severity`,
    `message`, `file`, `line`, `column`, `end_line`, `end_column` (null without a span; columns
    count from 1, the end is exclusive), `label`, `suggestion` (null without one), `notes`, and
    `frames`, each with `text`, `file`, `line` and `column`, innermost first. `github` is one
    workflow command per line.
    """
    all_diagnostics = tuple(diagnostics)
    if error_format == "json":
        return json.dumps([_to_json(diagnostic) for diagnostic in all_diagnostics], indent=2)
    if error_format == "github":
        return "\n".join(_to_github_annotation(diagnostic) for diagnostic in all_diagnostics)
    if not all_diagnostics:
        return ""

    def paint(text: str, parameters: str) -> str:
        return f"\x1b[{parameters}m{text}\x1b[0m" if color and text else text

    blocks = [_to_text(diagnostic, paint) for diagnostic in all_diagnostics]
    return "\n\n".join([*blocks, summary(all_diagnostics)])


def render_message(message: str, error_format: ErrorFormat = "text") -> str:
    """Render an error without a code and a location, with the same formats as `render`.

    In `json` its `code` is null.
    """
    if error_format == "json":
        # Any code, which null replaces.
        diagnostic = Diagnostic("file-error", message, span=None)
        return json.dumps([{**_to_json(diagnostic), "code": None}], indent=2)
    if error_format == "github":
        text = "\n".join(map(escape_terminal, message.split("\n")))
        return f"::error::{escape_github_message(text)}"
    # escape_terminal puts its text on one line, so that each line is escaped alone.
    return "\n".join(map(escape_terminal, f"error: {message}".split("\n")))


def summary(diagnostics: Sequence[Diagnostic]) -> str:
    """Return the number of diagnostics by severity: `2 errors, 1 warning`."""
    counts = []
    for severity in ("error", "warning"):
        count = sum(diagnostic.severity == severity for diagnostic in diagnostics)
        if count:
            counts.append(f"{count} {severity}{'' if count == 1 else 's'}")
    return ", ".join(counts)


def _to_text(diagnostic: Diagnostic, paint: _Paint) -> str:
    color = _SEVERITY_COLORS[diagnostic.severity]
    head = paint(f"{diagnostic.severity}[{escape_terminal(diagnostic.code)}]", color)
    lines = [f"{head}: {escape_terminal(diagnostic.message)}"]
    # Notes line up with the source line, whose number may have several digits.
    margin = 1
    if diagnostic.span is not None:
        snippet = make_snippet(diagnostic.span)
        margin = 1 if snippet is None else len(snippet.line_number)
        arrow = paint("-->", _GUTTER_COLOR)
        lines.append(f"{' ' * margin}{arrow} {escape_terminal(str(diagnostic.span))}")
        if snippet is not None:
            bar = paint("|", _GUTTER_COLOR)
            number = paint(snippet.line_number, _GUTTER_COLOR)
            caret = f"{'^' * snippet.caret_width} {escape_terminal(diagnostic.label)}".rstrip()
            lines += [
                f"{' ' * margin} {bar}",
                f"{number} {bar} {snippet.text}".rstrip(),
                f"{' ' * margin} {bar} {' ' * snippet.indent}{paint(caret, color)}",
            ]
        elif diagnostic.label:
            lines.append(_note(diagnostic.label, margin, paint))
    elif diagnostic.label:
        lines.append(_note(diagnostic.label, margin, paint))
    notes = [*diagnostic.notes, *_frame_notes(diagnostic.frame)]
    return "\n".join([*lines, *(_note(note, margin, paint) for note in notes)])


def _note(text: str, margin: int, paint: _Paint) -> str:
    return f"{' ' * margin} {paint('=', _GUTTER_COLOR)} {escape_terminal(text)}"


def _frame_notes(innermost: ExpansionFrame | None) -> list[str]:
    frames = list(innermost.chain()) if innermost else []
    notes = [f"{frame.text}, {frame.verb} at {frame.span}" for frame in frames]
    if len(notes) > MAX_FRAMES:
        half = MAX_FRAMES // 2
        notes[half:-half] = [f"... {len(notes) - 2 * half} more ..."]
    return notes


def _to_json(diagnostic: Diagnostic) -> dict[str, PlainData]:
    span = diagnostic.span
    frames = diagnostic.frame.chain() if diagnostic.frame else ()
    return {
        "code": diagnostic.code,
        "severity": diagnostic.severity,
        "message": diagnostic.message,
        "file": span.source.name if span else None,
        "line": span.line if span else None,
        "column": span.column if span else None,
        "end_line": span.end_line if span else None,
        "end_column": span.end_column if span else None,
        "label": diagnostic.label,
        "suggestion": diagnostic.suggestion,
        "notes": list(diagnostic.notes),
        "frames": [
            {
                "text": frame.text,
                "file": frame.span.source.name,
                "line": frame.span.line,
                "column": frame.span.column,
            }
            for frame in frames
        ],
    }


def _to_github_annotation(diagnostic: Diagnostic) -> str:
    properties = []
    span = diagnostic.span
    if span is not None:
        properties.append(f"file={escape_github_property(span.source.name)}")
        properties += [f"line={span.line}", f"col={span.column}"]
    properties.append(f"title={escape_github_property(diagnostic.code)}")
    lines = [diagnostic.message, diagnostic.label, *diagnostic.notes]
    lines += _frame_notes(diagnostic.frame)
    # Escaped one by one before they are joined: only the line breaks added here remain, not those
    # within a message, which may quote untrusted text.
    message = "\n".join(escape_terminal(line) for line in lines if line)
    return f"::{diagnostic.severity} {','.join(properties)}::{escape_github_message(message)}"
