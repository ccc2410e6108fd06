"""Choose and write the blueprint for a dataset."""

from __future__ import annotations

import os
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Final

from archbuilder.config.data_cli import data_from_argument
from archbuilder.config.sources import (
    AUDIO_SUFFIXES,
    IMAGE_SUFFIXES,
    TEXT_SUFFIXES,
    Audio,
    Csv,
    DataConfig,
    DataPath,
    DataSource,
    Images,
    Jsonl,
    Npz,
    Pairs,
    Parquet,
    Text,
    TextFiles,
)
from archbuilder.data.file_access import DataFileOpener
from archbuilder.data.sources import load_source
from archbuilder.diagnostics.errors import UsageError, quote
from archbuilder.files import path_status
from archbuilder.plain_data import PlainData
from archbuilder.scaffold.arrays import arrays_blueprint
from archbuilder.scaffold.layout import to_name
from archbuilder.scaffold.recordings import LONGEST, recordings_blueprint
from archbuilder.scaffold.table_sample import read_sample
from archbuilder.scaffold.tables import table_blueprint
from archbuilder.scaffold.texts import MAX_TOKENS, text_blueprint, text_files_blueprint

_SUPPORTED: Final = (
    "a .csv, .parquet, .jsonl, .npz or .txt file, or a directory of images, texts or audio files"
    " with a subdirectory per class"
)
_MAX_FILES: Final = 1000
"""Number of files of each level that decide what a directory has."""


@dataclass(frozen=True, slots=True)
class DataBlueprint:
    """A new blueprint for a dataset."""

    text: str
    has_data: bool
    """Whether the data is below the directory of the blueprint, so that it can be named there."""


def data_blueprint(path: Path, data: str, target: str | None) -> DataBlueprint:
    """Inspect a dataset, and return a blueprint that trains on it.

    Args:
        path: Where the blueprint will be.
        data: The dataset, as in `--data`.
        target: The column of a table to predict; the last one by default.

    Raises:
        RunError: if the data is missing or damaged.
        UsageError: if no network can be suggested for it.
    """
    config = data_from_argument(data, _template(data))
    source = config.train
    relative = os.path.relpath(data, path.parent)
    has_data = not relative.startswith(os.pardir)
    # A blueprint names no files outside of its directory. With `--data`, the name is replaced.
    file = Path(relative) if has_data else Path(Path(data).name)
    name = to_name(path.stem, set(), "network")
    is_table = isinstance(source, Csv | Parquet | Jsonl)
    if target is not None and not is_table:
        raise UsageError("--target names a column of a table: a .csv, .parquet or .jsonl file")
    if isinstance(source, Images | TextFiles | Audio):
        text = _directory_text(config, name, Path(data), file)
    else:
        text = _blueprint_text(source, target, name, file.as_posix())
    return DataBlueprint(text, has_data)


def _template(data: str) -> DataConfig | None:
    """Return the settings with which a directory of texts or recordings is read; None for others.

    Images decide, then texts: other files may be beside them.
    """
    directory = Path(data)
    if not data or not path_status.is_dir(directory):
        return None
    files = [
        each
        for pattern in ("*", "*/*", "*/*/*")
        for each in islice(directory.glob(pattern), _MAX_FILES)
    ]
    suffixes = {each.suffix.lower() for each in files}
    if not suffixes.isdisjoint(IMAGE_SUFFIXES):
        return None
    if suffixes.isdisjoint(TEXT_SUFFIXES):
        is_audio = not suffixes.isdisjoint(AUDIO_SUFFIXES)
        return DataConfig(Audio(DataPath(data), recording=LONGEST)) if is_audio else None
    texts = TextFiles(
        DataPath(data), lowercase=True, strip_punctuation=True, sequence_length=MAX_TOKENS
    )
    return DataConfig(texts)


def _directory_text(config: DataConfig, name: str, data: Path, file: Path) -> str:
    """Return a blueprint for a directory of images, texts or recordings, `file` in the blueprint.

    Raises:
        UsageError: if the files have no classes.
    """
    source = config.train

    def options(split_source: DataSource) -> dict[str, PlainData]:
        directory = data
        if isinstance(split_source, Images | TextFiles | Audio):
            directory = Path(split_source.directory.path)
        return {"directory": file.joinpath(os.path.relpath(directory, data)).as_posix()}

    others: dict[str, PlainData] = {
        key: {each.key: options(each)} for key, each in config.sources.items() if key != "train"
    }
    dataset = load_source(source, DataFileOpener())
    if not dataset.targets:
        content = {Images: "images", Audio: "recordings"}.get(type(source), "texts")
        raise UsageError(
            f"the {content} of {dataset.source_name} have no classes; a new blueprint needs a"
            " subdirectory for each class"
        )
    if isinstance(source, TextFiles):
        return text_files_blueprint(dataset, name, options(source), others)
    if isinstance(source, Audio):
        return recordings_blueprint(dataset, name, options(source), others)
    return arrays_blueprint(source, dataset, name, options(source), others)


def _blueprint_text(source: DataSource, target: str | None, name: str, file: str) -> str:
    opener = DataFileOpener()
    if isinstance(source, Csv | Parquet | Jsonl):
        return table_blueprint(source, read_sample(source, opener), target, name, file, opener)
    if isinstance(source, Pairs):
        raise UsageError(
            "pairs of texts need an encoder and a decoder: create a blueprint with --from"
            " transformer"
        )
    if isinstance(source, Npz):
        return arrays_blueprint(source, load_source(source, opener), name, {"file": file}, {})
    if isinstance(source, Text):
        tokenizer = load_source(source, opener).preprocessing.tokenizer
        if tokenizer is not None:
            return text_blueprint(tokenizer.vocab_size, name, file)
    raise UsageError(f"cannot create a blueprint for {quote(file)}; --data takes {_SUPPORTED}")
