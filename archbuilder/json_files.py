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

from archbuilder.errors import shown
from archbuilder.places import Place
from archbuilder.tree import Plain

_BYTES: Final = 2**26
_DEPTH: Final = 64
_LARGEST: Final = 2**63 - 1
_SURROGATE: Final = re.compile("[\ud800-\udfff]")


class JsonError(ValueError):
    """What a JSON file says is not what it should say; the message names the field."""


@dataclass(frozen=True, slots=True)
class JsonObject:
    """An object of a JSON file, whose fields are taken by their types.

    Raises:
        JsonError: from every method that takes a field, if it is missing or of another type.
    """

    values: Mapping[str, Plain]
    name: str = ""
    """Where it stands in the file, as `recipe.training`."""

    @classmethod
    def read(cls, place: Place) -> JsonObject:
        """The object in a file.

        Raises:
            OSError: if the file cannot be read, or is too large.
            JsonError: if it has something else.
        """
        return cls.parsed(place.read(_BYTES))

    @classmethod
    def parsed(cls, content: bytes) -> JsonObject:
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
        _check(value)
        return cls.of(value, "")

    @classmethod
    def of(cls, value: Plain, name: str) -> JsonObject:
        """A value that has to be an object.

        Raises:
            JsonError: if it is something else.
        """
        if not isinstance(value, dict):
            raise _other(name, value, "an object")
        return cls(value, name)

    def get(self, key: str) -> Plain:
        """The value of a field, whatever it is; None where it is missing."""
        return self.values.get(key)

    def object(self, key: str) -> JsonObject:
        """A field that is an object."""
        return JsonObject.of(self.get(key), self._path(key))

    def text(self, key: str) -> str:
        """A field that is a text."""
        return _text(self.get(key), self._path(key))

    def path(self, key: str) -> Path:
        """A field that is the path of a file or a directory."""
        return _path_of(self.get(key), self._path(key))

    def paths(self, key: str) -> tuple[Path, ...]:
        """A field that is a list of paths."""
        return tuple(_path_of(each, self._path(key)) for each in self.items(key))

    def items(self, key: str) -> tuple[Plain, ...]:
        """A field that is a list."""
        value = self.get(key)
        if not isinstance(value, list):
            raise _other(self._path(key), value, "a list")
        return tuple(value)

    def texts(self, key: str) -> tuple[str, ...]:
        """A field that is a list of texts."""
        return tuple(_text(each, self._path(key)) for each in self.items(key))

    def objects(self, key: str) -> Iterator[JsonObject]:
        """A field that is a list of objects."""
        for number, each in enumerate(self.items(key)):
            yield JsonObject.of(each, f"{self._path(key)}[{number}]")

    def count(self, key: str) -> int:
        """A field that is a whole number from 0."""
        value = self.get(key)
        if type(value) is not int or not 0 <= value <= _LARGEST:
            raise _other(self._path(key), value, "a whole number from 0")
        return value

    def numbers(self) -> dict[str, float]:
        """All fields, which are numbers."""
        for key, value in self.values.items():
            if type(value) not in (int, float):
                raise _other(self._path(key), value, "a number")
        return {key: value for key, value in self.values.items() if isinstance(value, int | float)}

    def _path(self, key: str) -> str:
        return f"{self.name}.{key}" if self.name else key


def _text(value: Plain, name: str) -> str:
    if not isinstance(value, str):
        raise _other(name, value, "a text")
    return value


def _path_of(value: Plain, name: str) -> Path:
    text = _text(value, name)
    if "\0" in text:
        raise _other(name, value, "a path")
    return Path(text)


def _other(name: str, value: Plain, wanted: str) -> JsonError:
    where = f"the field {shown(name)}" if name else "it"
    if value is None:
        return JsonError(f"{where} is missing, which is {wanted}")
    # A number or a text says what is wrong; of a list or an object that would be too much.
    what = type(value).__name__ if isinstance(value, list | dict) else shown(value)
    return JsonError(f"{where} is {what}, not {wanted}")


def _check(value: Plain) -> None:
    """Check the nesting and the texts of a value, however deep it is.

    Raises:
        JsonError: for what is nested too deeply, and for texts that no file can have.
    """
    waiting = [(value, 0)]
    while waiting:
        each, depth = waiting.pop()
        if depth > _DEPTH:
            raise JsonError("it is nested too deeply")
        if isinstance(each, dict):
            waiting += [(part, depth + 1) for pair in each.items() for part in pair]
        elif isinstance(each, list):
            waiting += [(part, depth + 1) for part in each]
        elif isinstance(each, str) and _SURROGATE.search(each):
            raise JsonError(f"the text {shown(each)} has half a character")
        elif isinstance(each, int) and abs(each) > _LARGEST:
            raise JsonError("a whole number is too large")
