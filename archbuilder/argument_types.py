"""Checks of the types of arguments that programs pass to the Python API."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Final

from archbuilder.diagnostics.errors import UsageError, quote
from archbuilder.limits import Limits


@dataclass(frozen=True, slots=True)
class ArgumentClasses:
    """The classes of an argument, and their description for errors."""

    description: str
    classes: tuple[type, ...]

    def check(self, name: str, value: object, *, optional: bool = False) -> None:
        """Check an argument; None is valid for an optional one.

        Raises:
            UsageError: if it has another type.
        """
        is_valid = isinstance(value, self.classes) or (optional and value is None)
        # The system calls raise a ValueError for it.
        has_null = PathLike in self.classes and "\0" in str(value)
        if not is_valid or has_null:
            raise UsageError(f"'{name}' must be {self.description}, not {quote(value)}")


PATH: Final = ArgumentClasses("a path", (str, PathLike))
BOOLEAN: Final = ArgumentClasses("True or False", (bool,))
STRING: Final = ArgumentClasses("a string", (str,))
LIMITS: Final = ArgumentClasses("an archbuilder.Limits", (Limits,))
_DICTIONARY: Final = ArgumentClasses("a dictionary of parameters by name", (Mapping,))


def check_params(params: object) -> None:
    """Check that parameters are a dictionary with strings as keys; None is valid.

    Raises:
        UsageError: if they are not.
    """
    _DICTIONARY.check("params", params, optional=True)
    for name in params if isinstance(params, Mapping) else ():
        STRING.check("params", name)


def path_list(name: str, paths: object, content: str) -> list[Path]:
    """Return the paths of an iterable. `content` is what they are, such as `directories`.

    Raises:
        UsageError: if it is a string or no iterable, or if an item is no path.
    """
    if isinstance(paths, str | bytes | PathLike):
        kind = "a path" if isinstance(paths, PathLike) else "a string"
        raise UsageError(f"'{name}' must be a list of {content}, not {kind}")
    if not isinstance(paths, Iterable):
        raise UsageError(f"'{name}' must be a list of {content}, not {quote(paths)}")
    items = list(paths)
    for item in items:
        if not isinstance(item, str | PathLike) or "\0" in str(item):
            raise UsageError(f"'{name}' must be a list of {content}, not of {quote(item)}")
    return list(map(Path, items))
