"""Write files that the user names, atomically: a reader sees the old file or the new one."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Final

from archbuilder.diagnostics.errors import RunError, UsageError, quote
from archbuilder.files import path_status
from archbuilder.files.sandbox import SandboxPath, os_error_reason

_MAX_PATH_CHARACTERS: Final = 300
_MAX_NAME_BYTES: Final = 255
"""The limit of the file systems of Linux and macOS."""


def check_writable(path: Path) -> None:
    """Check that a file can be written, before long work is done for it.

    Raises:
        UsageError: if the path is a directory, a link, a device or a pipe, or if its directory is
            missing or not writable.
    """
    directory = path.parent
    # Bytes, not characters: a Chinese character takes three.
    if len(os.fsencode(path.name)) > _MAX_NAME_BYTES:
        raise UsageError(f"{_display_path(path)} is too long for the name of a file")
    if path_status.is_dir(path):
        raise UsageError(f"{_display_path(path)} is a directory; pass the path of a file in it")
    if path_status.exists(path) and not path_status.is_file(path):
        raise UsageError(f"{_display_path(path)} is a device or a pipe, not a regular file")
    if not path_status.is_dir(directory):
        raise UsageError(
            f"there is no directory {_display_path(directory)} to write {path.name!a} to"
        )
    _check_link(path)
    try:
        SandboxPath(directory).check_writable()
    except OSError as error:
        raise UsageError(
            f"cannot write to the directory {_display_path(directory)}: {_reason(error)}"
        ) from error


@contextmanager
def atomic_write(path: Path) -> Iterator[IO[bytes]]:
    """Open a temporary file that replaces the file at `path` if the context ends without an error.

    The new file is on disk when the context ends. Until then the old one survives a full disk, a
    killed process and a power failure.

    Raises:
        UsageError: if `path` is a link, which may lead to a file that the user does not know of.
        RunError: if writing fails. An OSError about another file, from the body of the `with`
            statement, is raised as it is.
    """
    # The rename would replace the link itself. Following it could overwrite a file of the user
    # elsewhere: the link may have come with a stranger's repository.
    _check_link(path)
    error_of_body: OSError | None = None
    try:
        with SandboxPath.from_path(path).atomic_write() as file:
            try:
                yield file
            except OSError as error:
                # A write to an open file fails without a file name. With one, the body failed to
                # open another file.
                if error.filename is not None:
                    error_of_body = error
                raise
    except OSError as error:
        if error is error_of_body:
            raise
        raise RunError(
            f"cannot write {_display_path(path)}: {_reason(error, path.parent)}"
        ) from error


def write_text(path: Path, text: str) -> None:
    """Write a text file in UTF-8.

    Raises:
        UsageError: if `check_writable` refuses the path.
        RunError: if writing fails.
    """
    check_writable(path)
    with atomic_write(path) as file:
        # Encoded here instead of in text mode, which translates line breaks on some systems.
        file.write(text.encode("utf-8"))


def _check_link(path: Path) -> None:
    if path.is_symlink():
        raise UsageError(
            f"{_display_path(path)} is a link to {_display_path(path.readlink())}, and links are"
            " not followed: pass the path of that file, or remove the link"
        )


def _reason(error: OSError, directory: Path | None = None) -> str:
    # The directory may have been removed since `check_writable`; ENOENT alone would be reported as
    # a missing file.
    if directory is not None and not path_status.is_dir(directory):
        return f"there is no directory {_display_path(directory)}"
    return os_error_reason(error)


def _display_path(path: Path) -> str:
    return quote(str(path), _MAX_PATH_CHARACTERS)
