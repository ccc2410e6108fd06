"""Mistakes as data: where they are, what is wrong, what would be right.

    Exception
     ├── ArchbuilderError         what the command line shows without a traceback
     │    ├── BlueprintError      the user's to mend; carries diagnostics        exit code 2
     │    ├── UsageError          a wrong call of the command or the API         exit code 2
     │    ├── RunError            the blueprint is fine, the run was not         exit code 1
     │    │    └── LocatedError   has a place in the blueprint
     │    │         ├── StepError a step failed while it computed
     │    │         └── DataError data is damaged or does not fit
     │    └── StoppedError        the run was told to stop, and can go on        exit code 75
     └── InternalError            ours to mend; asks for a report                exit code 1

How diagnostics look on a screen is `archbuilder.diagnostics.render`; what each code means is
`archbuilder.diagnostics.codes`.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final, Literal

from archbuilder.diagnostics.escape import escaped_repr
from archbuilder.diagnostics.span import Span

Severity = Literal["error", "warning"]


@dataclass(frozen=True, slots=True)
class ExpansionFrame:
    """One link of the chain that led to a place, innermost first.

    `text` says what this link is ("in block 'fire'"), `span` where it was used or declared.
    """

    text: str
    span: Span
    parent: ExpansionFrame | None = None
    verb: Literal["used", "declared"] = "used"

    def chain(self) -> Iterator[ExpansionFrame]:
        """This frame and all that it was used from."""
        frame: ExpansionFrame | None = self
        while frame is not None:
            yield frame
            frame = frame.parent


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """One mistake.

    `code` is stable and has an entry in `diagnostics.codes`. `label` stands behind the caret
    ("did you mean 'filters'?"), `notes` are further lines, and `suggestion` is the replacement
    for the text at `span`, where one is likely.
    """

    code: str
    message: str
    span: Span | None
    severity: Severity = "error"
    label: str = ""
    suggestion: str | None = None
    notes: tuple[str, ...] = ()
    frame: ExpansionFrame | None = None

    @property
    def location(self) -> tuple[str, int, int]:
        """File, line and column, for sorting; mistakes without a place come first."""
        if self.span is None:
            return ("", 0, 0)
        return (self.span.source.name, self.span.line, self.span.column)


class ArchbuilderError(Exception):
    """An error with a message for the user. `exit_code` is what the command returns."""

    exit_code = 1


class BlueprintError(ArchbuilderError):
    """One or more mistakes in a blueprint.

    The message has one line a mistake; `diagnostics.render` shows the source lines too.
    """

    exit_code = 2

    def __init__(self, diagnostics: Iterable[Diagnostic]) -> None:
        self.diagnostics = tuple(sorted(diagnostics, key=lambda diagnostic: diagnostic.location))
        super().__init__("\n".join(_one_line(diagnostic) for diagnostic in self.diagnostics))


class UsageError(ArchbuilderError):
    """A command or a call that cannot be carried out as it was written."""

    exit_code = 2


class RunError(ArchbuilderError):
    """The blueprint is right, but the run failed: a full disk, a missing data file."""

    exit_code = 1


class LocatedError(RunError):
    """A run that failed; the diagnostic has the place in the blueprint that it goes back to."""

    def __init__(self, diagnostic: Diagnostic) -> None:
        self.diagnostics = (diagnostic,)
        super().__init__(_one_line(diagnostic))


class StepError(LocatedError):
    """A step of a network failed while it computed; its place is that of the step."""


class DataError(LocatedError):
    """Data is missing, damaged or does not fit; its place is where the data is named."""


EXIT_TEMPORARY_FAILURE: Final = 75
"""EX_TEMPFAIL of sysexits.h: a supervisor may start the command again."""


class RunInterruptedError(ArchbuilderError):
    """A run was told to stop, kept what it had, and can go on."""

    exit_code = EXIT_TEMPORARY_FAILURE


class ClusterError(RunError):
    """The workers of a run do not come together, or lost one of them; the run can be resumed."""

    exit_code = EXIT_TEMPORARY_FAILURE


class InternalError(Exception):
    """A mistake of archbuilder itself."""

    def __init__(self, message: str) -> None:
        super().__init__(f"{message}\nThis is a mistake in archbuilder, please report it.")


class Diagnostics:
    """Collects the mistakes of one stage, each only once, so that a user sees all of them."""

    def __init__(self, *, maximum: int = 100) -> None:
        self._maximum = maximum
        self._diagnostics: dict[object, Diagnostic] = {}
        self._frame: ExpansionFrame | None = None
        self.error_count = 0

    def __iter__(self) -> Iterator[Diagnostic]:
        return iter(self._diagnostics.values())

    @property
    def errors(self) -> tuple[Diagnostic, ...]:
        """The mistakes that stop the compiler."""
        return tuple(diagnostic for diagnostic in self if diagnostic.severity == "error")

    @property
    def warnings(self) -> tuple[Diagnostic, ...]:
        """The mistakes that do not."""
        return tuple(diagnostic for diagnostic in self if diagnostic.severity == "warning")

    def add(self, diagnostic: Diagnostic) -> None:
        """Keep a mistake, unless the same one was found at the same place before.

        Raises:
            BlueprintError: when there are more mistakes than a person would read.
        """
        key = (diagnostic.code, diagnostic.location, diagnostic.message)
        if key in self._diagnostics:
            return
        self._diagnostics[key] = diagnostic
        self.error_count += diagnostic.severity == "error"
        if self.error_count >= self._maximum:
            raise BlueprintError(self)

    def error(
        self,
        code: str,
        message: str,
        span: Span | None,
        *,
        label: str = "",
        suggestion: str | None = None,
        notes: tuple[str, ...] = (),
    ) -> None:
        """Keep an error at `span`, in the blocks that the stage is in (see `inside`)."""
        if suggestion is not None and not label:
            label = f"did you mean '{suggestion}'?"
        self.add(
            Diagnostic(
                code, message, span, "error", label, suggestion, notes=notes, frame=self._frame
            )
        )

    def warning(self, code: str, message: str, span: Span | None, *, label: str = "") -> None:
        """Keep a warning at `span`."""
        self.add(Diagnostic(code, message, span, "warning", label, frame=self._frame))

    @contextmanager
    def within(self, frame: ExpansionFrame | None) -> Iterator[None]:
        """Everything found in this context carries `frame` as the chain that led to it."""
        outer, self._frame = self._frame, frame
        try:
            yield
        finally:
            self._frame = outer

    def raise_errors(self) -> None:
        """Raise what was found, if any of it is an error.

        Raises:
            BlueprintError: with all errors and warnings so far.
        """
        if self.error_count:
            raise BlueprintError(self)


def closest_match(word: str, candidates: Iterable[str]) -> str | None:
    """The candidate that a mistyped `word` most likely stands for, if one is near."""
    by_normalized: dict[str, str] = {}
    for candidate in candidates:
        # Keras has two names for most: 'MeanSquaredError' and 'mean_squared_error'.
        key = candidate.lower().replace("_", "")
        if key not in by_normalized or ("_" in word) == ("_" in candidate):
            by_normalized[key] = candidate
    normalized = word[:100].lower().replace("_", "")
    for key, candidate in by_normalized.items():
        # Swapped letters are the commonest slip, and difflib ranks 'for' above 'from' for 'form'.
        if sorted(key) == sorted(normalized):
            return candidate
    matches = difflib.get_close_matches(normalized, by_normalized, n=1, cutoff=0.6)
    return by_normalized[matches[0]] if matches else None


def quote(value: object, max_length: int = 60) -> str:
    """`value` as a short piece of printable text, safe in a terminal and in a log."""
    text = escaped_repr(value)
    return text if len(text) <= max_length else text[: max_length - 3] + "..."


def quote_list(names: Iterable[object], limit: int = 10) -> str:
    """Return the first names, and how many more there are: `'a', 'b' and 29,998 more`."""
    items = list(names)
    text = ", ".join(map(quote, items[:limit])) or "none"
    return text if len(items) <= limit else f"{text} and {len(items) - limit:,} more"


def _one_line(diagnostic: Diagnostic) -> str:
    where = f" at {diagnostic.span}" if diagnostic.span else ""
    return f"{diagnostic.severity}[{diagnostic.code}]: {diagnostic.message}{where}"
