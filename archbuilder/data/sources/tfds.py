"""Datasets that the library `tensorflow-datasets` has prepared on this machine.

Nothing is downloaded: a person prepares a dataset with `tfds build`. The library only lists files,
features and splits. Records are read as those of the source `tfrecord`, so that shuffling, resuming
and errors are the same.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from archbuilder.config.sources import DataPath, RecordImage, Tfds, Tfrecord
from archbuilder.data.file_access import DataFileOpener
from archbuilder.data.source_dataset import FittedPreprocessing, SourceDataset
from archbuilder.data.sources.load_context import LoadContext
from archbuilder.data.sources.npy_header import as_mapping
from archbuilder.data.sources.tfrecord import load_records
from archbuilder.data.sources.tfrecord_io import Shard
from archbuilder.diagnostics.errors import (
    BlueprintError,
    Diagnostics,
    RunError,
    UsageError,
    quote,
    quote_list,
)

DATA_DIR_VARIABLE: Final = "TFDS_DATA_DIR"
"""The environment variable with the directory of datasets."""
_FILE_FORMAT: Final = "tfrecord"


def load_tfds(source: Tfds, context: LoadContext) -> SourceDataset:
    """Load a split of a dataset.

    Raises:
        BlueprintError: if a blueprint names the dataset, and the user does not allow its directory.
        UsageError: if the library is not installed.
        RunError: if the dataset is not prepared here, or has no such split or feature.
    """
    name, info = source.name.path, _info(source, context.opener)
    supervised_keys = info.supervised_keys or (None, None)
    inputs, targets = source.inputs or supervised_keys[0], source.targets or supervised_keys[1]
    if not isinstance(inputs, str | Mapping) or not isinstance(targets, str | Mapping):
        raise RunError(
            f"{name} does not declare inputs and targets; it has {quote_list(info.features)}: name"
            " them"
        )
    target_features = {
        key: each.feature if isinstance(each, RecordImage) else each
        for key, each in as_mapping(targets).items()
    }
    input_features = as_mapping(inputs)
    for feature in (*input_features.values(), *target_features.values()):
        if feature not in info.features:
            available = quote_list(info.features)
            raise RunError(f"{name} has no feature {quote(feature)}; it has {available}")
    # A target of one number has no axes.
    shaped = {
        **{
            key: each for key, each in target_features.items() if len(info.features[each].shape) > 1
        },
        **input_features,
    }
    shapes = {key: info.features[feature].shape for key, feature in shaped.items()}
    records = Tfrecord(
        DataPath(f"{name}:{source.split}"),
        inputs,
        targets,
        # A shape with None varies between examples, such as that of encoded images.
        shape={key: shape for key, shape in shapes.items() if None not in shape},
        size=source.size,
        channels=source.channels,
        bits=source.bits,
        divide_by=source.divide_by,
        on_error=source.on_error,
    )
    # `_info` checked the whole directory, and the paths are the library's: a plain opener.
    plain_context = replace(context, opener=DataFileOpener())
    dataset = load_records(records, _shards(source, info), plain_context)
    # The features ClassLabel have integers in the records, and their names only in the metadata.
    names = {
        key: tuple(info.features[feature].names)
        for key, feature in target_features.items()
        if getattr(info.features[feature], "names", None)
    }
    schema = dataset.preprocessing.schema
    schema = replace(schema, classes={**schema.classes, **names})
    return replace(dataset, preprocessing=FittedPreprocessing(schema))


def _info(source: Tfds, opener: DataFileOpener) -> Any:
    """Return the `DatasetInfo` of a prepared dataset.

    Raises:
        BlueprintError: if a blueprint names the dataset, and the user does not allow its directory.
        UsageError: if the library is not installed.
        RunError: if the dataset is not prepared here as TFRecord files.
    """
    name = source.name.path
    directory = Path(os.environ.get(DATA_DIR_VARIABLE) or Path.home() / "tensorflow_datasets")
    if source.name.span is not None and not opener.is_allowed(directory):
        diagnostics = Diagnostics()
        diagnostics.error(
            "path-outside-directory",
            f"the datasets in {quote(str(directory), 200)} are outside the directory of this file",
            source.name.span,
            notes=(f"pass --allow-dir {directory}, or --data tfds:{name}",),
        )
        raise BlueprintError(diagnostics)
    try:
        import tensorflow_datasets as tfds  # noqa: PLC0415 - not everyone has it
    except ImportError:
        raise UsageError(
            "the source 'tfds' needs another library:"
            " python -m pip install 'keras-archbuilder[datasets]'"
        ) from None
    # try_gcs=False keeps the library from asking a cloud bucket for the dataset.
    try:
        builder = tfds.builder(name, data_dir=directory, try_gcs=False)
    except (tfds.core.DatasetNotFoundError, ValueError, AssertionError) as error:
        raise RunError(
            f"there is no dataset {quote(name)} in {quote(str(directory), 200)}:"
            f" {str(error).splitlines()[0]}"
        ) from None
    if not builder.info.splits:
        raise RunError(
            f"the dataset {quote(name)} is not prepared in {quote(str(directory), 200)};"
            f" prepare it with: tfds build {name}"
        )
    file_format = builder.info.file_format.value
    if file_format != _FILE_FORMAT:
        raise RunError(
            f"the dataset {quote(name)} is prepared as {file_format}, which is not supported;"
            f" prepare it with: tfds build {name} --file_format={_FILE_FORMAT}"
        )
    return builder.info


def _shards(source: Tfds, info: Any) -> list[Shard]:
    """Return the parts of files that belong to a split, such as `train[:10%]`.

    Raises:
        RunError: if there is no such split.
    """
    try:
        files = info.splits[source.split].file_instructions
    except (KeyError, ValueError):
        available = quote_list(sorted(info.splits))
        raise RunError(
            f"{source.name.path} has no split {quote(source.split)}; it has {available}"
        ) from None
    # The library writes -1 for all records of a file.
    return [
        Shard(DataPath(each.filename), each.skip, None if each.take == -1 else each.take)
        for each in files
    ]
