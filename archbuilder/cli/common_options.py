"""Options of several commands: a blueprint, its parameters, limits, and the format of errors."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar, cast

import click

import archbuilder
from archbuilder.api import Blueprint, load_sandboxed_file
from archbuilder.cli.console import Console
from archbuilder.cli.key_value import parse_assignments, parse_limits
from archbuilder.compiler.pipeline import DEFAULT_VARIANT
from archbuilder.diagnostics.errors import UsageError, quote
from archbuilder.diagnostics.render import OUTPUT_FORMATS, OutputFormat
from archbuilder.files import path_status
from archbuilder.files.sandbox import SandboxPath
from archbuilder.limits import Limits
from archbuilder.plain_data import PlainData

_Result = TypeVar("_Result")
_Function = Callable[..., _Result]


@dataclass(frozen=True, slots=True)
class BlueprintRequest:
    """Options that select and bound a blueprint."""

    variant: str | None
    """The value of --variant; None if not given."""
    params: Mapping[str, PlainData]
    """Parameters by name, from --set."""
    limits: Limits
    allow_dirs: tuple[Path, ...]
    """Directories besides the blueprint's own that it may read from."""

    def load(self, blueprint: str | Path | SandboxPath) -> Blueprint:
        """Load a blueprint from a path, or by its name in the zoo.

        A `SandboxPath` is a file in a directory that another person may have written, and is
        opened without following links.

        Raises:
            BlueprintError: with all errors in the blueprint.
        """
        if isinstance(blueprint, SandboxPath):
            return load_sandboxed_file(blueprint, limits=self.limits, allow_dirs=self.allow_dirs)
        return archbuilder.load(blueprint, limits=self.limits, allow_dirs=self.allow_dirs)

    def select_variant(self, blueprint: Blueprint) -> str:
        """Return the variant of --variant, or the one after the colon; `default` if neither.

        Raises:
            UsageError: if both are given and differ.
        """
        variant_suffix = blueprint.variant
        if self.variant is None:
            return variant_suffix
        if variant_suffix not in (DEFAULT_VARIANT, self.variant):
            raise UsageError(
                f"the variant is {quote(variant_suffix)} by the name of the blueprint, and "
                f"{quote(self.variant)} by --variant"
            )
        return self.variant


def check_not_overwriting_source(blueprint: Blueprint, output: Path) -> None:
    """Check that an output file is not the blueprint or one of its imports.

    Raises:
        UsageError: if it is.
    """
    # Not a comparison of paths: the output may be a hard link, or be spelled differently.
    if any(path_status.same_file(output, each) for each in blueprint.files):
        raise UsageError(f"{quote(str(output))} is the blueprint itself; give another name")


def blueprint_argument_and_options(function: _Function[_Result]) -> _Function[_Result]:
    """Decorate a command with the argument BLUEPRINT and the options of `blueprint_options`."""
    argument = click.argument("blueprint")
    return argument(blueprint_options(function))


def blueprint_options(function: _Function[_Result]) -> _Function[_Result]:
    """Decorate a command with --set, --variant, --limit, --allow-dir and --error-format.

    The command receives the first four as one argument `request`, a `BlueprintRequest`.
    """

    # wraps also copies `__click_params__`, in which click keeps the options declared so far.
    @functools.wraps(function)
    def command(
        *args: object,
        variant: str | None,
        settings: tuple[str, ...],
        limits: tuple[str, ...],
        allow_dirs: tuple[Path, ...],
        **kwargs: object,
    ) -> _Result:
        parsed_limits = parse_limits(limits)
        request = BlueprintRequest(
            variant, parse_assignments(settings, parsed_limits), parsed_limits, allow_dirs
        )
        return function(*args, request=request, **kwargs)

    decorated = error_format_option(command)
    # Decorators apply from the inside out; reversed, the help has the order of _OPTIONS.
    for option in reversed(_OPTIONS):
        decorated = option(decorated)
    return decorated


def error_format_option(function: _Function[_Result]) -> _Function[_Result]:
    """Decorate a command with --error-format, which sets the console's error format."""
    return click.option(
        "--error-format",
        type=click.Choice(OUTPUT_FORMATS),
        expose_value=False,
        callback=set_error_format,
        help="How mistakes are shown; text if not given.",
    )(function)


def set_error_format(context: click.Context, _: click.Parameter, value: str | None) -> str | None:
    """Set the console's error format: the callback of an option that commands do not receive."""
    if value is not None:
        context.ensure_object(Console).error_format = cast(OutputFormat, value)
    return value


_OPTIONS = (
    click.option(
        "--set",
        "settings",
        metavar="NAME=VALUE",
        multiple=True,
        help="Give a parameter a value, as in --set classes=10. May be repeated.",
    ),
    click.option("--variant", metavar="NAME", help="The variant; the same as BLUEPRINT:NAME."),
    click.option(
        "--limit",
        "limits",
        metavar="NAME=VALUE",
        multiple=True,
        help="Raise a limit that a message names, as in --limit expanded_steps=1000000. May be"
        " repeated.",
    ),
    click.option(
        "--allow-dir",
        "allow_dirs",
        metavar="FOLDER",
        multiple=True,
        type=click.Path(path_type=Path, exists=True, file_okay=False),
        help="Let imports reach files in this folder too. May be repeated.",
    ),
)
