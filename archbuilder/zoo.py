"""The zoo: blueprints that ship with archbuilder, and their sizes.

Published architectures have a name, such as `resnet`. Examples of how data is prepared and networks
are trained have that of their topic too: `vision/convmixer`.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from archbuilder.diagnostics.errors import UsageError, did_you_mean, quote
from archbuilder.files import path_status

_PACKAGE: Final = Path(__file__).resolve().parent
DIRECTORIES: Final = (_PACKAGE / "blueprints", _PACKAGE.parent / "blueprints")
"""Directories that may hold the zoo: within an installed package, next to it in a checkout.

`tool.hatch.build` in `pyproject.toml` moves `blueprints/` into the package when it builds a wheel.
"""
_GALLERY: Final = "gallery.json"
_OBJECTIVES: Final = "objectives"
_DEFAULT_VARIANT: Final = "default"


@dataclass(frozen=True, slots=True)
class ZooVariant:
    """Sizes of a variant of a blueprint, or of one of its networks.

    `network` is empty if the blueprint has a single network. `multiply_adds` and
    `activation_bytes` are per example.
    """

    variant: str
    network: str
    is_default: bool
    parameters: int
    multiply_adds: int
    weight_bytes: int
    activation_bytes: int

    def blueprint_argument(self, name: str) -> str:
        """Return the argument of commands: `resnet:101`, or `lenet5` for the default variant."""
        return name if self.variant == _DEFAULT_VARIANT else f"{name}:{self.variant}"

    def to_dict(self) -> dict[str, str | int]:
        """Return the fields for a JSON file."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class ZooEntry:
    """A blueprint of the zoo, with the implementation that its outputs were compared with."""

    name: str
    title: str
    reference: str
    rows: tuple[ZooVariant, ...]


def gallery() -> tuple[ZooEntry, ...]:
    """Return all blueprints with their sizes.

    The sizes come from a file that `scripts/generate_gallery.py` writes, so that listing the zoo
    neither imports Keras nor builds every model.
    """
    data = json.loads(gallery_path().read_text(encoding="utf-8"))
    return tuple(
        ZooEntry(
            name,
            entry["title"],
            entry["reference"],
            tuple(ZooVariant(**each) for each in entry["rows"]),
        )
        for name, entry in data.items()
    )


def objective_names() -> tuple[str, ...]:
    """Return the names of the objectives of the library."""
    directories = (directory / _OBJECTIVES for directory in DIRECTORIES)
    return tuple(sorted({file.stem for each in directories for file in each.glob("*.yaml")}))


def find_objective(name: str) -> Path | None:
    """Return the file of an objective of the library; None if it has none of this name."""
    # A name of letters, so that the path stays in the directory.
    if not name.replace("_", "").isalnum():
        return None
    paths = (directory / _OBJECTIVES / f"{name}.yaml" for directory in DIRECTORIES)
    return next((each for each in paths if path_status.is_file(each)), None)


def gallery_path() -> Path:
    """Return the path of the file with the sizes of the zoo."""
    return _directory() / _GALLERY


def names() -> tuple[str, ...]:
    """Return the names of all blueprints of the zoo in alphabetical order."""
    return tuple(_files())


def example_names() -> tuple[str, ...]:
    """Return the names of all examples in alphabetical order, such as `vision/convmixer`."""
    return tuple(_examples())


def path(name: str) -> Path:
    """Return the path of a blueprint of the zoo, or of an example.

    Raises:
        UsageError: if no blueprint has that name.
    """
    files = {**_files(), **_examples()}
    if name not in files:
        hint = did_you_mean(name, files, "'archbuilder list' shows the blueprints")
        raise UsageError(f"the library has no blueprint {quote(name)}; {hint}")
    return files[name]


def _files() -> dict[str, Path]:
    """Return the blueprint files by name, which is that of the file without `.yaml`.

    Subdirectories hold other files, such as recipes.
    """
    return {file.stem: file for file in sorted(_directory().glob("*.yaml"))}


def _examples() -> dict[str, Path]:
    """Return the files of examples by name, which is that of the topic and of the file."""
    files = sorted(_directory().glob("examples/*/*.yaml"))
    return {f"{file.parent.name}/{file.stem}": file for file in files}


def _directory() -> Path:
    return next(directory for directory in DIRECTORIES if directory.is_dir())
