"""Writes models to files, so that a file is either the old one or the whole new one."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import keras

from archbuilder.errors import RunError, shown

_SUFFIX: Final = ".keras"
_PATH_CHARACTERS: Final = 300


def save_model(model: keras.Model, path: str | os.PathLike[str]) -> None:
    """Write a model with its weights as a `.keras` file.

    Plain Keras opens the file, except where the model has a layer of ours: then the program that
    opens it needs `import archbuilder`. When writing fails, or the machine does, what stood there
    before is still there.

    Raises:
        RunError: when the file cannot be written.
    """
    with _replacing(Path(path)) as beside:
        model.save(beside)


def save_architecture(model: keras.Model, path: str | os.PathLike[str]) -> None:
    """Write a model without its weights, as the JSON that `keras.models.model_from_json` reads.

    Raises:
        RunError: when the file cannot be written.
    """
    with _replacing(Path(path)) as beside:
        beside.write_text(model.to_json() + "\n", encoding="utf-8")


@contextmanager
def _replacing(path: Path) -> Iterator[Path]:
    """A file beside `path` to write to, which takes its place when the context ends well."""
    # A link stays a link: what it points to is replaced.
    target = Path(os.path.realpath(path))
    beside = target.with_name(f".{target.stem}-{secrets.token_hex(4)}{_SUFFIX}")
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
