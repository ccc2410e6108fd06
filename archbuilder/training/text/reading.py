"""Reads text of data files piece by piece: plain, or a field of JSON lines."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterator, Mapping
from io import TextIOWrapper
from typing import IO, Final, TypeVar

from archbuilder.errors import RunError, listed, shown
from archbuilder.recipe.sources import DataFile
from archbuilder.training.faults import Faults
from archbuilder.training.opening import Opener

_BLOCK: Final = 16_384
"""Characters after which a block of plain text ends with its line."""
_LINE: Final = 2**20
"""Characters of the longest line that is read at once."""
_JSON_LINE: Final = 2**26
_SURROGATE: Final = re.compile("[\ud800-\udfff]")
_T = TypeVar("_T")


def blocks_of(file: DataFile, opener: Opener, faults: Faults) -> Iterator[str]:
    """A text in blocks of whole lines; only a line of more than a million characters is cut.

    Raises:
        RunError: if it cannot be read, or is no text in UTF-8.
    """
    lines: list[str] = []
    size = 0
    for _, line in numbered_lines(file, opener, faults=faults):
        lines.append(line)
        size += len(line)
        if size >= _BLOCK:
            yield "".join(lines)
            lines, size = [], 0
    if lines:
        yield "".join(lines)


def documents_of(file: DataFile, field: str, opener: Opener, faults: Faults) -> Iterator[str]:
    """The texts in a field of JSON lines.

    Raises:
        RunError: if a line is no JSON, or has no such text.
    """
    for _, text in parsed_lines(file, opener, faults, lambda fields, at: _text(fields, field, at)):
        yield text


def _text(fields: Mapping[str, object], field: str, place: str) -> str:
    text = fields.get(field)
    if not isinstance(text, str):
        raise RunError(f"{place} has no text {shown(field)}; it has {listed(fields)}")
    return text


def parsed_lines(
    file: DataFile,
    opener: Opener,
    faults: Faults,
    take: Callable[[Mapping[str, object], str], _T],
) -> Iterator[tuple[int, _T]]:
    """What `take` makes of the objects of JSON lines, and their numbers; it may raise RunError.

    Raises:
        RunError: if the file cannot be read, or a line is no such object.
    """
    for number, line in numbered_lines(file, opener, limit=_JSON_LINE, faults=faults):
        if not line.strip():
            continue
        place = f"{shown(file.path, 200)}:{number}"
        try:
            found = take(_object(line, place), place)
        except RunError as fault:
            faults.meet(fault)
        else:
            yield number, found


def _object(line: str, place: str) -> Mapping[str, object]:
    try:
        fields = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise RunError(f"{place} is no JSON: {error}") from None
    if not isinstance(fields, dict):
        raise RunError(f"{place} is no object with fields")
    return fields


def numbered_lines(
    file: DataFile, opener: Opener, *, limit: int = _LINE, faults: Faults | None = None
) -> Iterator[tuple[int, str]]:
    """The lines of a file with their ends and numbers, from 1; longer ones are cut.

    Lines that are no text in UTF-8 may be left out, if `faults` has it so.

    Raises:
        RunError: if it cannot be read, or is no text in UTF-8.
    """
    name = shown(file.path, 200)
    with (
        opener.opened(file) as descriptor,
        os.fdopen(os.dup(descriptor), "rb") as raw,
        # What is no UTF-8 becomes surrogates, which UTF-8 itself cannot have.
        TextIOWrapper(raw, encoding="utf-8-sig", errors="surrogateescape", newline="") as stream,
    ):
        for number, line in _lines(stream, name, limit):
            if line.isascii() or not _SURROGATE.search(line):
                yield number, line
            else:
                wrong = RunError(f"line {number} of {name} is no text in UTF-8; save it as UTF-8")
                (faults or Faults("stop", "lines")).meet(wrong)


def _lines(stream: IO[str], name: str, limit: int) -> Iterator[tuple[int, str]]:
    number = 1
    try:
        while line := stream.readline(limit):
            yield number, line
            number += line.endswith("\n")
    except OSError as error:
        raise RunError(f"cannot read {name}: {error.strerror or error}") from error
