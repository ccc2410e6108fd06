"""Where a command writes: results to the standard output, everything else to the error output."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Iterable
from dataclasses import dataclass

import click

from archbuilder.errors import Diagnostic, RunError
from archbuilder.escaping import for_terminal
from archbuilder.rendering import Format, render


@dataclass(slots=True)
class Console:
    """How a command speaks. `errors` is the form that mistakes are shown in."""

    arguments: tuple[str, ...] = ()
    """The command line, for records of what was done."""
    errors: Format = "text"
    debug: bool = False
    passing: bool = False
    """Whether a line stands on the terminal that the next one takes the place of."""

    def say(self, text: str) -> None:
        """Write a result. Text from elsewhere in it is escaped already."""
        self.show_passing("")
        _write(text)

    def remark(self, text: str) -> None:
        """Tell something beside the result; it may quote what others wrote."""
        self.show_passing("")
        _write("\n".join(for_terminal(line) for line in text.split("\n")), err=True)

    @property
    def lasting(self) -> bool:
        """Whether what is told stays, as in a file: there is no terminal to take it back."""
        return not sys.stderr.isatty() or os.environ.get("TERM") == "dumb"

    def show_passing(self, text: str) -> None:
        """Show a line on the terminal that the next one takes the place of; nothing if empty."""
        if self.lasting or not (text or self.passing):
            return
        _write(f"\r\x1b[K{text}", err=True, newline=False)
        self.passing = bool(text)

    def fail(self, message: str) -> None:
        """Tell why the command did not do what it was asked to."""
        self.remark(f"error: {message}")

    def show(self, diagnostics: Iterable[Diagnostic]) -> None:
        """Show mistakes on the error output."""
        text = render(diagnostics, self.errors, colour=_has_colours())
        if text:
            _write(text, err=True)

    def publish(self, diagnostics: Iterable[Diagnostic]) -> None:
        """Show mistakes as the result of the command, where a program asked for them."""
        text = render(diagnostics, self.errors)
        if text:
            _write(text)


class ReaderGoneError(Exception):
    """Nobody reads the output any more, as in `archbuilder explain | head -1`."""


def _write(text: str, *, err: bool = False, newline: bool = True) -> None:
    try:
        click.echo(text, err=err, nl=newline)
    except BrokenPipeError:
        # As it is, click would end the process itself.
        raise ReaderGoneError from None
    except OSError as error:
        where = "error output" if err else "standard output"
        raise RunError(f"cannot write to the {where}: {error.strerror or error}") from error


def prepare_streams() -> None:
    """Let a terminal that lacks a character show its number instead of ending the command."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _has_colours() -> bool:
    # An empty NO_COLOR counts as unset: https://no-color.org
    return (
        sys.stderr.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
    )
