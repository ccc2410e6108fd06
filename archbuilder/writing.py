"""Writes files so that each is either the old one or the whole new one, whatever happens."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from archbuilder.errors import RunError, UsageError, shown

_PATH_CHARACTERS: Final = 300
_NAME_BYTES: Final = 255
"""What the file systems of Linux and macOS take."""


def check_target(path: Path) -> None:
    """Find out whether a file can be written, before long work is done for it.

    Raises:
        UsageError: when it is a folder, a device or a pipe, or its folder is missing or takes no
            files.
    """
    folder = path.parent
    if len(os.fsencode(path.name)) > _NAME_BYTES:
        raise UsageError(f"{_named(path)} is longer than the name of a file can be")
    if path.is_dir():
        raise UsageError(f"{_named(path)} is a folder; give the name of a file in it")
    if path.exists() and not path.is_file():
        raise UsageError(f"{_named(path)} is a device or a pipe, and would become a file")
    if not folder.is_dir():
        raise UsageError(f"there is no folder {_named(folder)} to write {shown(path.name)} to")
    try:
        # Asking for permission tells nothing of disks that are read-only, or of root.
        beside = _beside(path)
        beside.touch()
        beside.unlink()
    except OSError as error:
        reason = error.strerror or str(error)
        raise UsageError(f"cannot write to the folder {_named(folder)}: {reason}") from error


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A file beside `path` to write to, which takes its place when the context ends well.

    It is on the disk when the context ends: what stood there before survives a full disk, a kill
    and a power cut.

    Raises:
        RunError: when it cannot be written.
    """
    # A link stays a link: what it points to is replaced.
    target = Path(os.path.realpath(path))
    beside = _beside(target)
    try:
        try:
            yield beside
            _flush(beside)
            beside.replace(target)
            _flush(target.parent)
        finally:
            beside.unlink(missing_ok=True)
    except OSError as error:
        raise RunError(f"cannot write {_named(path)}: {_why(error, target.parent)}") from error


def write_text(path: Path, text: str) -> None:
    """Write a text file.

    Raises:
        UsageError: when the path cannot be a file of yours.
        RunError: when writing fails.
    """
    check_target(path)
    with replacing(path) as beside:
        beside.write_text(text, encoding="utf-8")


def _beside(path: Path) -> Path:
    # Keras goes by the suffix, so that it stays the last part of the name.
    return path.with_name(f".{path.stem[:100]}-{secrets.token_hex(4)}{path.suffix}")


def _flush(path: Path) -> None:
    """Have the disk hold what was written to a file or a folder."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _why(error: OSError, folder: Path) -> str:
    if not folder.is_dir():
        return f"there is no folder {_named(folder)}"
    return error.strerror or str(error)


def _named(path: Path) -> str:
    return shown(str(path), _PATH_CHARACTERS)
