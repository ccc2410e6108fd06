"""Reads `--set name=value` and `--limit name=value`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from archbuilder.errors import UsageError, shown
from archbuilder.limits import Limits
from archbuilder.scalars import is_whole_number
from archbuilder.source import read_text
from archbuilder.tree import Plain, plain

_NOT_PARAMETERS: Final = ("self", "variant")
"""Names that mean something else where parameters are given by name."""


def read_settings(settings: Iterable[str], limits: Limits) -> dict[str, Plain]:
    """The parameters of `--set`; a value is read as it would be in a blueprint.

    Raises:
        UsageError: for a setting that is none.
        BlueprintError: for a value that is no YAML.
    """
    values: dict[str, Plain] = {}
    for name, text in _pairs(settings, "--set"):
        if name in _NOT_PARAMETERS:
            raise UsageError(f"--set cannot give {shown(name)}; a variant is chosen with --variant")
        # Nothing behind the '=' is what nothing behind a ':' is in YAML.
        values[name] = plain(read_text(text or "null", f"--set {name}", limits))
    return values


def read_limits(settings: Iterable[str]) -> Limits:
    """The limits with those of `--limit` changed.

    Raises:
        UsageError: for a setting that is none, or that names no limit.
    """
    values: dict[str, int] = {}
    for name, text in _pairs(settings, "--limit"):
        if not is_whole_number(text) or len(text) > 19:
            raise UsageError(f"--limit {name} takes a whole number, not {shown(text)}")
        values[name] = int(text)
    return Limits().raised(**values)


def _pairs(settings: Iterable[str], option: str) -> Iterator[tuple[str, str]]:
    seen: set[str] = set()
    for setting in settings:
        name, equals, text = setting.partition("=")
        if not equals or not name.isidentifier():
            raise UsageError(f"{option} takes name=value, not {shown(setting)}")
        if name in seen:
            raise UsageError(f"{option} gives {shown(name)} twice")
        seen.add(name)
        yield name, text
