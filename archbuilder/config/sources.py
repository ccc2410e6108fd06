"""Types of the `data` section: one dataclass per data source.

The names of the fields are the argument names of a source in a recipe.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, TypeAlias

from archbuilder.config.data_sandbox import DataSandbox
from archbuilder.diagnostics.span import Span


@dataclass(frozen=True, slots=True)
class DataPath:
    """Path of a data file or directory, or a glob pattern.

    A path with a `span` comes from a blueprint, and must be in the blueprint's directory or an
    allowed one. A path without a span comes from the command line, and may be anywhere, unless the
    data has a `sandbox`.
    """

    path: str
    span: Span | None = None


ArrayNames: TypeAlias = str | Mapping[str, str]
"""The array name for a single input (or output), or array names by input (or output)."""


TargetColumns: TypeAlias = str | int | Mapping[str, str | int]
"""The column of a single output, or columns by output; an integer is an index from 0."""


DataPaths: TypeAlias = DataPath | Mapping[str, DataPath]
"""The file for a single input (or output), or files by input (or output)."""


OnError: TypeAlias = Literal["stop", "skip"]
InputColumns: TypeAlias = str | tuple[str, ...]
"""A column of a table, or several that are concatenated into one input."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BaseSource:
    """Base of all sources."""

    cache: bool | None = None
    """Whether to load all examples into memory; None loads small data only."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SkippableSource(BaseSource):
    """A source that can skip invalid lines, records or images."""

    on_error: OnError = "stop"


@dataclass(frozen=True, slots=True)
class Digits(BaseSource):
    """1,797 handwritten digits of 8 by 8 pixels, which ship with archbuilder."""


@dataclass(frozen=True, slots=True)
class Npz(BaseSource):
    """Arrays of a NumPy archive. Inputs are divided by `divide_by`, if it is set."""

    file: DataPath
    inputs: ArrayNames = "x"
    targets: ArrayNames = "y"
    divide_by: float | None = None
    sample_weight: ArrayNames | None = None


@dataclass(frozen=True, slots=True)
class Npy(BaseSource):
    """Arrays in `.npy` files, which are read on demand.

    Inputs are divided by `divide_by`, if it is set.
    """

    inputs: DataPaths
    targets: DataPaths
    divide_by: float | None = None
    sample_weight: DataPaths | None = None


@dataclass(frozen=True, slots=True)
class Idx(BaseSource):
    """Images and labels in the IDX format of MNIST, optionally compressed (.gz)."""

    images: DataPath
    labels: DataPath
    divide_by: float | None = None


IMAGE_SUFFIXES: Final = (
    *(".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm", ".pgm"),
)
"""Suffixes of image files, in lower case."""


@dataclass(frozen=True, slots=True)
class Images(SkippableSource):
    """Images of a directory: one subdirectory per class, or images without labels.

    Images are converted to this `size` (height, width), `channels` and `bits` per channel. If one
    is not set, it is that of the first image.
    """

    folder: DataPath
    size: tuple[int, int] | None = None
    channels: int | None = None
    bits: int | None = None
    divide_by: float | None = None


@dataclass(frozen=True, slots=True)
class Csv(SkippableSource):
    """A CSV table of numbers; a target may also be text.

    Column names are in the first line, or columns are numbered from 0 if there is no `header`. The
    default `target` is the last column. By default the columns that are neither a target nor a
    weight form one input.
    """

    file: DataPath
    target: TargetColumns | None = None
    header: bool = True
    inputs: InputColumns | Mapping[str, InputColumns] | None = None
    sample_weight: ArrayNames | None = None


@dataclass(frozen=True, slots=True)
class Parquet(SkippableSource):
    """A table in the Apache Parquet format: as `Csv`, but columns may also hold lists.

    Inputs are divided by `divide_by`, if it is set.
    """

    file: DataPath
    target: TargetColumns | None = None
    inputs: InputColumns | Mapping[str, InputColumns] | None = None
    sample_weight: ArrayNames | None = None
    divide_by: float | None = None


@dataclass(frozen=True, slots=True)
class Tfrecord(SkippableSource):
    """Records of `tf.train.Example` in TFRecord files, compressed or not.

    Lists of numbers are reshaped to the `shape` of their input. Bytes are encoded images, which
    are converted to a `size` (height, width), `channels` and `bits` as in `Images`; other bytes
    are integers from 0 to 255.
    """

    file: DataPath
    inputs: ArrayNames = "x"
    targets: ArrayNames = "y"
    shape: tuple[int, ...] | Mapping[str, tuple[int, ...]] | None = None
    size: tuple[int, int] | None = None
    channels: int | None = None
    bits: int | None = None
    divide_by: float | None = None
    sample_weight: ArrayNames | None = None


TFDS_NAME: Final = r"[a-z][a-z0-9_]*(/[A-Za-z0-9_][A-Za-z0-9_.-]*)?(:[0-9.]+)?"
"""Pattern of a `tensorflow-datasets` name: a dataset, an optional config, an optional version."""


@dataclass(frozen=True, slots=True)
class Tfds(SkippableSource):
    """A dataset that `tensorflow-datasets` has prepared on this machine.

    The default `inputs` and `targets` are the supervised keys of the dataset.
    """

    # A DataPath although it is a name: the data is outside the blueprint's directory, so a
    # blueprint needs the user's permission for it just as for a file.
    name: DataPath
    split: str = "train"
    inputs: ArrayNames | None = None
    targets: ArrayNames | None = None
    size: tuple[int, int] | None = None
    channels: int | None = None
    bits: int | None = None
    divide_by: float | None = None


@dataclass(frozen=True, slots=True)
class Jsonl(SkippableSource):
    """JSON lines of numbers; a field corresponds to an array of `Npz`.

    Inputs are divided by `divide_by`, if it is set. A target may also be text.
    """

    file: DataPath
    inputs: ArrayNames = "x"
    targets: ArrayNames = "y"
    divide_by: float | None = None
    sample_weight: ArrayNames | None = None


TokenizerType: TypeAlias = Literal["characters", "words", "bpe", "wordpiece"]


@dataclass(frozen=True, slots=True)
class TokenizerConfig:
    """Configuration of a tokenizer, whose vocabulary is learned from the training text."""

    tokenizer: TokenizerType = "characters"
    vocabulary_size: int = 30_000
    """Largest size of the vocabulary."""
    lowercase: bool = False


@dataclass(frozen=True, slots=True)
class Text(SkippableSource):
    """Plain text, or a `field` of JSON lines; an example is a sequence of `sequence_length` tokens.

    By default the target of each token is the one that follows it.
    """

    file: DataPath
    tokenizer: TokenizerConfig
    sequence_length: int = 128
    field: str | None = None


@dataclass(frozen=True, slots=True)
class Pairs(SkippableSource):
    """Tab-separated pairs of texts, one per line, of at most `sequence_length` tokens each."""

    file: DataPath
    tokenizer: TokenizerConfig
    sequence_length: int = 128


DataSource: TypeAlias = (
    Digits | Npz | Npy | Idx | Images | Csv | Parquet | Jsonl | Tfrecord | Tfds | Text | Pairs
)


@dataclass(frozen=True, slots=True)
class DataConfig:
    """Sources of the training set and the validation set."""

    train: DataSource
    validation: DataSource | None = None
    """If None, `TrainingConfig.validation_split` splits it off from the training examples."""
    folder: Path | None = None
    """The directory of the blueprint, to which its data paths are relative."""
    cli_argument: str | None = None
    """The value of `--data`; None if the data comes from a recipe."""
    sandbox: DataSandbox | None = None
    """The directories that data is read from if another user may have chosen it; None if not."""
