"""Parser of the `--data` argument: a file, a directory, or the name of a dataset."""

from __future__ import annotations

import dataclasses
import os
import re
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any, Final, cast

from archbuilder.config.sources import (
    AUDIO_SUFFIXES,
    IMAGE_SUFFIXES,
    SOURCES,
    TEXT_SUFFIXES,
    TFDS_NAME,
    Audio,
    DataConfig,
    DataPath,
    DataSource,
    Digits,
    Idx,
    Images,
    Jsonl,
    TargetImages,
    Text,
    TextFiles,
    Tfds,
    Videos,
)
from archbuilder.config.sources.tables import check_keeps_features
from archbuilder.diagnostics.errors import UsageError, closest_match, quote
from archbuilder.files import path_status
from archbuilder.files.blueprint_files import check_exists
from archbuilder.files.sandbox import cannot_read
from archbuilder.formatting import any_of

_DIGITS: Final = "digits"
_TFDS_PREFIX: Final = "tfds:"
_SOURCES_BY_SUFFIX: Final[Mapping[str, Callable[[DataPath], DataSource]]] = {
    # Any: the sources with suffixes take a file, which DataSource does not say.
    suffix: cast(Any, source)
    for source in SOURCES.values()
    for suffix in source.suffixes
}
_FILES_IN_DIRECTORIES: Final[
    Mapping[type[Images | TextFiles | Audio | Videos], tuple[str, tuple[str, ...]]]
] = {
    Images: ("images", IMAGE_SUFFIXES),
    TextFiles: ("texts", TEXT_SUFFIXES),
    Audio: ("recordings", AUDIO_SUFFIXES),
    Videos: ("videos", IMAGE_SUFFIXES),
}
"""The files that sources of directories read, and their suffixes."""
_GLOB_CHARS: Final = frozenset("*?[")
_IDX_NAMES: Final = (
    ("train-images-idx3-ubyte", "train-labels-idx1-ubyte"),
    ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"),
)


def is_path_argument(text: str) -> bool:
    """Return whether a `--data` argument is a path rather than the name of a dataset."""
    return text != _DIGITS and not text.startswith(_TFDS_PREFIX)


def data_from_argument(text: str, template: DataConfig | None = None) -> DataConfig:
    """Return the data that a `--data` argument names.

    The argument is one of:

    - `digits`, or `tfds:NAME`;
    - a `.npz` file with the arrays `x` and `y`;
    - a `.csv` or `.parquet` file whose last column is the target;
    - a `.jsonl` or `.tfrecord` file with the fields `x` and `y`;
    - a `.txt` file, with characters as tokens, or a `.tsv` file of text pairs;
    - a glob pattern of such files;
    - a directory with the files of MNIST;
    - a directory of images, optionally with a subdirectory per class, and optionally split into
      `train` and `validation`; of text files or audio files, if the recipe trains on such.

    Args:
        text: the argument.
        template: the data of the recipe. A source of the same type passes its options on, such as
            its columns; only the files are replaced.

    Raises:
        UsageError: if the argument is none of these.
    """
    if not text:
        raise UsageError("the data must not be an empty string")
    if text == _DIGITS:
        return DataConfig(Digits(), cli_argument=text)
    if text.startswith(_TFDS_PREFIX):
        return DataConfig(_tfds_source(text, template), cli_argument=text)
    path = Path(text)
    source_class = _SOURCES_BY_SUFFIX.get(path.suffix)
    source = source_class(DataPath(text)) if source_class else None
    if isinstance(source, Jsonl) and template is not None and isinstance(template.train, Text):
        # The recipe trains on text, so the file has a field of text, not of numbers.
        source = Text(source.file)
    if source is not None:
        data = DataConfig(source)
    elif path_status.is_dir(path):
        train = None if template is None else template.train
        classes = [each for each in _FILES_IN_DIRECTORIES if isinstance(train, each)]
        data = _from_directory(path, classes[0] if classes else Images)
    else:
        if os.sep in text:
            check_exists(path)
        hint = "; did you mean 'digits'?" if closest_match(text, ["digits"]) else ""
        raise UsageError(
            f"the data must be 'digits', 'tfds:NAME', a directory, or a"
            f" {any_of(_SOURCES_BY_SUFFIX)} file, not {quote(text)}{hint}"
        )
    if template is not None:
        check_keeps_features(data.train, template.train, text)
    train = data.train if template is None else _inherit_options(data.train, template.train)
    validation, test = data.validation, data.test
    if validation is not None and template is not None:
        validation = _inherit_options(validation, template.validation or template.train)
    if test is not None and template is not None:
        test = _inherit_options(test, template.test or template.train)
    # The argument is recorded in the run, which may be resumed from another working directory.
    # One file replaces all of the recipe; a directory may have a test set of its own.
    return DataConfig(train, validation, cli_argument=str(path.absolute()), test=test)


def _tfds_source(text: str, template: DataConfig | None) -> Tfds:
    """Return a dataset of `tensorflow-datasets`, with the options of the template."""
    name = text.removeprefix(_TFDS_PREFIX)
    if not re.fullmatch(TFDS_NAME, name):
        raise UsageError(f"{quote(name)} is not the name of a dataset, as in tfds:mnist")
    if template is not None and isinstance(template.train, Tfds):
        return dataclasses.replace(template.train, name=DataPath(name))
    return Tfds(DataPath(name))


def _inherit_options(source: DataSource, template: DataSource) -> DataSource:
    """Return the template with the files of `source`, if both are of the same type."""
    if type(source) is not type(template):
        return source
    values = {each.name: getattr(source, each.name) for each in dataclasses.fields(source)}
    paths = {name: each for name, each in values.items() if isinstance(each, DataPath)}
    if isinstance(source, Images) and isinstance(template, Images) and template.targets:
        return _with_directories_of(template, Path(source.directory.path))
    # Any: mypy does not relate the keywords of replace() to a union of dataclasses.
    result: DataSource = dataclasses.replace(cast(Any, template), **paths)
    return result


def _with_directories_of(template: Images, directory: Path) -> Images:
    """Return images and their targets in directories below `directory`, named as in a recipe.

    Raises:
        UsageError: if one does not exist.
    """

    def below(recipe_path: DataPath) -> DataPath:
        # Absolute, as a run records it: it may be resumed from another working directory.
        path = directory.absolute() / Path(recipe_path.path).name
        # A pattern is expanded when the data is loaded.
        if not path_status.is_dir(path) and not _GLOB_CHARS.intersection(path.name):
            raise UsageError(
                f"the directory {quote(str(directory), 200)} has no directory {quote(path.name)}:"
                " images with other images as targets are in directories that have the names of"
                " those in the recipe"
            )
        return DataPath(str(path))

    targets = template.targets
    if isinstance(targets, TargetImages):
        targets = dataclasses.replace(targets, directory=below(targets.directory))
    elif targets is not None:
        targets = {
            output: dataclasses.replace(each, directory=below(each.directory))
            for output, each in targets.items()
        }
    return dataclasses.replace(template, directory=below(template.directory), targets=targets)


def _from_directory(
    directory: Path, source_class: type[Images | TextFiles | Audio | Videos]
) -> DataConfig:
    """Return the files of MNIST in a directory, or its images, texts, recordings or videos."""
    if any(_find_file(directory, name) for name in _IDX_NAMES[0]):
        return _from_idx_directory(directory)
    try:
        children = list(directory.iterdir())
    except OSError as error:
        raise UsageError(cannot_read(directory, error)) from error
    noun, suffixes = _FILES_IN_DIRECTORIES[source_class]
    if not any(each.suffix.lower() in suffixes or path_status.is_dir(each) for each in children):
        raise _no_files_error(directory, noun)
    names = {each.name for each in children if path_status.is_dir(each)}
    if names.issuperset(("train", "validation")) or _is_train_and_test(directory, names):
        validation, test = (
            source_class(DataPath(str(directory / name))) if name in names else None
            for name in ("validation", "test")
        )
        return DataConfig(source_class(DataPath(str(directory / "train"))), validation, test=test)
    return DataConfig(source_class(DataPath(str(directory))))


def _is_train_and_test(directory: Path, names: Collection[str]) -> bool:
    """Return whether the directories below one are a training and a test set, each with classes.

    Without directories of their own, they may be classes: pictures of trains and of tests.
    """
    visible = {each for each in names if not each.startswith(".")}
    return visible == {"train", "test"} and all(
        any(path_status.is_dir(each) for each in subset.glob("*"))
        for subset in (directory / name for name in visible)
    )


def _from_idx_directory(directory: Path) -> DataConfig:
    sources: list[Idx] = []
    for names in _IDX_NAMES:
        files = [_find_file(directory, name) for name in names]
        if files[0] and files[1]:
            sources.append(Idx(DataPath(str(files[0])), DataPath(str(files[1]))))
    if not sources:
        raise _no_files_error(directory, "images")
    return DataConfig(sources[0], sources[1] if len(sources) > 1 else None)


def _no_files_error(directory: Path, noun: str) -> UsageError:
    expected = " and ".join(_IDX_NAMES[0])
    return UsageError(
        f"the directory {quote(str(directory), 200)} has no files {expected} (or .gz), and no"
        f" {noun}"
    )


def _find_file(directory: Path, name: str) -> Path | None:
    for candidate in (directory / name, directory / f"{name}.gz"):
        if path_status.is_file(candidate):
            return candidate
    return None
