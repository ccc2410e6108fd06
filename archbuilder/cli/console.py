"""Where a command writes: results to the standard output, everything else to the error output."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Iterable
from dataclasses import dataclass

import click

from archbuilder.diagnostics.errors import Diagnostic, RunError
from archbuilder.diagnostics.escape import escape_terminal
from archbuilder.diagnostics.render import OutputFormat, render


@dataclass(slots=True)
class Console:
    """How a command speaks. `errors` is the form that mistakes are shown in."""

    arguments: tuple[str, ...] = ()
    """The command line, for records of what was done."""
    error_format: OutputFormat = "text"
    debug: bool = False
    has_status_line: bool = False
    """Whether a line stands on the terminal that the next one takes the place of."""

    def print(self, text: str) -> None:
        """Write a result. Text from elsewhere in it is escaped already."""
        self.show_status("")
        _write(text)

    def print_stderr(self, text: str) -> None:
        """Tell something beside the result; it may quote what others wrote."""
        self.show_status("")
        _write("\n".join(escape_terminal(line) for line in text.split("\n")), err=True)

    @property
    def is_plain(self) -> bool:
        """Whether what is told stays, as in a file: there is no terminal to take it back."""
        return not sys.stderr.isatty() or os.environ.get("TERM") == "dumb"

    def show_status(self, text: str) -> None:
        """Show a line on the terminal that the next one takes the place of; nothing if empty."""
        if self.is_plain or not (text or self.has_status_line):
            return
        _write(f"\r\x1b[K{text}", err=True, newline=False)
        self.has_status_line = bool(text)

    def print_error(self, message: str) -> None:
        """Tell why the command did not do what it was asked to."""
        self.print_stderr(f"error: {message}")

    def report_diagnostics(self, diagnostics: Iterable[Diagnostic]) -> None:
        """Show mistakes on the error output."""
        text = render(diagnostics, self.error_format, color=_supports_color())
        if text:
            _write(text, err=True)

    def print_diagnostics(self, diagnostics: Iterable[Diagnostic]) -> None:
        """Show mistakes as the result of the command, where a program asked for them."""
        text = render(diagnostics, self.error_format)
        if text:
            _write(text)


class OutputClosedError(Exception):
    """Nobody reads the output any more, as in `archbuilder explain | head -1`."""


def _write(text: str, *, err: bool = False, newline: bool = True) -> None:
    try:
        click.echo(text, err=err, nl=newline)
    except BrokenPipeError:
        # As it is, click would end the process itself.
        raise OutputClosedError from None
    except OSError as error:
        where = "error output" if err else "standard output"
        raise RunError(f"cannot write to the {where}: {error.strerror or error}") from error


def configure_streams() -> None:
    """Let a terminal that lacks a character show its number instead of ending the command."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _supports_color() -> bool:
    # An empty NO_COLOR counts as unset: https://no-color.org
    return (
        sys.stderr.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
    )
