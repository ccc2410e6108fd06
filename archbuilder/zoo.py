"""Finds the blueprints that come with archbuilder."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from archbuilder.diagnostics.errors import UsageError, closest_match, quote

_PACKAGE: Final = Path(__file__).resolve().parent
FOLDERS: Final = (_PACKAGE / "blueprints", _PACKAGE.parent / "blueprints")
"""Where the library is: in the package once installed, beside it in a checkout."""
_GALLERY: Final = "gallery.json"
_DEFAULT_VARIANT: Final = "default"


@dataclass(frozen=True, slots=True)
class ZooVariant:
    """A variant of a blueprint, or one network of it: `network` is empty where it has one.

    Multiply-adds and activations are of one example.
    """

    variant: str
    network: str
    is_default: bool
    parameters: int
    multiply_adds: int
    weight_bytes: int
    activation_bytes: int

    def blueprint_argument(self, name: str) -> str:
        """What commands call it: `resnet:101`, or `lenet5` where it is no variant."""
        return name if self.variant == _DEFAULT_VARIANT else f"{name}:{self.variant}"

    def to_dict(self) -> dict[str, str | int]:
        """The row for a JSON file."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class ZooEntry:
    """A blueprint of the library, and what its outputs were compared with."""

    name: str
    title: str
    reference: str
    rows: tuple[ZooVariant, ...]


def gallery() -> tuple[ZooEntry, ...]:
    """All blueprints with their sizes, which were counted when the gallery was written."""
    data = json.loads(gallery_path().read_text(encoding="utf-8"))
    return tuple(
        ZooEntry(
            name,
            entry["title"],
            entry["against"],
            tuple(ZooVariant(**each) for each in entry["rows"]),
        )
        for name, entry in data.items()
    )


def gallery_path() -> Path:
    """The file with the sizes of the library."""
    return _folder() / _GALLERY


def names() -> tuple[str, ...]:
    """The names of all blueprints of the library, in alphabetical order."""
    return tuple(_files())


def path(name: str) -> Path:
    """The file of a blueprint of the library.

    Raises:
        UsageError: when there is none of that name.
    """
    files = _files()
    if name not in files:
        near = closest_match(name, files)
        hint = f"did you mean '{near}'?" if near else "'archbuilder list' shows what there is"
        raise UsageError(f"the library has no blueprint {quote(name)}; {hint}")
    return files[name]


def _files() -> dict[str, Path]:
    """The files by name: the path below the library's folder without `.yaml`."""
    folder = _folder()
    files = sorted(folder.rglob("*.yaml"))
    return {file.relative_to(folder).with_suffix("").as_posix(): file for file in files}


def _folder() -> Path:
    return next(folder for folder in FOLDERS if folder.is_dir())
