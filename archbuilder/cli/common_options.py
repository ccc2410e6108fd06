"""Options of several commands: a blueprint with its parameters and limits, and the output."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

import click

import archbuilder
from archbuilder.api import Blueprint, load_sandboxed_file
from archbuilder.cli.key_value import parse_assignments, parse_limits
from archbuilder.compiler.pipeline import DEFAULT_VARIANT
from archbuilder.diagnostics.errors import UsageError, quote
from archbuilder.files import path_status
from archbuilder.files.sandbox import SandboxPath
from archbuilder.limits import Limits
from archbuilder.plain_data import PlainData

_Result = TypeVar("_Result")
_Function = Callable[..., _Result]
_Decorator: TypeAlias = Callable[[Callable[..., Any]], Callable[..., Any]]


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
                f"the blueprint is given with the variant {quote(variant_suffix)}, but --variant is"
                f" {quote(self.variant)}"
            )
        return self.variant


def check_not_overwriting_source(blueprint: Blueprint, output: Path) -> None:
    """Check that an output file is not the blueprint or one of its imports.

    Raises:
        UsageError: if it is.
    """
    # Not a comparison of paths: the output may be a hard link, or be spelled differently.
    if any(path_status.same_file(output, each) for each in blueprint.files):
        raise UsageError(f"{quote(str(output))} is the blueprint itself; choose another output")


def blueprint_argument_and_options(function: _Function[_Result]) -> _Function[_Result]:
    """Decorate a command with the argument BLUEPRINT and the options of `blueprint_options`."""
    argument = click.argument("blueprint")
    return argument(blueprint_options(function))


def blueprint_options(function: _Function[_Result]) -> _Function[_Result]:
    """Decorate a command with --set, --variant, --limit and --allow-dir.

    The command receives them as one argument `request`, a `BlueprintRequest`.
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

    decorated = command
    # Decorators apply from the inside out; reversed, the help has the order of _OPTIONS.
    for option in reversed(_OPTIONS):
        decorated = option(decorated)
    return decorated


def output_option(help_text: str, *, default: Path | None = None) -> _Decorator:
    """Return a decorator that adds -o/--output to a command."""
    return click.option(
        "-o",
        "--output",
        metavar="FILE",
        type=click.Path(path_type=Path),
        default=default,
        show_default=default is not None,
        help=help_text,
    )


def format_option(
    formats: Sequence[str] = ("text", "json"),
    help_text: str = "Output format.",
    *,
    default: str | None = "text",
) -> _Decorator:
    """Return a decorator that adds --format, which a command receives as `output_format`."""
    return click.option(
        "--format",
        "output_format",
        type=click.Choice(formats),
        default=default,
        show_default=default is not None,
        help=help_text,
    )


_OPTIONS = (
    click.option(
        "--set",
        "settings",
        metavar="NAME=VALUE",
        multiple=True,
        help="Set a parameter of the blueprint, as in --set classes=10. Can be repeated.",
    ),
    click.option(
        "--variant", metavar="NAME", help="Use a variant of the blueprint; same as BLUEPRINT:NAME."
    ),
    click.option(
        "--limit",
        "limits",
        metavar="NAME=VALUE",
        multiple=True,
        help="Change a limit that an error names, as in --limit expanded_steps=1000000. Can be"
        " repeated.",
    ),
    click.option(
        "--allow-dir",
        "allow_dirs",
        metavar="DIR",
        multiple=True,
        type=click.Path(path_type=Path, exists=True, file_okay=False),
        help="Allow the blueprint to read files in this directory, besides its own. Can be"
        " repeated.",
    ),
)
