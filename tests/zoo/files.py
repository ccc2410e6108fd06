"""The files of the library as text and as plain data."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from helpers.plain_yaml import load_plain

from archbuilder import zoo


def document(name: str) -> dict[str, object]:
    """What a file of the library says, as plain data."""
    loaded = load_plain(zoo.path(name).read_text(encoding="utf-8"))
    assert isinstance(loaded, dict)
    return loaded


@cache
def every_variant() -> list[tuple[str, str]]:
    """All blueprints of the library with all their variants and the default."""
    return [
        (name, variant)
        for name in zoo.names()
        for variant in ("default", *document(name).get("variants", {}))
    ]


def lines(name: str) -> list[str]:
    """The lines of a file of the library."""
    path: Path = zoo.path(name)
    return path.read_text(encoding="utf-8").splitlines()
