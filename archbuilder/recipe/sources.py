"""The types of data in a recipe: where examples come from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, TypeAlias

from archbuilder.tree import Span


@dataclass(frozen=True, slots=True)
class DataFile:
    """A file of examples. Without a `span` the person at the command line named it.

    A file that a blueprint names stays in the blueprint's folder; a person may name any.
    """

    path: str
    span: Span | None = None


Arrays: TypeAlias = str | Mapping[str, str]
"""The array for the one input (or output) of a network, or arrays by the names of the inputs."""


Targets: TypeAlias = str | int | Mapping[str, str | int]
"""The column of a table for the one output of a network, or columns by the names of the outputs."""


Files: TypeAlias = DataFile | Mapping[str, DataFile]
"""The file for the one input (or output) of a network, or files by the names of the inputs."""


OnError: TypeAlias = Literal["stop", "skip"]
Columns: TypeAlias = str | tuple[str, ...]
"""A column of a table, or several that are one input side by side."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """What every source of examples has."""

    cache: bool | None = None
    """Whether all examples are held in memory; where nothing is said, they are if they are few."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lenient(Source):
    """A source whose wrong lines, records or pictures may be left out."""

    on_error: OnError = "stop"


@dataclass(frozen=True, slots=True)
class Digits(Source):
    """The 1,797 handwritten digits of 8 by 8 pixels that ship with archbuilder."""


@dataclass(frozen=True, slots=True)
class Npz(Source):
    """Arrays of a numpy archive. Inputs of whole numbers are divided by `scale`, if it is given."""

    file: DataFile
    inputs: Arrays = "x"
    targets: Arrays = "y"
    scale: float | None = None
    weights: Arrays | None = None


@dataclass(frozen=True, slots=True)
class Npy(Source):
    """Arrays in files of their own (`.npy`), which are never in memory as a whole.

    Inputs of whole numbers are divided by `scale`, if it is given.
    """

    inputs: Files
    targets: Files
    scale: float | None = None
    weights: Files | None = None


@dataclass(frozen=True, slots=True)
class Idx(Source):
    """Images and labels in the IDX format, as MNIST has it; the files may be compressed (.gz)."""

    images: DataFile
    labels: DataFile
    scale: float | None = None


IMAGE_ENDINGS: Final = (
    *(".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm", ".pgm"),
)
"""How the names of pictures end, in small or capital letters."""


@dataclass(frozen=True, slots=True)
class Images(Lenient):
    """Pictures of a folder: one folder for every class in it, or no classes.

    They get the `size` (height, width), `channels` and `bits` of the first, if none are given.
    """

    folder: DataFile
    size: tuple[int, int] | None = None
    channels: int | None = None
    bits: int | None = None
    scale: float | None = None


@dataclass(frozen=True, slots=True)
class Csv(Lenient):
    """A table whose columns are numbers, but for the target, which may be words.

    Columns have names in the first line, or are counted from 0 where there is no `header`. Without
    a `target` it is the last column, and without `inputs` all that have no other part are one.
    """

    file: DataFile
    target: Targets | None = None
    header: bool = True
    inputs: Columns | Mapping[str, Columns] | None = None
    weights: Arrays | None = None


@dataclass(frozen=True, slots=True)
class Parquet(Lenient):
    """A table in the format of Apache Parquet: as `Csv`, where columns may hold lists too.

    Inputs are divided by `scale`, if it is given.
    """

    file: DataFile
    target: Targets | None = None
    inputs: Columns | Mapping[str, Columns] | None = None
    weights: Arrays | None = None
    scale: float | None = None


@dataclass(frozen=True, slots=True)
class Tfrecord(Lenient):
    """Records of `tf.train.Example` in TFRecord files, compressed or not.

    Lists of numbers get the `shape` that is given for their input. Bytes are encoded images, which
    get a `size` (height, width), `channels` and `bits` as in `Images`, or else numbers from 0 to
    255.
    """

    file: DataFile
    inputs: Arrays = "x"
    targets: Arrays = "y"
    shape: tuple[int, ...] | Mapping[str, tuple[int, ...]] | None = None
    size: tuple[int, int] | None = None
    channels: int | None = None
    bits: int | None = None
    scale: float | None = None
    weights: Arrays | None = None


DATA_SET: Final = r"[a-z][a-z0-9_]*(/[A-Za-z0-9_][A-Za-z0-9_.-]*)?(:[0-9.]+)?"
"""A name of `tensorflow-datasets`: a data set, one of its configurations, a version."""


@dataclass(frozen=True, slots=True)
class Tfds(Lenient):
    """A data set that `tensorflow-datasets` has prepared on this machine, by its name.

    It lies where a blueprint may not read unless a person allows it. Without `inputs` and `targets`
    they are what the data set says itself.
    """

    name: DataFile
    split: str = "train"
    inputs: Arrays | None = None
    targets: Arrays | None = None
    size: tuple[int, int] | None = None
    channels: int | None = None
    bits: int | None = None
    scale: float | None = None


@dataclass(frozen=True, slots=True)
class Jsonl(Lenient):
    """JSON lines with numbers: fields are what arrays are in an archive.

    Inputs are divided by `scale`, if it is given. A target may be a word.
    """

    file: DataFile
    inputs: Arrays = "x"
    targets: Arrays = "y"
    scale: float | None = None
    weights: Arrays | None = None


Tokeniser: TypeAlias = Literal["characters", "words", "bpe", "wordpiece"]


@dataclass(frozen=True, slots=True)
class Tokenising:
    """How text becomes tokens. The vocabulary is learned, and has at most that many of them."""

    tokens: Tokeniser = "characters"
    vocabulary: int = 30_000
    lowercase: bool = False


@dataclass(frozen=True, slots=True)
class Text(Lenient):
    """Plain text, or a `field` of JSON lines: an example is a piece of `length` tokens.

    Where nothing else is said, its targets are the tokens that follow each.
    """

    file: DataFile
    tokenising: Tokenising
    length: int = 128
    field: str | None = None


@dataclass(frozen=True, slots=True)
class Pairs(Lenient):
    """Two texts a line with a tab between, of at most `length` tokens each."""

    file: DataFile
    tokenising: Tokenising
    length: int = 128


DataSource: TypeAlias = (
    Digits | Npz | Npy | Idx | Images | Csv | Parquet | Jsonl | Tfrecord | Tfds | Text | Pairs
)


@dataclass(frozen=True, slots=True)
class DataSpec:
    """Examples to train on. Without `validation`, a share of them is held out (see `training`).

    Files that a blueprint names lie in the `folder` of the blueprint. `given` is what the person at
    the command line named.
    """

    train: DataSource
    validation: DataSource | None = None
    folder: Path | None = None
    given: str | None = None
