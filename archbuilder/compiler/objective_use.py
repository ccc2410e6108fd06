"""Where a recipe names an objective of a file, and errors of the objective at this place."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

from archbuilder.diagnostics.errors import (
    BlueprintError,
    Diagnostic,
    Diagnostics,
    ExpansionFrame,
    LocatedError,
)
from archbuilder.diagnostics.snippet import make_snippet
from archbuilder.diagnostics.span import SourceText, Span


@dataclass(frozen=True, slots=True)
class ObjectiveUse:
    """The place that names an objective, as in `objective: vae`, and the file of the objective."""

    name: str
    span: Span
    file: SourceText
    is_library: bool
    """Whether the file is in the library: an error in it is one of the blueprint that uses it."""

    @property
    def frame(self) -> ExpansionFrame | None:
        """The frame of errors that stay in the file; None in the library, where none stays."""
        return None if self.is_library else ExpansionFrame("objective", self.name, self.span)

    def has(self, diagnostic: Diagnostic) -> bool:
        """Return whether a diagnostic is in the file of the objective."""
        return diagnostic.span is not None and diagnostic.span.source.name == self.file.name

    def locate(self, diagnostic: Diagnostic) -> Diagnostic:
        """Return a diagnostic with the place that names the objective.

        In the library, this is its location, and the step is a note. The text at the place is not
        that which a label or a suggestion is about.
        """
        span = diagnostic.span
        if span is None or not self.has(diagnostic):
            return diagnostic
        if not self.is_library:
            return replace(diagnostic, frame=diagnostic.frame or self.frame)
        snippet = make_snippet(span)
        text = "" if snippet is None else f": {snippet.text.strip()}"
        note = f"in objective '{self.name}' at {span}{text}"
        notes = (*diagnostic.notes, note)
        return replace(diagnostic, span=self.span, label="", suggestion=None, notes=notes)


@contextmanager
def errors_at_use(use: ObjectiveUse | None) -> Iterator[None]:
    """Give the errors that are raised in this context the place that names the objective.

    Raises:
        BlueprintError: in place of one without the place.
        LocatedError: likewise.
    """
    try:
        yield
    except BlueprintError as error:
        if use is None:
            raise
        raise BlueprintError(map(use.locate, error.diagnostics)) from error.__cause__
    except LocatedError as error:
        if use is None:
            raise
        raise type(error)(use.locate(error.diagnostics[0])) from error.__cause__


@contextmanager
def diagnostics_at_use(use: ObjectiveUse | None, outer: Diagnostics) -> Iterator[Diagnostics]:
    """Add the diagnostics of this context to others, with the place that names the objective.

    What a blueprint does not use of the library is no warning.

    Raises:
        BlueprintError: if there are too many errors.
    """
    frame = None if use is None else use.frame
    diagnostics = Diagnostics(
        frame=outer.frame if frame is None else replace(frame, parent=outer.frame)
    )
    try:
        yield diagnostics
    finally:
        for diagnostic in diagnostics:
            if use is None:
                outer.add(diagnostic)
            elif diagnostic.severity == "error" or not use.is_library or not use.has(diagnostic):
                outer.add(use.locate(diagnostic))
