"""What several commands take: a blueprint, its parameters, limits, and how mistakes are shown."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar, cast

import click

import archbuilder
from archbuilder.api import Blueprint, load_place
from archbuilder.cli.console import Console
from archbuilder.cli.settings import read_limits, read_settings
from archbuilder.errors import UsageError, shown
from archbuilder.limits import Limits
from archbuilder.pipeline import DEFAULT_VARIANT
from archbuilder.places import Place
from archbuilder.rendering import FORMATS, Format
from archbuilder.tree import Plain

_Result = TypeVar("_Result")
_Function = Callable[..., _Result]


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the command line asks of a blueprint: a variant and parameters, within limits."""

    variant: str | None
    params: Mapping[str, Plain]
    limits: Limits
    allow: tuple[Path, ...]

    def load(self, blueprint: str | Path | Place) -> Blueprint:
        """Read a blueprint, from its path or by its name in the library.

        One at a place lies in a folder that another person may have made.

        Raises:
            BlueprintError: with the mistakes in it.
        """
        if isinstance(blueprint, Place):
            return load_place(blueprint, limits=self.limits, allow=self.allow)
        return archbuilder.load(blueprint, limits=self.limits, allow=self.allow)

    def variant_of(self, blueprint: Blueprint) -> str:
        """The variant that is wanted of a loaded blueprint, `default` for none.

        Raises:
            UsageError: when --variant is another one than that behind the colon.
        """
        behind_colon = blueprint.variant
        if self.variant is None:
            return behind_colon
        if behind_colon not in (DEFAULT_VARIANT, self.variant):
            raise UsageError(
                f"the variant is {shown(behind_colon)} by the name of the blueprint, and "
                f"{shown(self.variant)} by --variant"
            )
        return self.variant


def check_not_read(blueprint: Blueprint, output: Path) -> None:
    """Keep an output from taking the place of a file that it was made from.

    Raises:
        UsageError: when it would.
    """
    if output.exists() and any(output.samefile(each) for each in blueprint.files):
        raise UsageError(f"{shown(str(output))} is the blueprint itself; give another name")


def takes_blueprint(function: _Function[_Result]) -> _Function[_Result]:
    """Give a command one blueprint, and all of `takes_choice`."""
    argument = click.argument("blueprint")
    return argument(takes_choice(function))


def takes_choice(function: _Function[_Result]) -> _Function[_Result]:
    """Give a command `wanted`: --set, --variant, --limit and --allow; and --errors."""

    @functools.wraps(function)
    def command(
        *args: object,
        variant: str | None,
        settings: tuple[str, ...],
        limits: tuple[str, ...],
        allow: tuple[Path, ...],
        **kwargs: object,
    ) -> _Result:
        bounds = read_limits(limits)
        wanted = Wanted(variant, read_settings(settings, bounds), bounds, allow)
        return function(*args, wanted=wanted, **kwargs)

    options = takes_errors(command)
    for option in reversed(_CHOICE):
        options = option(options)
    return options


def takes_errors(function: _Function[_Result]) -> _Function[_Result]:
    """Give a command --errors, which sets how the console shows mistakes."""
    return click.option(
        "--errors",
        type=click.Choice(FORMATS),
        expose_value=False,
        callback=set_errors,
        help="How mistakes are shown; text if not given.",
    )(function)


def set_errors(context: click.Context, _: click.Parameter, value: str | None) -> str | None:
    """Tell the console how mistakes are shown, as soon as the option is read."""
    if value is not None:
        context.ensure_object(Console).errors = cast(Format, value)
    return value


_CHOICE = (
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
