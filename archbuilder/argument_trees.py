"""Values of parameters that Python programs pass, as trees."""

from __future__ import annotations

from numbers import Integral
from typing import TypeGuard

from archbuilder.diagnostics.errors import UsageError, quote
from archbuilder.diagnostics.span import NO_FILE
from archbuilder.plain_data import PlainData
from archbuilder.yaml.nodes import Tree, from_plain


def argument_tree(name: str, value: object) -> Tree:
    """Convert an argument of a function to a tree without a location.

    Raises:
        UsageError: if the value is not plain data.
    """
    value = _to_python_integers(value)
    if not _is_plain(value):
        raise UsageError(
            f"{name} must be a number, a string, a boolean, None or a list or mapping of them, not"
            f" {quote(value)}"
        )
    return from_plain(value, NO_FILE)


def _to_python_integers(value: object) -> object:
    """Return a value with integers of Python in place of those of NumPy, also within it."""
    if isinstance(value, dict):
        return {key: _to_python_integers(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_to_python_integers(item) for item in value]
    # NumPy registers its integers, but not its booleans, as `Integral`. An enum of Python stays.
    if isinstance(value, int):
        return value
    return int(value) if isinstance(value, Integral) else value


def _is_plain(value: object) -> TypeGuard[PlainData]:
    """Return whether a value is a scalar, or a list, tuple or mapping of plain values."""
    if isinstance(value, dict):
        return all(type(key) is str and _is_plain(item) for key, item in value.items())
    # Exact types: a numpy scalar or an enum may be a subclass of float, int or str.
    if isinstance(value, list | tuple):
        return all(_is_plain(item) for item in value)
    return value is None or type(value) in (bool, int, float, str)
