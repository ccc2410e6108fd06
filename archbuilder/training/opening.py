"""Opens data files: those of a blueprint in its own folder alone, those of a person anywhere."""

from __future__ import annotations

import os
from pathlib import Path

from archbuilder.errors import RunError, shown
from archbuilder.recipe.spec import DataFile


def read_data(file: DataFile, folder: Path | None) -> bytes:
    """The content of a data file; `folder` is that of the blueprint that names it.

    Raises:
        BlueprintError: if a blueprint names a file outside of its folder.
        RunError: if there is no such file, or it cannot be read or held in memory.
    """
    if file.span is None:
        return _read(Path(file.path))
    raise NotImplementedError


def _read(path: Path) -> bytes:
    try:
        check_size(path.stat().st_size, shown(str(path), 200))
        return path.read_bytes()
    except OSError as error:
        raise RunError(f"cannot read {shown(str(path), 200)}: {error.strerror or error}") from error


def check_size(size: int, name: str) -> None:
    """Refuse what would fill the machine's memory.

    Raises:
        RunError: if `size` bytes are more than half of it.
    """
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    if size > memory // 2:
        raise RunError(
            f"{name} holds {size / 2**30:,.1f} GiB, which is more than half of this machine's"
            f" memory ({memory / 2**30:,.1f} GiB)"
        )
