"""The types of data in a recipe: where examples come from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, TypeAlias

from archbuilder.diagnostics.span import Span


@dataclass(frozen=True, slots=True)
class DataPath:
    """A file of examples. Without a `span` the person at the command line named it.

    A file that a blueprint names stays in the blueprint's folder; a person may name any.
    """

    path: str
    span: Span | None = None


ArrayNames: TypeAlias = str | Mapping[str, str]
"""The array for the one input (or output) of a network, or arrays by the names of the inputs."""


TargetColumns: TypeAlias = str | int | Mapping[str, str | int]
"""The column of a table for the one output of a network, or columns by the names of the outputs."""


DataPaths: TypeAlias = DataPath | Mapping[str, DataPath]
"""The file for the one input (or output) of a network, or files by the names of the inputs."""


OnError: TypeAlias = Literal["stop", "skip"]
InputColumns: TypeAlias = str | tuple[str, ...]
"""A column of a table, or several that are one input side by side."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BaseSource:
    """What every source of examples has."""

    cache: bool | None = None
    """Whether all examples are held in memory; where nothing is said, they are if they are few."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SkippableSource(BaseSource):
    """A source whose wrong lines, records or pictures may be left out."""

    on_error: OnError = "stop"


@dataclass(frozen=True, slots=True)
class Digits(BaseSource):
    """The 1,797 handwritten digits of 8 by 8 pixels that ship with archbuilder."""


@dataclass(frozen=True, slots=True)
class Npz(BaseSource):
    """Arrays of a numpy archive. Inputs of whole numbers are divided by `scale`, if it is given."""

    file: DataPath
    inputs: ArrayNames = "x"
    targets: ArrayNames = "y"
    scale: float | None = None
    weights: ArrayNames | None = None


@dataclass(frozen=True, slots=True)
class Npy(BaseSource):
    """Arrays in files of their own (`.npy`), which are never in memory as a whole.

    Inputs of whole numbers are divided by `scale`, if it is given.
    """

    inputs: DataPaths
    targets: DataPaths
    scale: float | None = None
    weights: DataPaths | None = None


@dataclass(frozen=True, slots=True)
class Idx(BaseSource):
    """Images and labels in the IDX format, as MNIST has it; the files may be compressed (.gz)."""

    images: DataPath
    labels: DataPath
    scale: float | None = None


IMAGE_SUFFIXES: Final = (
    *(".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm", ".pgm"),
)
"""How the names of pictures end, in small or capital letters."""


@dataclass(frozen=True, slots=True)
class Images(SkippableSource):
    """Pictures of a folder: one folder for every class in it, or no classes.

    They get the `size` (height, width), `channels` and `bits` of the first, if none are given.
    """

    folder: DataPath
    size: tuple[int, int] | None = None
    channels: int | None = None
    bits: int | None = None
    scale: float | None = None


@dataclass(frozen=True, slots=True)
class Csv(SkippableSource):
    """A table whose columns are numbers, but for the target, which may be words.

    Columns have names in the first line, or are counted from 0 where there is no `header`. Without
    a `target` it is the last column, and without `inputs` all that have no other part are one.
    """

    file: DataPath
    target: TargetColumns | None = None
    header: bool = True
    inputs: InputColumns | Mapping[str, InputColumns] | None = None
    weights: ArrayNames | None = None


@dataclass(frozen=True, slots=True)
class Parquet(SkippableSource):
    """A table in the format of Apache Parquet: as `Csv`, where columns may hold lists too.

    Inputs are divided by `scale`, if it is given.
    """

    file: DataPath
    target: TargetColumns | None = None
    inputs: InputColumns | Mapping[str, InputColumns] | None = None
    weights: ArrayNames | None = None
    scale: float | None = None


@dataclass(frozen=True, slots=True)
class Tfrecord(SkippableSource):
    """Records of `tf.train.Example` in TFRecord files, compressed or not.

    Lists of numbers get the `shape` that is given for their input. Bytes are encoded images, which
    get a `size` (height, width), `channels` and `bits` as in `Images`, or else numbers from 0 to
    255.
    """

    file: DataPath
    inputs: ArrayNames = "x"
    targets: ArrayNames = "y"
    shape: tuple[int, ...] | Mapping[str, tuple[int, ...]] | None = None
    size: tuple[int, int] | None = None
    channels: int | None = None
    bits: int | None = None
    scale: float | None = None
    weights: ArrayNames | None = None


TFDS_NAME: Final = r"[a-z][a-z0-9_]*(/[A-Za-z0-9_][A-Za-z0-9_.-]*)?(:[0-9.]+)?"
"""A name of `tensorflow-datasets`: a data set, one of its configurations, a version."""


@dataclass(frozen=True, slots=True)
class Tfds(SkippableSource):
    """A data set that `tensorflow-datasets` has prepared on this machine, by its name.

    It lies where a blueprint may not read unless a person allows it. Without `inputs` and `targets`
    they are what the data set says itself.
    """

    name: DataPath
    split: str = "train"
    inputs: ArrayNames | None = None
    targets: ArrayNames | None = None
    size: tuple[int, int] | None = None
    channels: int | None = None
    bits: int | None = None
    scale: float | None = None


@dataclass(frozen=True, slots=True)
class Jsonl(SkippableSource):
    """JSON lines with numbers: fields are what arrays are in an archive.

    Inputs are divided by `scale`, if it is given. A target may be a word.
    """

    file: DataPath
    inputs: ArrayNames = "x"
    targets: ArrayNames = "y"
    scale: float | None = None
    weights: ArrayNames | None = None


TokenizerType: TypeAlias = Literal["characters", "words", "bpe", "wordpiece"]


@dataclass(frozen=True, slots=True)
class TokenizerConfig:
    """How text becomes tokens. The vocabulary is learned, and has at most that many of them."""

    tokens: TokenizerType = "characters"
    vocabulary: int = 30_000
    lowercase: bool = False


@dataclass(frozen=True, slots=True)
class Text(SkippableSource):
    """Plain text, or a `field` of JSON lines: an example is a piece of `length` tokens.

    Where nothing else is said, its targets are the tokens that follow each.
    """

    file: DataPath
    tokenising: TokenizerConfig
    length: int = 128
    field: str | None = None


@dataclass(frozen=True, slots=True)
class Pairs(SkippableSource):
    """Two texts a line with a tab between, of at most `length` tokens each."""

    file: DataPath
    tokenising: TokenizerConfig
    length: int = 128


DataSource: TypeAlias = (
    Digits | Npz | Npy | Idx | Images | Csv | Parquet | Jsonl | Tfrecord | Tfds | Text | Pairs
)


@dataclass(frozen=True, slots=True)
class DataConfig:
    """Examples to train on. Without `validation`, a share of them is held out (see `training`).

    Files that a blueprint names lie in the `folder` of the blueprint. `given` is what the person at
    the command line named.
    """

    train: DataSource
    validation: DataSource | None = None
    folder: Path | None = None
    cli_argument: str | None = None
