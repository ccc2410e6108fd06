"""Reads the JSON files of a run, which another person may have written.

What is read is bounded, and every field is checked for its type by whoever takes it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from archbuilder.diagnostics.errors import quote
from archbuilder.files.sandbox import SandboxPath
from archbuilder.plain_data import PlainData

_MAX_BYTES: Final = 2**26
_MAX_DEPTH: Final = 64
_MAX_INTEGER: Final = 2**63 - 1
_SURROGATE: Final = re.compile("[\ud800-\udfff]")


class JsonError(ValueError):
    """What a JSON file says is not what it should say; the message names the field."""


@dataclass(frozen=True, slots=True)
class JsonObject:
    """An object of a JSON file, whose fields are taken by their types.

    Raises:
        JsonError: from every method that takes a field, if it is missing or of another type.
    """

    values: Mapping[str, PlainData]
    name: str = ""
    """Where it stands in the file, as `recipe.training`."""

    @classmethod
    def read(cls, file: SandboxPath) -> JsonObject:
        """The object in a file.

        Raises:
            OSError: if the file cannot be read, or is too large.
            JsonError: if it has something else.
        """
        return cls.parse(file.read(_MAX_BYTES))

    @classmethod
    def parse(cls, content: bytes) -> JsonObject:
        """The object in the content of a file.

        Raises:
            JsonError: if it has something else.
        """
        try:
            value = json.loads(content)
        except RecursionError:
            raise JsonError("it is nested too deeply") from None
        except ValueError as error:
            raise JsonError(f"it is not JSON: {error}") from None
        _check_nesting(value)
        return cls.from_value(value, "")

    @classmethod
    def from_value(cls, value: PlainData, name: str) -> JsonObject:
        """A value that has to be an object.

        Raises:
            JsonError: if it is something else.
        """
        if not isinstance(value, dict):
            raise _type_error(name, value, "an object")
        return cls(value, name)

    def get(self, key: str) -> PlainData:
        """The value of a field, whatever it is; None where it is missing."""
        return self.values.get(key)

    def object(self, key: str) -> JsonObject:
        """A field that is an object."""
        return JsonObject.from_value(self.get(key), self._field_path(key))

    def text(self, key: str) -> str:
        """A field that is a text."""
        return _to_text(self.get(key), self._field_path(key))

    def path(self, key: str) -> Path:
        """A field that is the path of a file or a directory."""
        return _to_path(self.get(key), self._field_path(key))

    def paths(self, key: str) -> tuple[Path, ...]:
        """A field that is a list of paths."""
        return tuple(_to_path(each, self._field_path(key)) for each in self.items(key))

    def items(self, key: str) -> tuple[PlainData, ...]:
        """A field that is a list."""
        value = self.get(key)
        if not isinstance(value, list):
            raise _type_error(self._field_path(key), value, "a list")
        return tuple(value)

    def texts(self, key: str) -> tuple[str, ...]:
        """A field that is a list of texts."""
        return tuple(_to_text(each, self._field_path(key)) for each in self.items(key))

    def objects(self, key: str) -> Iterator[JsonObject]:
        """A field that is a list of objects."""
        for index, item in enumerate(self.items(key)):
            yield JsonObject.from_value(item, f"{self._field_path(key)}[{index}]")

    def count(self, key: str) -> int:
        """A field that is a whole number from 0."""
        value = self.get(key)
        if type(value) is not int or not 0 <= value <= _MAX_INTEGER:
            raise _type_error(self._field_path(key), value, "a whole number from 0")
        return value

    def numbers(self) -> dict[str, float]:
        """All fields, which are numbers."""
        for key, value in self.values.items():
            if type(value) not in (int, float):
                raise _type_error(self._field_path(key), value, "a number")
        return {key: value for key, value in self.values.items() if isinstance(value, int | float)}

    def _field_path(self, key: str) -> str:
        return f"{self.name}.{key}" if self.name else key


def _to_text(value: PlainData, name: str) -> str:
    if not isinstance(value, str):
        raise _type_error(name, value, "a text")
    return value


def _to_path(value: PlainData, name: str) -> Path:
    text = _to_text(value, name)
    if "\0" in text:
        raise _type_error(name, value, "a path")
    return Path(text)


def _type_error(name: str, value: PlainData, expected: str) -> JsonError:
    where = f"the field {quote(name)}" if name else "it"
    if value is None:
        return JsonError(f"{where} is missing, which is {expected}")
    # A number or a text says what is wrong; of a list or an object that would be too much.
    what = type(value).__name__ if isinstance(value, list | dict) else quote(value)
    return JsonError(f"{where} is {what}, not {expected}")


def _check_nesting(value: PlainData) -> None:
    """Check the nesting and the texts of a value, however deep it is.

    Raises:
        JsonError: for what is nested too deeply, and for texts that no file can have.
    """
    stack = [(value, 0)]
    while stack:
        current, depth = stack.pop()
        if depth > _MAX_DEPTH:
            raise JsonError("it is nested too deeply")
        if isinstance(current, dict):
            stack += [(child, depth + 1) for pair in current.items() for child in pair]
        elif isinstance(current, list):
            stack += [(item, depth + 1) for item in current]
        elif isinstance(current, str) and _SURROGATE.search(current):
            raise JsonError(f"the text {quote(current)} has half a character")
        elif isinstance(current, int) and abs(current) > _MAX_INTEGER:
            raise JsonError("a whole number is too large")
