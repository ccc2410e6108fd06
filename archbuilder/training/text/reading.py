"""Reads text of data files piece by piece: plain, or a field of JSON lines."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from io import TextIOWrapper
from typing import IO, Final

from archbuilder.errors import RunError, shown
from archbuilder.recipe.spec import DataFile
from archbuilder.training.opening import Opener

_BLOCK: Final = 16_384
"""Characters after which a block of plain text ends with its line."""
_LINE: Final = 2**20
"""Characters of the longest line that is read at once."""
_JSON_LINE: Final = 2**26


def blocks_of(file: DataFile, opener: Opener) -> Iterator[str]:
    """A text in blocks of whole lines; only a line of more than a million characters is cut.

    Raises:
        RunError: if it cannot be read, or is no text in UTF-8.
    """
    lines: list[str] = []
    size = 0
    for _, line in numbered_lines(file, opener):
        lines.append(line)
        size += len(line)
        if size >= _BLOCK:
            yield "".join(lines)
            lines, size = [], 0
    if lines:
        yield "".join(lines)


def documents_of(file: DataFile, field: str, opener: Opener) -> Iterator[str]:
    """The texts in a field of JSON lines.

    Raises:
        RunError: if a line is no JSON, or has no such text.
    """
    for number, line in numbered_lines(file, opener, limit=_JSON_LINE):
        if not line.strip():
            continue
        place = f"{shown(file.path, 200)}:{number}"
        try:
            value = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise RunError(f"{place} is no JSON: {error}") from None
        text = value.get(field) if isinstance(value, dict) else None
        if not isinstance(text, str):
            has = ", ".join(shown(key) for key in value) if isinstance(value, dict) else ""
            hint = f"; it has {has}" if has else ""
            raise RunError(f"{place} has no text {shown(field)}{hint}")
        yield text


def numbered_lines(
    file: DataFile, opener: Opener, *, limit: int = _LINE
) -> Iterator[tuple[int, str]]:
    """The lines of a file with their ends and numbers, from 1; longer ones are cut.

    Raises:
        RunError: if it cannot be read, or is no text in UTF-8.
    """
    name = shown(file.path, 200)
    with (
        opener.opened(file) as descriptor,
        os.fdopen(os.dup(descriptor), "rb") as raw,
        TextIOWrapper(raw, encoding="utf-8", newline="") as stream,
    ):
        yield from _lines(stream, name, limit)


def _lines(stream: IO[str], name: str, limit: int) -> Iterator[tuple[int, str]]:
    number = 1
    try:
        while line := stream.readline(limit):
            yield number, line
            number += line.endswith("\n")
    except UnicodeDecodeError as error:
        raise RunError(
            f"{name} is no text in UTF-8 from line {number} on: {error.reason}"
        ) from None
    except OSError as error:
        raise RunError(f"cannot read {name}: {error.strerror or error}") from error
