"""What several commands take: a blueprint, its parameters, limits, and how mistakes are shown."""

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
from archbuilder.files.sandbox import SandboxPath
from archbuilder.limits import Limits
from archbuilder.plain_data import PlainData

_Result = TypeVar("_Result")
_Function = Callable[..., _Result]


@dataclass(frozen=True, slots=True)
class BlueprintRequest:
    """What the command line asks of a blueprint: a variant and parameters, within limits."""

    variant: str | None
    params: Mapping[str, PlainData]
    limits: Limits
    allow: tuple[Path, ...]

    def load(self, blueprint: str | Path | SandboxPath) -> Blueprint:
        """Read a blueprint, from its path or by its name in the library.

        One at a place lies in a folder that another person may have made.

        Raises:
            BlueprintError: with the mistakes in it.
        """
        if isinstance(blueprint, SandboxPath):
            return load_sandboxed_file(blueprint, limits=self.limits, allow=self.allow)
        return archbuilder.load(blueprint, limits=self.limits, allow=self.allow)

    def select_variant(self, blueprint: Blueprint) -> str:
        """The variant that is wanted of a loaded blueprint, `default` for none.

        Raises:
            UsageError: when --variant is another one than that behind the colon.
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
    """Keep an output from taking the place of a file that it was made from.

    Raises:
        UsageError: when it would.
    """
    if output.exists() and any(output.samefile(each) for each in blueprint.files):
        raise UsageError(f"{quote(str(output))} is the blueprint itself; give another name")


def blueprint_argument_and_options(function: _Function[_Result]) -> _Function[_Result]:
    """Give a command one blueprint, and all of `takes_choice`."""
    argument = click.argument("blueprint")
    return argument(blueprint_options(function))


def blueprint_options(function: _Function[_Result]) -> _Function[_Result]:
    """Give a command `request`: --set, --variant, --limit and --allow; and --errors."""

    @functools.wraps(function)
    def command(
        *args: object,
        variant: str | None,
        settings: tuple[str, ...],
        limits: tuple[str, ...],
        allow: tuple[Path, ...],
        **kwargs: object,
    ) -> _Result:
        parsed_limits = parse_limits(limits)
        request = BlueprintRequest(
            variant, parse_assignments(settings, parsed_limits), parsed_limits, allow
        )
        return function(*args, request=request, **kwargs)

    decorated = error_format_option(command)
    for option in reversed(_OPTIONS):
        decorated = option(decorated)
    return decorated


def error_format_option(function: _Function[_Result]) -> _Function[_Result]:
    """Give a command --errors, which sets how the console shows mistakes."""
    return click.option(
        "--errors",
        type=click.Choice(OUTPUT_FORMATS),
        expose_value=False,
        callback=set_error_format,
        help="How mistakes are shown; text if not given.",
    )(function)


def set_error_format(context: click.Context, _: click.Parameter, value: str | None) -> str | None:
    """Tell the console how mistakes are shown, as soon as the option is read."""
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
        help="Raise a bound that a message names, as in --limit steps=1000000. May be repeated.",
    ),
    click.option(
        "--allow",
        metavar="FOLDER",
        multiple=True,
        type=click.Path(path_type=Path, exists=True, file_okay=False),
        help="Let imports reach files in this folder too. May be repeated.",
    ),
)
