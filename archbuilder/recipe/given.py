"""Data that a person names on the command line: a file, a folder, or a set that ships with us."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final, cast

from archbuilder.errors import UsageError, nearest, shown
from archbuilder.recipe.sources import (
    DATA_SET,
    IMAGE_ENDINGS,
    Csv,
    DataFile,
    DataSource,
    DataSpec,
    Digits,
    Idx,
    Images,
    Jsonl,
    Npz,
    Pairs,
    Parquet,
    Text,
    Tfds,
    Tfrecord,
    Tokenising,
)

_DIGITS: Final = "digits"
_TFDS: Final = "tfds:"
_KINDS: Final[Mapping[str, Callable[[DataFile], DataSource]]] = {
    ".npz": Npz,
    ".csv": Csv,
    ".parquet": Parquet,
    ".jsonl": Jsonl,
    ".tfrecord": Tfrecord,
    ".txt": lambda file: Text(file, Tokenising()),
    ".tsv": lambda file: Pairs(file, Tokenising()),
}
_IDX_NAMES: Final = (
    ("train-images-idx3-ubyte", "train-labels-idx1-ubyte"),
    ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"),
)


def names_path(text: str) -> bool:
    """Whether `--data` names a file or a folder, and not a data set."""
    return text != _DIGITS and not text.startswith(_TFDS)


def data_from_path(text: str, like: DataSpec | None = None) -> DataSpec:
    """The data that `--data` names, read as a recipe says it of files `like` these.

    `digits`, `tfds:NAME`, a `.npz` file with the arrays `x` and `y`, a `.csv` or `.parquet` file
    whose last column is the target, a `.jsonl` or `.tfrecord` file with `x` and `y`, a `.txt` file
    of text whose characters are tokens, a `.tsv` file of pairs of texts, a pattern that stands for
    several of them, a folder with the four files of MNIST, or one with images (in a folder for each
    class, and perhaps all of these in folders `train` and `validation`). Where a recipe has a
    source of the same kind, what it says beside the file holds here too.

    Raises:
        UsageError: if it is none of these.
    """
    if text == _DIGITS:
        return DataSpec(Digits(), given=text)
    if text.startswith(_TFDS):
        return DataSpec(_named_set(text, like), given=text)
    path = Path(text)
    kind = _KINDS.get(path.suffix)
    source = kind(DataFile(text)) if kind else None
    if isinstance(source, Jsonl) and like is not None and isinstance(like.train, Text):
        # A language model reads a field of text.
        source = Text(source.file, Tokenising())
    if source is not None:
        found = DataSpec(source)
    elif path.is_dir():
        found = _of_folder(path)
    else:
        hint = "; did you mean 'digits'?" if nearest(text, ["digits"]) else ""
        raise UsageError(
            f"the data {shown(text)} is neither 'digits' nor 'tfds:NAME', no folder, and no file"
            f" that ends with {', '.join(_KINDS)}{hint}"
        )
    train = found.train if like is None else _as(found.train, like.train)
    validation = found.validation
    if validation is not None and like is not None:
        validation = _as(validation, like.validation or like.train)
    return DataSpec(train, validation, given=str(path.absolute()))


def _named_set(text: str, like: DataSpec | None) -> Tfds:
    """A data set of `tensorflow-datasets`: the split of a recipe, where it says one."""
    name = text.removeprefix(_TFDS)
    if not re.fullmatch(DATA_SET, name):
        raise UsageError(f"{shown(name)} is no name of a data set, as in tfds:mnist")
    if like is not None and isinstance(like.train, Tfds):
        return dataclasses.replace(like.train, name=DataFile(name))
    return Tfds(DataFile(name))


def _as(source: DataSource, like: DataSource) -> DataSource:
    """A source with its own files, and all else of another one of its kind."""
    if type(source) is not type(like):
        return source
    named = {each.name: getattr(source, each.name) for each in dataclasses.fields(source)}
    files = {name: each for name, each in named.items() if isinstance(each, DataFile)}
    replaced: DataSource = dataclasses.replace(cast(Any, like), **files)
    return replaced


def _of_folder(folder: Path) -> DataSpec:
    """The files of MNIST, or images."""
    if any(_existing(folder, name) for name in _IDX_NAMES[0]):
        return _idx_folder(folder)
    if not any(each.is_dir() or each.suffix.lower() in IMAGE_ENDINGS for each in folder.iterdir()):
        return _idx_folder(folder)
    parts = [folder / name for name in ("train", "validation")]
    if all(part.is_dir() for part in parts):
        train, validation = (Images(DataFile(str(part))) for part in parts)
        return DataSpec(train, validation)
    return DataSpec(Images(DataFile(str(folder))))


def _idx_folder(folder: Path) -> DataSpec:
    found: list[Idx] = []
    for names in _IDX_NAMES:
        files = [_existing(folder, name) for name in names]
        if files[0] and files[1]:
            found.append(Idx(DataFile(str(files[0])), DataFile(str(files[1]))))
    if not found:
        expected = " and ".join(_IDX_NAMES[0])
        raise UsageError(
            f"the folder {shown(str(folder), 200)} has no files {expected} (or .gz), and no images"
        )
    return DataSpec(found[0], found[1] if len(found) > 1 else None)


def _existing(folder: Path, name: str) -> Path | None:
    for candidate in (folder / name, folder / f"{name}.gz"):
        if candidate.is_file():
            return candidate
    return None
