"""Streaming readers of text files: lines, blocks of lines, and objects of JSON lines."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterator, Mapping
from io import TextIOWrapper
from typing import Final, TypeVar

from archbuilder.config.sources import DataPath
from archbuilder.data.bad_records import BadRecords
from archbuilder.data.file_access import DataFileOpener
from archbuilder.diagnostics.errors import RunError, quote, quote_list

_BLOCK_CHARS: Final = 16_384
"""Minimum size of a block of plain text, in characters."""
_MAX_LINE_CHARS: Final = 2**20
"""Longest line that is read as a whole, in characters: a file without line ends fits in memory."""
_MAX_JSON_LINE_CHARS: Final = 2**26
# What `surrogateescape` makes of bytes that are not UTF-8 (U+DC80 to U+DCFF), in the range of all
# surrogates.
_SURROGATE: Final = re.compile("[\ud800-\udfff]")
_T = TypeVar("_T")


def iter_text_blocks(
    file: DataPath, opener: DataFileOpener, bad_records: BadRecords
) -> Iterator[str]:
    """Yield a text in blocks of whole lines.

    Only a line of more than `_MAX_LINE_CHARS` characters is split.

    Raises:
        RunError: if the file cannot be read, or is not UTF-8 and `bad_records` does not skip lines.
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
    """Yield the texts in a field of JSON lines.

    Raises:
        RunError: if a line is not a JSON object, or its field is not a text.
    """

    def text_field(fields: Mapping[str, object], location: str) -> str:
        text = fields.get(field)
        if not isinstance(text, str):
            raise RunError(f"{location} has no text {quote(field)}; it has {quote_list(fields)}")
        return text

    for _, text in iter_json_objects(file, opener, bad_records, text_field):
        yield text


def iter_json_objects(
    file: DataPath,
    opener: DataFileOpener,
    bad_records: BadRecords,
    parse: Callable[[Mapping[str, object], str], _T],
) -> Iterator[tuple[int, _T]]:
    """Yield the number of each JSON line, from 1, and the result of `parse` for its object.

    `parse` receives the object and its location for messages, and may raise RunError. Blank lines
    are skipped.

    Raises:
        RunError: if the file cannot be read, or a line is invalid and `bad_records` does not skip
            lines.
    """
    name = quote(file.path, 200)
    for number, line in iter_lines(
        file, opener, limit=_MAX_JSON_LINE_CHARS, bad_records=bad_records
    ):
        if not line.strip():
            continue
        location = f"{name}:{number}"
        try:
            value = parse(_parse_object(line, location), location)
        except RunError as error:
            bad_records.add(error)
        else:
            # Outside of the `try`: an error that the consumer throws in is not this line's.
            yield number, value


def _parse_object(line: str, location: str) -> Mapping[str, object]:
    try:
        fields = json.loads(line)
    except json.JSONDecodeError as error:
        # Its text also counts lines, from the start of this one.
        message = f"{location} is not valid JSON at character {error.colno}: {error.msg}"
        raise RunError(message) from None
    except (ValueError, RecursionError) as error:  # RecursionError: deeply nested brackets
        raise RunError(f"{location} is not valid JSON: {error}") from None
    if not isinstance(fields, dict):
        raise RunError(f"{location} is not a JSON object")
    return fields


def iter_lines(
    file: DataPath,
    opener: DataFileOpener,
    *,
    limit: int = _MAX_LINE_CHARS,
    bad_records: BadRecords | None = None,
) -> Iterator[tuple[int, str]]:
    r"""Yield the lines of a file with their numbers, from 1, and their line ends.

    A line ends with `\n`, `\r\n` or `\r`. A line of more than `limit` characters comes in pieces,
    which all have its number.

    Raises:
        RunError: if the file cannot be read, or a line is not UTF-8 and `bad_records` does not skip
            lines.
    """
    name = quote(file.path, 200)
    with (
        opener.open_file(file) as descriptor,
        # A duplicate, since the file object closes its descriptor and the opener closes its own.
        os.fdopen(os.dup(descriptor), "rb") as raw,
        # utf-8-sig drops the byte order mark that Excel and Notepad write. Invalid bytes become
        # surrogates, which valid UTF-8 cannot contain, so that one bad line does not end the file.
        # newline="" keeps line ends as they are, which the csv module needs within quoted cells.
        TextIOWrapper(raw, encoding="utf-8-sig", errors="surrogateescape", newline="") as stream,
    ):
        number, after_cr = 1, False
        try:
            while line := stream.readline(limit):
                # `\r` alone ends a line too, as in editors. The limit may cut between `\r` and
                # `\n`.
                number += after_cr and line != "\n"
                # isascii() is a flag of the string, and spares most lines the search.
                if line.isascii() or not _SURROGATE.search(line):
                    yield number, line
                else:
                    invalid = f"line {number} of {name} is not valid UTF-8; save the file as UTF-8"
                    (bad_records or BadRecords("stop", "lines")).add(RunError(invalid))
                # A piece of a line that was cut at the limit has no line end.
                number += line.endswith("\n")
                after_cr = line.endswith("\r")
        except OSError as error:
            raise RunError(f"cannot read {name}: {error.strerror or error}") from error
