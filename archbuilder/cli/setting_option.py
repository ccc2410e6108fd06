"""Command-line options that override settings of a recipe, made from their declarations."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

from archbuilder.cli.numbers import StrictFloatRange, StrictIntRange
from archbuilder.config.settings import setting_of
from archbuilder.config.value_types import ValueType
from archbuilder.diagnostics.errors import InternalError

_Function = TypeVar("_Function", bound=Callable[..., object])


def setting_option(
    section: type, name: str, *, metavar: str = "N", default: str | None = None
) -> Callable[[_Function], _Function]:
    """Return a decorator that adds an option for a setting: `batch_size` gives `--batch-size`.

    The option has the bounds or choices of the setting, and its description as help.

    Args:
        section: The dataclass that declares the setting.
        name: The name of the setting.
        metavar: The placeholder of the value in the help.
        default: The default of the option; None for the value in the recipe.
    """
    declared = setting_of(section, name)
    return click.option(
        option_name(name),
        type=option_type(declared.value_type),
        metavar=metavar,
        default=default,
        help=f"{declared.description.replace('`', '')} [default: {default or 'as in the recipe'}]",
    )


def option_name(name: str) -> str:
    """Return the option of a setting: `--batch-size` for `batch_size`."""
    return f"--{name.replace('_', '-')}"


def option_type(value_type: ValueType[Any]) -> click.ParamType[Any]:
    """Return the type of an option that has the bounds or the choices of a value type.

    Raises:
        InternalError: if it is neither a choice nor a number from a minimum to a maximum.
    """
    schema = value_type.schema
    if "enum" in schema:
        return click.Choice(schema["enum"])
    if not {"minimum", "maximum"} <= schema.keys():
        raise InternalError(f"no command-line option takes values of the type '{value_type.text}'")
    number_type = StrictIntRange if schema["type"] == "integer" else StrictFloatRange
    return number_type(schema["minimum"], schema["maximum"])
