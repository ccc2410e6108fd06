"""Finds the blueprints that come with archbuilder."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from archbuilder.errors import UsageError, nearest, shown

_PACKAGE: Final = Path(__file__).resolve().parent
FOLDERS: Final = (_PACKAGE / "blueprints", _PACKAGE.parent / "blueprints")
"""Where the library is: in the package once installed, beside it in a checkout."""


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
        near = nearest(name, files)
        hint = f"did you mean '{near}'?" if near else "'archbuilder list' shows what there is"
        raise UsageError(f"the library has no blueprint {shown(name)}; {hint}")
    return files[name]


def _files() -> dict[str, Path]:
    """The files by name: the path below the library's folder without `.yaml`."""
    folder = next((each for each in FOLDERS if each.is_dir()), None)
    if folder is None:
        return {}
    files = sorted(folder.rglob("*.yaml"))
    return {file.relative_to(folder).with_suffix("").as_posix(): file for file in files}
