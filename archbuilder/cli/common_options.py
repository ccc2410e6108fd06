"""Options of several commands: a blueprint with its parameters and limits, weights, output."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

import click

from archbuilder.blueprint import Blueprint, BlueprintRequest
from archbuilder.cli.key_value import parse_assignments, parse_limits
from archbuilder.cli.option_group import Decorator, option_group
from archbuilder.cli.path_type import PathType
from archbuilder.diagnostics.errors import UsageError, quote
from archbuilder.files import path_status
from archbuilder.files.sandbox import SandboxPath


def check_not_overwriting_source(blueprint: Blueprint, output: Path) -> None:
    """Check that an output file is not the blueprint or one of its imports.

    Raises:
        UsageError: if it is.
    """
    # Not a comparison of paths: the output may be a hard link, or be spelled differently.
    if any(path_status.same_file(output, each) for each in blueprint.files):
        raise UsageError(f"{quote(str(output))} is the blueprint itself; choose another output")


def check_not_replacing(path: Path, *, force: bool) -> None:
    """Check that a blueprint to write does not exist, which a person may have written.

    Raises:
        UsageError: if it exists, without --force.
    """
    if not force and SandboxPath.from_path(path).status() is not None:
        raise UsageError(f"{quote(str(path))} exists; pass --force to overwrite it")


def output_option(help_text: str, *, default: Path | None = None) -> Decorator:
    """Return a decorator that adds -o/--output to a command."""
    return click.option(
        "-o",
        "--output",
        metavar="FILE",
        type=PathType(),
        default=default,
        show_default=default is not None,
        help=help_text,
    )


def format_option(
    formats: Sequence[str] = ("text", "json"),
    help_text: str = "Output format.",
    *,
    default: str | None = "text",
) -> Decorator:
    """Return a decorator that adds --format, which a command receives as `output_format`."""
    return click.option(
        "--format",
        "output_format",
        type=click.Choice(formats),
        default=default,
        show_default=default is not None,
        help=help_text,
    )


def _blueprint_request(
    variant: str | None,
    settings: tuple[str, ...],
    limits: tuple[str, ...],
    allow_dirs: tuple[Path, ...],
) -> BlueprintRequest:
    parsed_limits = parse_limits(limits)
    params = parse_assignments(settings, parsed_limits)
    return BlueprintRequest(variant, params, parsed_limits, allow_dirs)


blueprint_options: Final = option_group(
    "request",
    _blueprint_request,
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
        type=PathType(must_be_directory=True),
        help="Allow the blueprint to read files in this directory, besides its own. Can be"
        " repeated.",
    ),
)
"""Adds --set, --variant, --limit and --allow-dir, as one argument `request`."""


def blueprint_argument_and_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Decorate a command with the argument BLUEPRINT and the options of `blueprint_options`."""
    return click.argument("blueprint")(blueprint_options(function))
