"""Writes results to files: all of it or nothing, and an older file stays until then."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from archbuilder.errors import RunError, UsageError, shown


def check_target(path: Path) -> None:
    """Find out whether a file can be written, before long work is done for it.

    Raises:
        UsageError: when it is a folder, or its folder is missing or takes no files.
    """
    if path.is_dir():
        raise UsageError(f"{shown(str(path))} is a folder; give the name of a file in it")
    folder = path.parent
    if not folder.is_dir():
        raise UsageError(f"there is no folder {shown(str(folder))} to write {path.name!a} to")
    try:
        # Asking for permission tells nothing of disks that are read-only, or of root.
        _beside(path).touch()
        _beside(path).unlink()
    except OSError as error:
        reason = error.strerror or str(error)
        raise UsageError(f"cannot write to the folder {shown(str(folder))}: {reason}") from error


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A file beside `path` to write to, which takes its place when all went well.

    Raises:
        RunError: when it cannot be written, as on a full disk.
    """
    beside = _beside(path)
    try:
        yield beside
        beside.replace(path)
    except OSError as error:
        reason = error.strerror or str(error)
        raise RunError(f"cannot write {shown(str(path))}: {reason}") from error
    finally:
        beside.unlink(missing_ok=True)


def _beside(path: Path) -> Path:
    # Keras goes by the suffix, so that it stays the last part of the name.
    return path.with_name(f".part-{os.getpid()}{path.suffix}")


def write_text(path: Path, text: str) -> None:
    """Write a text file.

    Raises:
        UsageError: when the path cannot be a file of yours.
        RunError: when writing fails.
    """
    check_target(path)
    with replacing(path) as beside:
        beside.write_text(text, encoding="utf-8")
