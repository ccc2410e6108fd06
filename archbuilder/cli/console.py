"""Output of commands: results to standard output, everything else to standard error."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import click

from archbuilder.diagnostics.errors import Diagnostic, RunError
from archbuilder.diagnostics.escape import escape_terminal
from archbuilder.diagnostics.render import ErrorFormat, render, render_message


@dataclass(slots=True)
class Console:
    """Output streams and output settings of one command."""

    arguments: tuple[str, ...] = ()
    """The command line, which a run records."""
    error_format: ErrorFormat = "text"
    debug: bool = False
    """Whether a traceback is shown for internal errors."""
    has_status_line: bool = False
    """Whether the terminal shows a status line, which the next output replaces."""

    def print(self, text: str) -> None:
        """Write a result to standard output. The caller escapes text of other origin."""
        # Erase the status line first: both streams may be the same terminal.
        self.show_status("")
        _write(text)

    def print_saved(self, path: Path) -> None:
        """Say on standard output that a file was written."""
        self.print(escape_terminal(f"Saved {path}"))

    def print_stderr(self, text: str) -> None:
        """Write a message to standard error, with terminal control characters escaped."""
        self.show_status("")
        # escape_terminal puts its text on one line, so that each line is escaped alone.
        _write("\n".join(escape_terminal(line) for line in text.split("\n")), err=True)

    @property
    def is_plain(self) -> bool:
        """Whether standard error is not a terminal on which a line can be overwritten."""
        return not sys.stderr.isatty() or os.environ.get("TERM") == "dumb"

    def show_status(self, text: str) -> None:
        """Show a line on the terminal that the next output replaces; an empty text removes it."""
        if self.is_plain or not (text or self.has_status_line):
            return
        # Carriage return, then the ANSI sequence that erases to the end of the line.
        _write(f"\r\x1b[K{text}", err=True, newline=False)
        self.has_status_line = bool(text)

    def print_error(self, message: str) -> None:
        """Write an error message to standard error."""
        self.show_status("")
        _write(render_message(message, self.error_format), err=True)

    def report_diagnostics(self, diagnostics: Iterable[Diagnostic]) -> None:
        """Render diagnostics to standard error, if there are any."""
        diagnostics = tuple(diagnostics)
        if not diagnostics:
            return
        # An empty NO_COLOR counts as unset: https://no-color.org
        color = not self.is_plain and not os.environ.get("NO_COLOR")
        _write(render(diagnostics, self.error_format, color=color), err=True)

    def print_diagnostics(self, diagnostics: Iterable[Diagnostic]) -> None:
        """Render diagnostics to standard output, for commands whose result they are."""
        text = render(diagnostics, self.error_format)
        if text:
            _write(text)


class OutputClosedError(Exception):
    """The reader of the output has closed it, as in `archbuilder explain | head -1`."""


def _write(text: str, *, err: bool = False, newline: bool = True) -> None:
    try:
        click.echo(text, err=err, nl=newline)
    except BrokenPipeError:
        # click handles EPIPE itself and calls sys.exit(1), also outside its standalone mode.
        raise OutputClosedError from None
    except OSError as error:
        where = "error output" if err else "standard output"
        raise RunError(f"cannot write to the {where}: {error.strerror or error}") from error


def configure_streams() -> None:
    """Make the output streams escape characters that their encoding lacks.

    By default standard output raises UnicodeEncodeError for them.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
