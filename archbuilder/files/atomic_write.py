"""Writes the files that the user names: each is either the old one or the whole new one."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Final

from archbuilder.diagnostics.errors import RunError, UsageError, quote
from archbuilder.files.sandbox import SandboxPath, os_error_reason

_MAX_PATH_CHARACTERS: Final = 300
_MAX_NAME_BYTES: Final = 255
"""What the file systems of Linux and macOS take."""


def check_writable(path: Path) -> None:
    """Find out whether a file can be written, before long work is done for it.

    Raises:
        UsageError: when it is a folder, a link, a device or a pipe, or its folder is missing or
            takes no files.
    """
    folder = path.parent
    if len(os.fsencode(path.name)) > _MAX_NAME_BYTES:
        raise UsageError(f"{_display_path(path)} is longer than the name of a file can be")
    if path.is_dir():
        raise UsageError(f"{_display_path(path)} is a folder; give the name of a file in it")
    if path.exists() and not path.is_file():
        raise UsageError(f"{_display_path(path)} is a device or a pipe, and would become a file")
    if not folder.is_dir():
        raise UsageError(f"there is no folder {_display_path(folder)} to write {path.name!a} to")
    _check_link(path)
    try:
        SandboxPath(folder).check_writable()
    except OSError as error:
        raise UsageError(
            f"cannot write to the folder {_display_path(folder)}: {_reason(error)}"
        ) from error


@contextmanager
def atomic_write(path: Path) -> Iterator[IO[bytes]]:
    """A file to write to, which takes the place of the one at `path` when the context ends well.

    It is on the disk when the context ends: what stood there before survives a full disk, a kill
    and a power cut.

    Raises:
        UsageError: when a link stands there: it may lead to a file that nobody means.
        RunError: when it cannot be written.
    """
    _check_link(path)
    try:
        with SandboxPath.from_path(path).atomic_write() as file:
            yield file
    except OSError as error:
        raise RunError(
            f"cannot write {_display_path(path)}: {_reason(error, path.parent)}"
        ) from error


def write_text(path: Path, text: str) -> None:
    """Write a text file.

    Raises:
        UsageError: when the path cannot be a file of yours.
        RunError: when writing fails.
    """
    check_writable(path)
    with atomic_write(path) as file:
        file.write(text.encode("utf-8"))


def _check_link(path: Path) -> None:
    if path.is_symlink():
        raise UsageError(
            f"{_display_path(path)} is a link to {_display_path(path.readlink())}, which is not"
            " written through:"
            " name that file itself, or remove the link"
        )


def _reason(error: OSError, folder: Path | None = None) -> str:
    if folder is not None and not folder.is_dir():
        return f"there is no folder {_display_path(folder)}"
    return os_error_reason(error)


def _display_path(path: Path) -> str:
    return quote(str(path), _MAX_PATH_CHARACTERS)
