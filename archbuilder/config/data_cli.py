"""Data that a person names on the command line: a file, a folder, or a set that ships with us."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final, cast

from archbuilder.config.sources import (
    IMAGE_SUFFIXES,
    TFDS_NAME,
    Csv,
    DataConfig,
    DataPath,
    DataSource,
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
    TokenizerConfig,
)
from archbuilder.diagnostics.errors import UsageError, closest_match, quote

_DIGITS: Final = "digits"
_TFDS_PREFIX: Final = "tfds:"
_SOURCES_BY_SUFFIX: Final[Mapping[str, Callable[[DataPath], DataSource]]] = {
    ".npz": Npz,
    ".csv": Csv,
    ".parquet": Parquet,
    ".jsonl": Jsonl,
    ".tfrecord": Tfrecord,
    ".txt": lambda file: Text(file, TokenizerConfig()),
    ".tsv": lambda file: Pairs(file, TokenizerConfig()),
}
_IDX_NAMES: Final = (
    ("train-images-idx3-ubyte", "train-labels-idx1-ubyte"),
    ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"),
)


def is_path_argument(text: str) -> bool:
    """Whether `--data` names a file or a folder, and not a data set."""
    return text != _DIGITS and not text.startswith(_TFDS_PREFIX)


def data_from_argument(text: str, template: DataConfig | None = None) -> DataConfig:
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
        return DataConfig(Digits(), cli_argument=text)
    if text.startswith(_TFDS_PREFIX):
        return DataConfig(_tfds_source(text, template), cli_argument=text)
    path = Path(text)
    source_class = _SOURCES_BY_SUFFIX.get(path.suffix)
    source = source_class(DataPath(text)) if source_class else None
    if isinstance(source, Jsonl) and template is not None and isinstance(template.train, Text):
        # A language model reads a field of text.
        source = Text(source.file, TokenizerConfig())
    if source is not None:
        data = DataConfig(source)
    elif path.is_dir():
        data = _from_directory(path)
    else:
        hint = "; did you mean 'digits'?" if closest_match(text, ["digits"]) else ""
        raise UsageError(
            f"the data {quote(text)} is neither 'digits' nor 'tfds:NAME', no folder, and no file"
            f" that ends with {', '.join(_SOURCES_BY_SUFFIX)}{hint}"
        )
    train = data.train if template is None else _inherit_options(data.train, template.train)
    validation = data.validation
    if validation is not None and template is not None:
        validation = _inherit_options(validation, template.validation or template.train)
    return DataConfig(train, validation, cli_argument=str(path.absolute()))


def _tfds_source(text: str, template: DataConfig | None) -> Tfds:
    """A data set of `tensorflow-datasets`: the split of a recipe, where it says one."""
    name = text.removeprefix(_TFDS_PREFIX)
    if not re.fullmatch(TFDS_NAME, name):
        raise UsageError(f"{quote(name)} is no name of a data set, as in tfds:mnist")
    if template is not None and isinstance(template.train, Tfds):
        return dataclasses.replace(template.train, name=DataPath(name))
    return Tfds(DataPath(name))


def _inherit_options(source: DataSource, template: DataSource) -> DataSource:
    """A source with its own files, and all else of another one of its kind."""
    if type(source) is not type(template):
        return source
    values = {each.name: getattr(source, each.name) for each in dataclasses.fields(source)}
    paths = {name: each for name, each in values.items() if isinstance(each, DataPath)}
    result: DataSource = dataclasses.replace(cast(Any, template), **paths)
    return result


def _from_directory(folder: Path) -> DataConfig:
    """The files of MNIST, or images."""
    if any(_find_file(folder, name) for name in _IDX_NAMES[0]):
        return _from_idx_directory(folder)
    if not any(each.is_dir() or each.suffix.lower() in IMAGE_SUFFIXES for each in folder.iterdir()):
        return _from_idx_directory(folder)
    directories = [folder / name for name in ("train", "validation")]
    if all(directory.is_dir() for directory in directories):
        train, validation = (Images(DataPath(str(path))) for path in directories)
        return DataConfig(train, validation)
    return DataConfig(Images(DataPath(str(folder))))


def _from_idx_directory(folder: Path) -> DataConfig:
    sources: list[Idx] = []
    for names in _IDX_NAMES:
        files = [_find_file(folder, name) for name in names]
        if files[0] and files[1]:
            sources.append(Idx(DataPath(str(files[0])), DataPath(str(files[1]))))
    if not sources:
        expected = " and ".join(_IDX_NAMES[0])
        raise UsageError(
            f"the folder {quote(str(folder), 200)} has no files {expected} (or .gz), and no images"
        )
    return DataConfig(sources[0], sources[1] if len(sources) > 1 else None)


def _find_file(folder: Path, name: str) -> Path | None:
    for candidate in (folder / name, folder / f"{name}.gz"):
        if candidate.is_file():
            return candidate
    return None
