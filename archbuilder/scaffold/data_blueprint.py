"""Choose and write the blueprint for a dataset."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from archbuilder.config.data_cli import data_from_argument
from archbuilder.config.sources import Csv, DataSource, Images, Jsonl, Npz, Pairs, Parquet, Text
from archbuilder.data.file_access import DataFileOpener
from archbuilder.data.sources import load_source
from archbuilder.diagnostics.errors import UsageError, quote
from archbuilder.plain_data import PlainData
from archbuilder.scaffold.arrays import arrays_blueprint
from archbuilder.scaffold.layout import to_name
from archbuilder.scaffold.table_sample import read_sample
from archbuilder.scaffold.tables import table_blueprint
from archbuilder.scaffold.texts import text_blueprint

_SUPPORTED: Final = (
    "a .csv, .parquet, .jsonl, .npz or .txt file, or a directory of images with a subdirectory per"
    " class"
)


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
    config = data_from_argument(data)
    source = config.train
    relative = os.path.relpath(data, path.parent)
    has_data = not relative.startswith(os.pardir)
    # A blueprint names no files outside of its directory. With `--data`, the name is replaced.
    file = Path(relative).as_posix() if has_data else Path(data).name
    name = to_name(path.stem, set(), "network")
    is_table = isinstance(source, Csv | Parquet | Jsonl)
    if target is not None and not is_table:
        raise UsageError("--target names a column of a table: a .csv, .parquet or .jsonl file")
    text = _blueprint_text(source, target, name, file)
    return DataBlueprint(text, has_data)


def _blueprint_text(source: DataSource, target: str | None, name: str, file: str) -> str:
    opener = DataFileOpener()
    if isinstance(source, Csv | Parquet | Jsonl):
        return table_blueprint(source, read_sample(source, opener), target, name, file)
    if isinstance(source, Pairs):
        raise UsageError(
            "pairs of texts need an encoder and a decoder: create a blueprint with --from"
            " transformer"
        )
    files: Mapping[type[DataSource], dict[str, PlainData]] = {
        Images: {"directory": file},
        Npz: {"file": file},
    }
    if type(source) in files:
        dataset = load_source(source, opener)
        if not dataset.targets:
            raise UsageError(
                f"the images of {dataset.source_name} have no classes; a new blueprint needs a"
                " subdirectory for each class"
            )
        return arrays_blueprint(source, dataset, name, files[type(source)])
    if isinstance(source, Text):
        tokenizer = load_source(source, opener).preprocessing.tokenizer
        if tokenizer is not None:
            return text_blueprint(tokenizer.vocab_size, name, file)
    raise UsageError(f"cannot create a blueprint for {quote(file)}; --data takes {_SUPPORTED}")
