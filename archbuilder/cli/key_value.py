"""Parsers of `--set NAME=VALUE` and `--limit NAME=VALUE`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from archbuilder.diagnostics.errors import UsageError, quote
from archbuilder.limits import Limits
from archbuilder.plain_data import PlainData
from archbuilder.yaml.nodes import to_plain
from archbuilder.yaml.reader import parse_yaml
from archbuilder.yaml.scalars import is_ascii_digits

_RESERVED_NAMES: Final = ("self", "variant")
"""Names that cannot be parameters: methods of `Blueprint` take parameters as keywords."""


def parse_assignments(settings: Iterable[str], limits: Limits) -> dict[str, PlainData]:
    """Parse the values of `--set` into parameters; each value is parsed as YAML.

    Raises:
        UsageError: if a setting is not NAME=VALUE, or names a parameter twice.
        BlueprintError: if a value is not valid YAML.
    """
    values: dict[str, PlainData] = {}
    for name, text in _split_assignments(settings, "--set"):
        if name in _RESERVED_NAMES:
            raise UsageError(f"--set cannot set {quote(name)}; to select a variant, use --variant")
        # `--set x=` is null, as `x:` is in YAML.
        values[name] = to_plain(parse_yaml(text or "null", f"--set {name}", limits))
    return values


def parse_limits(settings: Iterable[str]) -> Limits:
    """Return the default limits with the changes of `--limit`.

    Raises:
        UsageError: if a setting is not NAME=VALUE, or does not name a limit.
    """
    values: dict[str, int] = {}
    for name, text in _split_assignments(settings, "--limit"):
        # 19 digits hold any 64-bit integer. int() itself also takes '1_0' and other scripts.
        if not is_ascii_digits(text) or len(text) > 19:
            raise UsageError(f"--limit {name} must be an integer, not {quote(text)}")
        values[name] = int(text)
    return Limits().replace(**values)


def _split_assignments(settings: Iterable[str], option: str) -> Iterator[tuple[str, str]]:
    seen: set[str] = set()
    for setting in settings:
        name, equals, text = setting.partition("=")
        if not equals or not name.isidentifier():
            raise UsageError(f"{option} must be NAME=VALUE, not {quote(setting)}")
        if name in seen:
            raise UsageError(f"{option} sets {quote(name)} twice")
        seen.add(name)
        yield name, text
