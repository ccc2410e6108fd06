"""Shows mistakes: as text for people, as JSON for editors, as annotations for GitHub.

What others wrote passes `archbuilder.escaping` on its way out; colours are added behind that.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from typing import Final, Literal, TypeAlias

from archbuilder.errors import Diagnostic, Frame, Severity
from archbuilder.escaping import for_terminal, for_workflow, for_workflow_property
from archbuilder.excerpt import Excerpt, excerpt
from archbuilder.tree import Plain

Format: TypeAlias = Literal["text", "json", "github"]
FORMATS: Final[tuple[Format, ...]] = ("text", "json", "github")

MAXIMUM_FRAMES: Final = 8
"""Links of the chain of blocks that are shown; a longer chain loses its middle."""

_SEVERITY_COLOURS: Final[dict[Severity, str]] = {"error": "1;31", "warning": "1;33"}
_FRAME_COLOUR: Final = "36"

_Paint: TypeAlias = Callable[[str, str], str]


def render(
    diagnostics: Iterable[Diagnostic], form: Format = "text", *, colour: bool = False
) -> str:
    """All `diagnostics` in the order given, without a line break at the end.

    `text` is for people: the source line with a caret, and a summary at the end; nothing at all
    where there are no diagnostics. `json` is a list of objects with the keys `code`, `severity`,
    `message`, `file`, `line`, `column`, `end_line`, `end_column` (null without a place; columns
    count from 1, the end is exclusive), `label`, `suggestion` (null without one), `notes`, and
    `frames`, each with `text`, `file`, `line` and `column`, innermost first. `github` is one
    workflow command a line.
    """
    found = tuple(diagnostics)
    if form == "json":
        return json.dumps([_as_json(diagnostic) for diagnostic in found], indent=2)
    if form == "github":
        return "\n".join(_as_command(diagnostic) for diagnostic in found)
    if not found:
        return ""
    paint = _coloured if colour else _plain
    blocks = [_as_text(diagnostic, paint) for diagnostic in found]
    return "\n\n".join([*blocks, summary(found)])


def summary(diagnostics: Sequence[Diagnostic]) -> str:
    """How many there are: `2 errors, 1 warning`."""
    counts = []
    for severity in ("error", "warning"):
        count = sum(diagnostic.severity == severity for diagnostic in diagnostics)
        if count:
            counts.append(f"{count} {severity}{'' if count == 1 else 's'}")
    return ", ".join(counts)


def _as_text(diagnostic: Diagnostic, paint: _Paint) -> str:
    colour = _SEVERITY_COLOURS[diagnostic.severity]
    head = paint(f"{diagnostic.severity}[{for_terminal(diagnostic.code)}]", colour)
    lines = [f"{head}: {for_terminal(diagnostic.message)}"]
    margin = 1
    if diagnostic.span is not None:
        shown = excerpt(diagnostic.span)
        margin = 1 if shown is None else len(shown.number)
        arrow = paint("-->", _FRAME_COLOUR)
        lines.append(f"{' ' * margin}{arrow} {for_terminal(str(diagnostic.span))}")
        if shown is not None:
            lines += _source_lines(shown, diagnostic.label, paint, colour)
        elif diagnostic.label:
            lines.append(_note(diagnostic.label, margin, paint))
    elif diagnostic.label:
        lines.append(_note(diagnostic.label, margin, paint))
    notes = [*diagnostic.notes, *_frame_notes(diagnostic.frame)]
    return "\n".join([*lines, *(_note(note, margin, paint) for note in notes)])


def _source_lines(shown: Excerpt, label: str, paint: _Paint, colour: str) -> list[str]:
    bar = paint("|", _FRAME_COLOUR)
    empty = " " * len(shown.number)
    marker = paint(f"{'^' * shown.caret} {for_terminal(label)}".rstrip(), colour)
    return [
        f"{empty} {bar}",
        f"{paint(shown.number, _FRAME_COLOUR)} {bar} {shown.text}".rstrip(),
        f"{empty} {bar} {' ' * shown.indent}{marker}",
    ]


def _note(text: str, margin: int, paint: _Paint) -> str:
    return f"{' ' * margin} {paint('=', _FRAME_COLOUR)} {for_terminal(text)}"


def _frame_notes(innermost: Frame | None) -> list[str]:
    frames = list(innermost.chain()) if innermost else []
    notes = [f"{frame.text}, {frame.verb} at {frame.span}" for frame in frames]
    if len(notes) > MAXIMUM_FRAMES:
        half = MAXIMUM_FRAMES // 2
        notes[half:-half] = [f"... {len(notes) - 2 * half} more ..."]
    return notes


def _as_json(diagnostic: Diagnostic) -> dict[str, Plain]:
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


def _as_command(diagnostic: Diagnostic) -> str:
    properties = []
    span = diagnostic.span
    if span is not None:
        properties.append(f"file={for_workflow_property(span.source.name)}")
        properties += [f"line={span.line}", f"col={span.column}"]
    properties.append(f"title={for_workflow_property(diagnostic.code)}")
    lines = [diagnostic.message, diagnostic.label, *diagnostic.notes]
    lines += _frame_notes(diagnostic.frame)
    # A line break inside one of them is foreign and does not break the line.
    message = "\n".join(for_terminal(line) for line in lines if line)
    return f"::{diagnostic.severity} {','.join(properties)}::{for_workflow(message)}"


def _plain(text: str, _: str) -> str:
    return text


def _coloured(text: str, colour: str) -> str:
    return f"\x1b[{colour}m{text}\x1b[0m" if text else text
