"""Reads text of data files piece by piece: plain, or a field of JSON lines."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterator, Mapping
from io import TextIOWrapper
from typing import IO, Final, TypeVar

from archbuilder.config.sources import DataPath
from archbuilder.data.bad_records import BadRecords
from archbuilder.data.file_access import DataFileOpener
from archbuilder.diagnostics.errors import RunError, quote, quote_list

_BLOCK_CHARS: Final = 16_384
"""Characters after which a block of plain text ends with its line."""
_MAX_LINE_CHARS: Final = 2**20
"""Characters of the longest line that is read at once."""
_MAX_JSON_LINE_CHARS: Final = 2**26
_SURROGATE: Final = re.compile("[\ud800-\udfff]")
_T = TypeVar("_T")


def iter_text_blocks(
    file: DataPath, opener: DataFileOpener, bad_records: BadRecords
) -> Iterator[str]:
    """A text in blocks of whole lines; only a line of more than a million characters is cut.

    Raises:
        RunError: if it cannot be read, or is no text in UTF-8.
    """
    lines: list[str] = []
    size = 0
    for _, line in iter_lines(file, opener, bad_records=bad_records):
        lines.append(line)
        size += len(line)
        if size >= _BLOCK_CHARS:
            yield "".join(lines)
            lines, size = [], 0
    if lines:
        yield "".join(lines)


def iter_documents(
    file: DataPath, field: str, opener: DataFileOpener, bad_records: BadRecords
) -> Iterator[str]:
    """The texts in a field of JSON lines.

    Raises:
        RunError: if a line is no JSON, or has no such text.
    """
    for _, text in iter_json_objects(
        file, opener, bad_records, lambda fields, location: _text_field(fields, field, location)
    ):
        yield text


def _text_field(fields: Mapping[str, object], field: str, location: str) -> str:
    text = fields.get(field)
    if not isinstance(text, str):
        raise RunError(f"{location} has no text {quote(field)}; it has {quote_list(fields)}")
    return text


def iter_json_objects(
    file: DataPath,
    opener: DataFileOpener,
    bad_records: BadRecords,
    parse: Callable[[Mapping[str, object], str], _T],
) -> Iterator[tuple[int, _T]]:
    """What `take` makes of the objects of JSON lines, and their numbers; it may raise RunError.

    Raises:
        RunError: if the file cannot be read, or a line is no such object.
    """
    for number, line in iter_lines(
        file, opener, limit=_MAX_JSON_LINE_CHARS, bad_records=bad_records
    ):
        if not line.strip():
            continue
        location = f"{quote(file.path, 200)}:{number}"
        try:
            value = parse(_parse_object(line, location), location)
        except RunError as error:
            bad_records.add(error)
        else:
            yield number, value


def _parse_object(line: str, location: str) -> Mapping[str, object]:
    try:
        fields = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise RunError(f"{location} is no JSON: {error}") from None
    if not isinstance(fields, dict):
        raise RunError(f"{location} is no object with fields")
    return fields


def iter_lines(
    file: DataPath,
    opener: DataFileOpener,
    *,
    limit: int = _MAX_LINE_CHARS,
    bad_records: BadRecords | None = None,
) -> Iterator[tuple[int, str]]:
    """The lines of a file with their ends and numbers, from 1; longer ones are cut.

    Lines that are no text in UTF-8 may be left out, if `faults` has it so.

    Raises:
        RunError: if it cannot be read, or is no text in UTF-8.
    """
    name = quote(file.path, 200)
    with (
        opener.open_file(file) as descriptor,
        os.fdopen(os.dup(descriptor), "rb") as raw,
        # What is no UTF-8 becomes surrogates, which UTF-8 itself cannot have.
        TextIOWrapper(raw, encoding="utf-8-sig", errors="surrogateescape", newline="") as stream,
    ):
        for number, line in _read_lines(stream, name, limit):
            if line.isascii() or not _SURROGATE.search(line):
                yield number, line
            else:
                error = RunError(f"line {number} of {name} is no text in UTF-8; save it as UTF-8")
                (bad_records or BadRecords("stop", "lines")).add(error)


def _read_lines(stream: IO[str], name: str, limit: int) -> Iterator[tuple[int, str]]:
    number = 1
    try:
        while line := stream.readline(limit):
            yield number, line
            number += line.endswith("\n")
    except OSError as error:
        raise RunError(f"cannot read {name}: {error.strerror or error}") from error
