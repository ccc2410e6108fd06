"""Errors as data: their location, what is wrong, and a likely fix.

    Exception
     ├── ArchbuilderError           an error of the user; shown without a traceback
     │    ├── BlueprintError        errors in a blueprint; carries diagnostics      exit code 2
     │    ├── UsageError            a wrong call of a command or of the API         exit code 2
     │    ├── RunError              the blueprint is valid, but the run failed      exit code 1
     │    │    ├── LocatedError     has a location in the blueprint
     │    │    │    ├── StepError   a step of the network failed while it ran
     │    │    │    └── DataError   data is damaged or does not fit
     │    │    └── ClusterError     workers do not connect, or one was lost         exit code 75
     │    └── RunInterruptedError   the run was stopped and can be resumed          exit code 75
     └── InternalError              a bug of archbuilder; asks for a report         exit code 1

    KeyboardInterrupt
     └── CheckpointedInterrupt      Ctrl-C, after which a checkpoint was saved      exit code 130

`archbuilder.diagnostics.render` formats diagnostics, and `archbuilder.diagnostics.explanations`
explains each code.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final, Literal

from archbuilder.diagnostics.code import Code
from archbuilder.diagnostics.escape import escaped_repr
from archbuilder.diagnostics.span import NO_FILE, Span

Severity = Literal["error", "warning"]


@dataclass(frozen=True, slots=True)
class ExpansionFrame:
    """A frame of the expansion, as in a stack trace: a block, a function, an objective, a variant.

    `span` is where the block was used, the function was called or the variant was declared.
    `parent` is the frame around it. A parameter is a frame if it holds a block: where it is used as
    a step.
    """

    kind: Literal["block", "function", "objective", "parameter", "variant"]
    name: str
    span: Span
    parent: ExpansionFrame | None = None

    @property
    def text(self) -> str:
        """The frame in words, as in "in block 'fire'"."""
        return f"in {self.kind} '{self.name}'"

    @property
    def verb(self) -> str:
        """What the blueprint does with the block, function or variant at `span`."""
        return {"function": "called", "variant": "declared"}.get(self.kind, "used")

    def chain(self) -> Iterator[ExpansionFrame]:
        """Yield this frame and its parents, innermost first."""
        frame: ExpansionFrame | None = self
        while frame is not None:
            yield frame
            frame = frame.parent


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """An error or a warning.

    `code` is stable and has a document in `diagnostics/codes`. `label` is shown after the caret
    ("did you mean 'filters'?"), `notes` are further lines, and `suggestion` is a likely
    replacement for the text at `span`.
    """

    code: Code
    message: str
    span: Span | None
    severity: Severity = "error"
    label: str = ""
    suggestion: str | None = None
    notes: tuple[str, ...] = ()
    frame: ExpansionFrame | None = None

    def __post_init__(self) -> None:
        """Drop a span that is in no file."""
        if self.span is NO_FILE:
            object.__setattr__(self, "span", None)

    @property
    def location(self) -> tuple[str, int, int]:
        """File, line and column as a sort key; diagnostics without a span sort first."""
        if self.span is None:
            return ("", 0, 0)
        return (self.span.source.name, self.span.line, self.span.column)


class ArchbuilderError(Exception):
    """An error whose message is for the user. `exit_code` is the exit code of the command."""

    exit_code = 1


class BlueprintError(ArchbuilderError):
    """One or more errors in a blueprint.

    The message has one line per diagnostic; `diagnostics.render` shows the source lines as well.
    """

    exit_code = 2

    def __init__(self, diagnostics: Iterable[Diagnostic]) -> None:
        self.diagnostics = tuple(sorted(diagnostics, key=lambda diagnostic: diagnostic.location))
        super().__init__("\n".join(_one_line(diagnostic) for diagnostic in self.diagnostics))


class UsageError(ArchbuilderError):
    """A command or an API call with invalid arguments."""

    exit_code = 2


class RunError(ArchbuilderError):
    """A failure of a run whose blueprint is valid: a full disk, a missing data file."""

    exit_code = 1


class LocatedError(RunError):
    """A failure of a run with a diagnostic, whose span is the cause in the blueprint."""

    def __init__(self, diagnostic: Diagnostic) -> None:
        self.diagnostics = (diagnostic,)
        super().__init__(_one_line(diagnostic))


class StepError(LocatedError):
    """A step of a network failed while it ran; the span is that of the step."""


class DataError(LocatedError):
    """Data is missing, damaged or does not fit; the span is where the blueprint names the data."""


EXIT_TEMPORARY_FAILURE: Final = 75
"""EX_TEMPFAIL of sysexits.h: a supervisor may start the same command again."""


class RunInterruptedError(ArchbuilderError):
    """A run was stopped by a signal; its state was saved and it can be resumed."""

    exit_code = EXIT_TEMPORARY_FAILURE


# Not an ArchbuilderError: a program that Ctrl-C ends expects a KeyboardInterrupt.
class CheckpointedInterrupt(KeyboardInterrupt):
    """Ctrl-C stopped a run; its state was saved and it can be resumed."""


class ClusterError(RunError):
    """The workers of a run cannot connect, or one was lost; the run can be resumed."""

    exit_code = EXIT_TEMPORARY_FAILURE


# Not an ArchbuilderError: commands show those without a traceback, and a bug needs its traceback.
class InternalError(Exception):
    """A bug of archbuilder itself."""

    def __init__(self, message: str) -> None:
        super().__init__(f"{message}\nThis is a bug in archbuilder. Please report it.")


class ErrorTracker:
    """Tells whether an error was reported after the tracker was created.

    A repeated error counts as well, such as one that the semantic check or another call of the same
    block has reported before. `Diagnostics.error_count` does not change for it.
    """

    def __init__(self, report_count: Callable[[], int]) -> None:
        self._report_count = report_count
        self._initial_count = report_count()

    # Not a property: mypy would treat its value as constant between two reads.
    def has_errors(self) -> bool:
        """Return whether an error was reported since."""
        return self._report_count() > self._initial_count


class Diagnostics:
    """The diagnostics of one compiler stage, without duplicates.

    A stage adds every error that it finds before it raises, so that users see all at once. `frame`
    is the origin of all of them.

    Attributes:
        error_count: The number of errors, without duplicates.
    """

    def __init__(self, *, maximum: int = 100, frame: ExpansionFrame | None = None) -> None:
        self._maximum = maximum
        self._diagnostics: dict[object, Diagnostic] = {}
        self._frame = frame
        self._explanations: dict[Span, tuple[str, ...]] = {}
        self.error_count = 0
        self._report_count = 0

    def __iter__(self) -> Iterator[Diagnostic]:
        return iter(self._diagnostics.values())

    @property
    def errors(self) -> tuple[Diagnostic, ...]:
        """The errors, which stop the compiler after the stage."""
        return tuple(diagnostic for diagnostic in self if diagnostic.severity == "error")

    @property
    def warnings(self) -> tuple[Diagnostic, ...]:
        """The warnings, which do not stop the compiler."""
        return tuple(diagnostic for diagnostic in self if diagnostic.severity == "warning")

    def add(self, diagnostic: Diagnostic) -> None:
        """Add a diagnostic, unless one with the same code, location and message exists.

        Raises:
            BlueprintError: if the number of errors reaches the maximum.
        """
        is_error = diagnostic.severity == "error"
        self._report_count += is_error
        # Without the frame: an error in a block that is used ten times is reported once.
        key = (diagnostic.code, diagnostic.location, diagnostic.message)
        if key in self._diagnostics:
            return
        self._diagnostics[key] = diagnostic
        self.error_count += is_error
        # Nobody reads more of them, and a hostile file can have one error for every value.
        if self.error_count >= self._maximum:
            raise BlueprintError(self)

    def error(
        self,
        code: Code,
        message: str,
        span: Span | None,
        *,
        label: str = "",
        suggestion: str | None = None,
        notes: tuple[str, ...] = (),
    ) -> None:
        """Add an error at `span`, with the frame of the surrounding `within` context."""
        if suggestion is not None and not label:
            label = f"did you mean '{suggestion}'?"
        if span is not None and span in self._explanations:
            notes += self._explanations[span]
        self.add(
            Diagnostic(
                code, message, span, "error", label, suggestion, notes=notes, frame=self._frame
            )
        )

    def limit_error(self, limit: str, message: str, span: Span | None) -> None:
        """Add an error about more than a limit allows, which the command line can raise."""
        self.error("limit-exceeded", message, span, notes=(f"raise it with --limit {limit}=N",))

    def extend(self, diagnostics: Iterable[Diagnostic]) -> None:
        """Add several diagnostics, such as those of a `BlueprintError`."""
        for diagnostic in diagnostics:
            self.add(diagnostic)

    def warning(
        self,
        code: Code,
        message: str,
        span: Span | None,
        *,
        label: str = "",
        notes: tuple[str, ...] = (),
    ) -> None:
        """Add a warning at `span`, with the frame of the surrounding `within` context."""
        self.add(Diagnostic(code, message, span, "warning", label, notes=notes, frame=self._frame))

    def explain(self, span: Span, notes: tuple[str, ...]) -> None:
        """Add notes to the errors that are reported at `span` from now on, in place of others.

        They say where the value comes from that an expression has there.
        """
        if notes:
            self._explanations[span] = notes
        else:
            self._explanations.pop(span, None)

    @property
    def frame(self) -> ExpansionFrame | None:
        """The frame of the surrounding `within` context."""
        return self._frame

    @contextmanager
    def within(self, frame: ExpansionFrame | None) -> Iterator[None]:
        """Attach `frame` to all diagnostics that are added within this context."""
        outer, self._frame = self._frame, frame
        try:
            yield
        finally:
            self._frame = outer

    def track_errors(self) -> ErrorTracker:
        """Return a tracker of the errors that are reported from now on."""
        return ErrorTracker(lambda: self._report_count)

    def raise_errors(self) -> None:
        """Raise all diagnostics if at least one of them is an error.

        Raises:
            BlueprintError: with all errors and warnings so far.
        """
        if self.error_count:
            raise BlueprintError(self)


def closest_match(word: str, candidates: Iterable[str]) -> str | None:
    """Return the candidate that is most similar to a mistyped `word`, or None."""
    by_normalized: dict[str, str] = {}
    for candidate in candidates:
        # Keras has two names for most objects, 'MeanSquaredError' and 'mean_squared_error'. The
        # suggestion is the one in the spelling that the user chose.
        key = candidate.lower().replace("_", "")
        if key not in by_normalized or ("_" in word) == ("_" in candidate):
            by_normalized[key] = candidate
    # difflib takes quadratic time, and the word may be a string of 65,536 characters.
    normalized = word[:100].lower().replace("_", "")
    for key, candidate in by_normalized.items():
        # Transposed letters are the most common typo, and difflib ranks 'for' above 'from' for
        # 'form'.
        if sorted(key) == sorted(normalized):
            return candidate
    matches = difflib.get_close_matches(normalized, by_normalized, n=1, cutoff=0.6)
    return by_normalized[matches[0]] if matches else None


def did_you_mean(word: str, candidates: Iterable[str], otherwise: str = "") -> str:
    """Return the question whether a mistyped `word` is the closest match, or else another hint."""
    match = closest_match(word, candidates)
    return f"did you mean {quote(match)}?" if match is not None else otherwise


def quote(value: object, max_length: int = 60) -> str:
    """Return the repr of `value`, escaped for terminals and logs, and truncated."""
    text = escaped_repr(value)
    return text if len(text) <= max_length else text[: max_length - 3] + "..."


def quote_list(names: Iterable[object], limit: int = 10) -> str:
    """Return the first names and the number of the others: `'a', 'b' and 29,998 more`."""
    items = list(names)
    text = ", ".join(map(quote, items[:limit])) or "none"
    return text if len(items) <= limit else f"{text} and {len(items) - limit:,} more"


def _one_line(diagnostic: Diagnostic) -> str:
    where = f" at {diagnostic.span}" if diagnostic.span else ""
    frames = diagnostic.frame.chain() if diagnostic.frame else ()
    variant = "".join(f", {each.text}" for each in frames if each.kind == "variant")
    return f"{diagnostic.severity}[{diagnostic.code}]: {diagnostic.message}{where}{variant}"
