"""Messages about invalid command lines, in place of those of click, and their format."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Final

import click

from archbuilder.diagnostics.errors import closest_match, quote
from archbuilder.diagnostics.render import ERROR_FORMATS, ErrorFormat
from archbuilder.formatting import any_of
from archbuilder.launch.command_line import option_arguments

_OPTION_HINTS: Final[Mapping[str, str]] = {
    "--allow": "--allow-dir",
    "--beam-size": "--num-beams",
    "--beams": "--num-beams",
    "--claim": "--pvc",
    "--config": "--recipe",
    "--count": "--num-samples",
    "--dataset": "--data",
    "--devices": "--distribute",
    "--errors": "--error-format",
    "--go-on": "--auto-resume",
    "--json": "--format json",
    "--max-length": "--max-new-tokens",
    "--max-tokens": "--max-new-tokens",
    "--num-epochs": "--epochs",
    "--num-workers": "--workers",
    "--output-dir": "--run-dir",
    "--params": "--set",
    "--partial": "--skip-mismatch",
    "--picture": "--preview",
    "--run": "--run-dir",
    "--strategy": "--distribute",
    "--tokens": "--max-new-tokens",
    "--top": "--top-k",
    "--unfold": "--depth all",
}
"""Options of other tools and of older versions, with the equivalent one."""
_EXTRA_ARGUMENTS: Final = re.compile(r"Got unexpected extra (arguments?) \((.*)\)", re.DOTALL)


def error_format_argument(arguments: Sequence[str]) -> ErrorFormat:
    """Return the value of --error-format, or `text` without a valid one.

    It is read before click parses the arguments: click converts no option if one is unknown.
    """
    words = option_arguments(arguments)
    error_format: ErrorFormat = "text"
    for index, word in enumerate(words):
        name, equals, value = word.partition("=")
        if name == "--error-format":
            value = value if equals else "".join(words[index + 1 : index + 2])
            error_format = next((each for each in ERROR_FORMATS if each == value), error_format)
    return error_format


def usage_message(error: click.ClickException) -> str:
    """Return the message of an error of click in the form of all other messages."""
    if isinstance(error, click.NoSuchOption):
        command = None if error.ctx is None else error.ctx.command
        names = [name for param in command.params for name in param.opts] if command else []
        suggestion = _OPTION_HINTS.get(error.option_name, "")
        if suggestion.partition(" ")[0] not in names:
            suggestion = closest_match(error.option_name, names) or ""
        hint = f"; did you mean '{suggestion}'?" if suggestion else ""
        return f"unknown option {quote(error.option_name)}{hint}"
    if isinstance(error, click.MissingParameter) and error.param is not None:
        return f"missing {error.param.param_type_name}: {_parameter_name(error.param)}"
    if isinstance(error, click.BadParameter) and error.param is not None:
        message, value_type = _clause(error.message), error.param.type
        if isinstance(value_type, click.Choice):
            value = message.partition(" is not one of ")[0]
            message = f"must be {any_of(value_type.choices)}, not {value}"
        return f"invalid value for {_parameter_name(error.param)}: {message}"
    message = error.format_message().replace("requires an argument", "requires a value")
    extra = _EXTRA_ARGUMENTS.fullmatch(message)
    # click joins the arguments, in which there may be spaces.
    return f"unexpected {extra[1]}: {quote(extra[2])}" if extra else _clause(message)


def _parameter_name(param: click.Parameter) -> str:
    if isinstance(param, click.Argument):
        return param.human_readable_name
    return max(param.opts, key=len)


def _clause(text: str) -> str:
    """Return a sentence of click without its capital letter and its period."""
    return text[:1].lower() + text[1:].removesuffix(".")
