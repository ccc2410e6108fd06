"""Data sets that the library `tensorflow-datasets` has prepared on this machine.

Nothing is downloaded, and no code of a data set runs: a person prepares it, with `tfds build`.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from archbuilder.errors import BlueprintError, Diagnostics, RunError, UsageError, listed, shown
from archbuilder.recipe.sources import Arrays, DataFile, Tfds, Tfrecord
from archbuilder.training.examples import Examples, Known
from archbuilder.training.opening import Opener
from archbuilder.training.sources.arrays import by_name
from archbuilder.training.sources.framing import Shard
from archbuilder.training.sources.gathering import Store
from archbuilder.training.sources.records import load_records

FOLDER: Final = "TFDS_DATA_DIR"
"""The variable of the environment that says where the data sets are."""
_READ: Final = "tfrecord"


def load_tfds(source: Tfds, opener: Opener, store: Store, like: Known | None) -> Examples:
    """The examples of a split, from the files of a data set.

    Raises:
        BlueprintError: if a blueprint names it, and no person allows the folder of data sets.
        UsageError: if the library is not installed.
        RunError: if the data set is not prepared here, or has no such split or feature.
    """
    name = source.name.path
    folder = Path(os.environ.get(FOLDER) or Path.home() / "tensorflow_datasets")
    if source.name.span is not None and not opener.reaches(folder):
        diagnostics = Diagnostics()
        diagnostics.error(
            "outside-folder",
            f"the data sets in {shown(str(folder), 200)} lie outside of the folder of this file",
            source.name.span,
            notes=(f"allow them with --allow {folder}, or name the set with --data tfds:{name}",),
        )
        raise BlueprintError(diagnostics)
    info = _info(name, folder)
    inputs, targets = _wanted(source, info)
    for feature in (*by_name(inputs).values(), *by_name(targets).values()):
        if feature not in info.features:
            has = listed(info.features)
            raise RunError(f"{name} has no feature {shown(feature)}; it has {has}")
    shapes = {key: info.features[feature].shape for key, feature in by_name(inputs).items()}
    records = Tfrecord(
        DataFile(f"{name}:{source.split}"),
        inputs,
        targets,
        shape={key: shape for key, shape in shapes.items() if None not in shape},
        size=source.size,
        channels=source.channels,
        bits=source.bits,
        scale=source.scale,
        on_error=source.on_error,
    )
    examples = load_records(records, _shards(source, info), Opener(), store, like)
    names = {
        key: tuple(info.features[feature].names)
        for key, feature in by_name(targets).items()
        if getattr(info.features[feature], "names", None)
    }
    legend = examples.known.legend
    legend = replace(legend, classes={**legend.classes, **names})
    return replace(examples, known=Known(legend))


def _info(name: str, folder: Path) -> Any:
    try:
        import tensorflow_datasets as tfds  # noqa: PLC0415 - not everyone has it
    except ImportError:
        raise UsageError(
            "the source 'tfds' wants a library more:"
            " python -m pip install 'keras-archbuilder[datasets]'"
        ) from None
    try:
        builder = tfds.builder(name, data_dir=folder, try_gcs=False)
    except (tfds.core.DatasetNotFoundError, ValueError, AssertionError) as error:
        raise RunError(
            f"there is no data set {shown(name)} in {shown(str(folder), 200)}:"
            f" {str(error).splitlines()[0]}"
        ) from None
    if not builder.info.splits:
        raise RunError(
            f"the data set {shown(name)} is not prepared in {shown(str(folder), 200)};"
            f" prepare it with: tfds build {name}"
        )
    form = builder.info.file_format.value
    if form != _READ:
        raise RunError(
            f"the data set {shown(name)} is prepared as {form}, which is not read;"
            f" prepare it with: tfds build {name} --file_format={_READ}"
        )
    return builder.info


def _wanted(source: Tfds, info: Any) -> tuple[Arrays, Arrays]:
    """The features that are inputs and targets: those of the source, or of the data set itself."""
    own = info.supervised_keys or (None, None)
    inputs, targets = source.inputs or own[0], source.targets or own[1]
    if isinstance(inputs, str | Mapping) and isinstance(targets, str | Mapping):
        return inputs, targets
    has = listed(info.features)
    raise RunError(
        f"{source.name.path} does not say its inputs and targets; it has {has}: name them"
    )


def _shards(source: Tfds, info: Any) -> list[Shard]:
    try:
        files = info.splits[source.split].file_instructions
    except (KeyError, ValueError):
        has = listed(sorted(info.splits))
        raise RunError(
            f"{source.name.path} has no split {shown(source.split)}; it has {has}"
        ) from None
    return [
        Shard(DataFile(each.filename), each.skip, None if each.take == -1 else each.take)
        for each in files
    ]
