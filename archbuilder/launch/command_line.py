"""Edits of the command lines that workers and jobs run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

_END_OF_OPTIONS: Final = "--"
"""What follows this argument is a file, even if it begins with a hyphen."""


def option_arguments(arguments: Sequence[str]) -> list[str]:
    """Return the arguments before `--`, where options are."""
    return [*arguments[: _end_of_options(arguments)]]


def add_options(arguments: Sequence[str], *options: str) -> list[str]:
    """Return a command line with more options, which come after its own, but before `--`."""
    end = _end_of_options(arguments)
    return [*arguments[:end], *options, *arguments[end:]]


def remove_option(arguments: Sequence[str], option: str) -> list[str]:
    """Return a command line without an option that has a value: `--x N` or `--x=N`."""
    end = _end_of_options(arguments)
    remaining: list[str] = []
    skip = False
    for argument in arguments[:end]:
        if skip or argument == option:
            skip = not skip
        elif not argument.startswith(f"{option}="):
            remaining.append(argument)
    return [*remaining, *arguments[end:]]


def _end_of_options(arguments: Sequence[str]) -> int:
    return next(
        (index for index, each in enumerate(arguments) if each == _END_OF_OPTIONS), len(arguments)
    )
