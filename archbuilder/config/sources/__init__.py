"""The sources of the `data` section: their settings, and how each is loaded.

A source has a declaration here and an implementation in `archbuilder.data.sources`, which reads the
data. Nothing in this package imports NumPy or TensorFlow, so that `archbuilder validate` checks
recipes without them; `load` imports the implementation.

To add a source, write its class in a module of this package, name it in the last line of that
module, and write the module that its `load` imports.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from archbuilder.config.data_sandbox import DataSandbox
from archbuilder.config.sources.arrays import ARRAY_SOURCES, DEFAULT_TARGET, Digits, Idx, Npy, Npz
from archbuilder.config.sources.audio import AUDIO_SOURCES, AUDIO_SUFFIXES, Audio
from archbuilder.config.sources.base import (
    ArrayNames,
    DataPath,
    DataSource,
    FileConfig,
    InferenceSource,
    OnError,
)
from archbuilder.config.sources.clips import VIDEO_SOURCES, Videos
from archbuilder.config.sources.features import (
    CoordinateKind,
    FeatureConfig,
    InputColumns,
    TableFile,
)
from archbuilder.config.sources.images import (
    IMAGE_SOURCES,
    IMAGE_SUFFIXES,
    TFDS_NAME,
    Images,
    RecordImage,
    TargetImages,
    Tfds,
    Tfrecord,
)
from archbuilder.config.sources.pixels import ImageConfig, TableImage
from archbuilder.config.sources.sounds import AudioConfig, TableAudio
from archbuilder.config.sources.tables import (
    TABLE_SOURCES,
    Csv,
    Jsonl,
    Parquet,
    TableSource,
    TargetColumns,
)
from archbuilder.config.sources.texts import TEXT_SOURCES, TEXT_SUFFIXES, Pairs, Text, TextFiles
from archbuilder.config.sources.tokenizers import TokenizerConfig, TokenizerType
from archbuilder.config.sources.videos import TableVideo, VideoConfig
from archbuilder.config.sources.windows import WindowConfig

__all__ = [
    "AUDIO_SUFFIXES",
    "DATA_SUFFIXES",
    "DEFAULT_TARGET",
    "IMAGE_SUFFIXES",
    "SOURCES",
    "TEXT_SUFFIXES",
    "TFDS_NAME",
    "ArrayNames",
    "Audio",
    "AudioConfig",
    "CoordinateKind",
    "Csv",
    "DataConfig",
    "DataPath",
    "DataSource",
    "Digits",
    "FeatureConfig",
    "FileConfig",
    "Idx",
    "ImageConfig",
    "Images",
    "InferenceSource",
    "InputColumns",
    "Jsonl",
    "Npy",
    "Npz",
    "OnError",
    "Pairs",
    "Parquet",
    "RecordImage",
    "TableAudio",
    "TableFile",
    "TableImage",
    "TableSource",
    "TableVideo",
    "TargetColumns",
    "TargetImages",
    "Text",
    "TextFiles",
    "Tfds",
    "Tfrecord",
    "TokenizerConfig",
    "TokenizerType",
    "VideoConfig",
    "Videos",
    "WindowConfig",
]

SOURCES: Final[Mapping[str, type[DataSource]]] = {
    source.key: source
    for source in (
        *ARRAY_SOURCES,
        *IMAGE_SOURCES,
        *VIDEO_SOURCES,
        *AUDIO_SOURCES,
        *TABLE_SOURCES,
        *TEXT_SOURCES,
    )
}
"""The sources by name."""
DATA_SUFFIXES: Final = tuple(suffix for source in SOURCES.values() for suffix in source.suffixes)
"""Suffixes of the files that `--data` takes."""


@dataclass(frozen=True, slots=True)
class DataConfig:
    """Sources of the training set, the validation set and the test set."""

    train: DataSource
    validation: DataSource | None = None
    """If None, `TrainingConfig.validation_split` splits it off from the training examples."""
    directory: Path | None = None
    """The directory of the blueprint, to which its data paths are relative."""
    cli_argument: str | None = None
    """The value of `--data`; None if the data comes from a recipe."""
    sandbox: DataSandbox | None = None
    """The directories that data is read from if another user may have chosen it; None if not."""
    test: DataSource | None = None
    """If None, `TrainingConfig.test_split` says whether it is split off too."""

    @property
    def sources(self) -> Mapping[str, DataSource]:
        """The sources by the name of the set; a set that is split off has none."""
        sources = {"train": self.train, "validation": self.validation, "test": self.test}
        return {name: each for name, each in sources.items() if each is not None}
