"""Read the JSON files of a run, which another person may have written.

Size and nesting are bounded, and the type of a field is checked when it is read.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from archbuilder.diagnostics.errors import quote
from archbuilder.files.sandbox import SandboxPath
from archbuilder.plain_data import PlainData

MAX_JSON_BYTES: Final = 2**26
_MAX_DEPTH: Final = 64
# Python's integers have no bound; numpy and TensorFlow take int64.
_MAX_INTEGER: Final = 2**63 - 1
# JSON can escape half of a surrogate pair ("\ud800"), which UTF-8 cannot encode: printing the
# string or using it as a file name would raise an error.
_SURROGATE: Final = re.compile("[\ud800-\udfff]")


class JsonError(ValueError):
    """A JSON file is invalid; the message names the field."""


@dataclass(frozen=True, slots=True)
class JsonObject:
    """An object of a JSON file, with a method for each type of a field.

    Raises:
        JsonError: from every method that reads a field, if the field is missing or has another
            type.
    """

    values: Mapping[str, PlainData]
    name: str = ""
    """Path of the object within the file, such as `recipe.training`."""

    @classmethod
    def read(cls, file: SandboxPath) -> JsonObject:
        """Read the object in a file.

        Raises:
            OSError: if the file cannot be read, or is larger than 64 MiB.
            JsonError: if the file is not JSON, or its value is not an object.
        """
        return cls.parse(file.read(MAX_JSON_BYTES))

    @classmethod
    def parse(cls, content: bytes) -> JsonObject:
        """Parse the content of a file.

        Raises:
            JsonError: if it is not JSON, or its value is not an object; if it is nested too
                deeply, has a lone surrogate, or an integer beyond int64.
        """
        try:
            value = json.loads(content)
        # The scanner of `json` recurses for every level.
        except RecursionError:
            raise JsonError("it is nested too deeply") from None
        # JSONDecodeError, UnicodeDecodeError, or an integer of more than 4300 digits.
        except ValueError as error:
            raise JsonError(f"it is not JSON: {error}") from None
        # A stack, because the value may be nested more deeply than Python can recurse.
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
                raise JsonError(f"the string {quote(current)} contains half of a surrogate pair")
            elif isinstance(current, int) and abs(current) > _MAX_INTEGER:
                raise JsonError("an integer is too large")
        return cls.from_value(value, "")

    @classmethod
    def from_value(cls, value: PlainData, name: str) -> JsonObject:
        """Convert a value with the path `name` in the file.

        Raises:
            JsonError: if it is not an object.
        """
        if not isinstance(value, dict):
            raise _type_error(name, value, "an object")
        return cls(value, name)

    def get(self, key: str) -> PlainData:
        """Return the value of a field of any type, or None if it is missing."""
        return self.values.get(key)

    def with_defaults(self, defaults: Mapping[str, PlainData]) -> JsonObject:
        """Return the object with values for fields that are missing."""
        return replace(self, values={**defaults, **self.values})

    def object(self, key: str) -> JsonObject:
        """Return a field that is an object."""
        return JsonObject.from_value(self.get(key), self._field_path(key))

    def text(self, key: str) -> str:
        """Return a field that is a string."""
        return _to_text(self.get(key), self._field_path(key))

    def path(self, key: str) -> Path:
        """Return a field that is the path of a file or a directory."""
        return _to_path(self.get(key), self._field_path(key))

    def paths(self, key: str) -> tuple[Path, ...]:
        """Return a field that is a list of paths."""
        return tuple(_to_path(each, self._field_path(key)) for each in self.items(key))

    def items(self, key: str) -> tuple[PlainData, ...]:
        """Return a field that is a list."""
        value = self.get(key)
        if not isinstance(value, list):
            raise _type_error(self._field_path(key), value, "a list")
        return tuple(value)

    def texts(self, key: str) -> tuple[str, ...]:
        """Return a field that is a list of strings."""
        return tuple(_to_text(each, self._field_path(key)) for each in self.items(key))

    def objects(self, key: str) -> Iterator[JsonObject]:
        """Yield the items of a field that is a list of objects."""
        for index, item in enumerate(self.items(key)):
            yield JsonObject.from_value(item, f"{self._field_path(key)}[{index}]")

    def count(self, key: str) -> int:
        """Return a field that is a non-negative integer."""
        value = self.get(key)
        # Not `isinstance`, which accepts true as 1.
        if type(value) is not int or not 0 <= value <= _MAX_INTEGER:
            raise _type_error(self._field_path(key), value, "an integer of at least 0")
        return value

    def numbers(self) -> dict[str, float]:
        """Return all fields of an object whose fields are numbers."""
        for key, value in self.values.items():
            if type(value) not in (int, float):
                raise _type_error(self._field_path(key), value, "a number")
        # The condition is always true here; mypy does not narrow types by `type(value)`.
        return {key: value for key, value in self.values.items() if isinstance(value, int | float)}

    def _field_path(self, key: str) -> str:
        return f"{self.name}.{key}" if self.name else key


def _to_text(value: PlainData, name: str) -> str:
    if not isinstance(value, str):
        raise _type_error(name, value, "a string")
    return value


def _to_path(value: PlainData, name: str) -> Path:
    text = _to_text(value, name)
    # The system calls raise a ValueError for it, where callers expect an OSError.
    if "\0" in text:
        raise _type_error(name, value, "a path")
    return Path(text)


def _type_error(name: str, value: PlainData, expected: str) -> JsonError:
    where = f"the field {quote(name)}" if name else "it"
    if value is None:
        return JsonError(f"{where} is missing, which is {expected}")
    # The message quotes numbers and strings; a list or an object would be too long.
    value_text = type(value).__name__ if isinstance(value, list | dict) else quote(value)
    return JsonError(f"{where} is {value_text}, not {expected}")
