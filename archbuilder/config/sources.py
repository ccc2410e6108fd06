"""The sources of the `data` section: their settings, and how each is loaded.

A source has two halves. Its settings stand here: nothing in this module imports NumPy or
TensorFlow, so that `archbuilder validate` checks recipes without them. `load` imports the other
half, which reads the data, from `archbuilder.data.sources`.

To add a source, write its class here, name it in `SOURCES`, and write the module that its `load`
imports.
"""

from __future__ import annotations

import abc
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Final, Literal, TypeAlias

from archbuilder.config.data_sandbox import DataSandbox
from archbuilder.config.settings import group, setting
from archbuilder.config.value_types import (
    SectionContext,
    ValueType,
    boolean,
    choice,
    either,
    integer,
    list_between,
    number,
    or_by_name,
    pair_of,
    plain_type,
    text,
)
from archbuilder.diagnostics.span import Span
from archbuilder.yaml.nodes import Tree

if TYPE_CHECKING:
    from archbuilder.data.dataset import Dataset
    from archbuilder.data.sources.load_context import LoadContext


@dataclass(frozen=True, slots=True)
class DataPath:
    """Path of a data file or directory, or a glob pattern.

    A path with a `span` comes from a blueprint, and must be in the blueprint's directory or an
    allowed one. A path without a span comes from the command line, and may be anywhere, unless the
    data has a `sandbox`.
    """

    path: str
    span: Span | None = None


def path() -> ValueType[DataPath]:
    """Return the type of paths of data files, which may be glob patterns."""

    def parse(tree: Tree, what: str, context: SectionContext) -> DataPath:
        return DataPath(context.fields.expect_text(tree, what) or "", tree.span)

    return ValueType({"type": "string"}, parse, "path or glob pattern")


TFDS_NAME: Final = r"[a-z][a-z0-9_]*(/[A-Za-z0-9_][A-Za-z0-9_.-]*)?(:[0-9.]+)?"
"""Pattern of a `tensorflow-datasets` name: a dataset, an optional config, an optional version."""


def tfds_name() -> ValueType[DataPath]:
    """Return the type of names of `tensorflow-datasets`."""

    # A DataPath although it is a name: the data is outside the blueprint's directory, so a
    # blueprint needs the user's permission for it just as for a file.
    def parse(tree: Tree, what: str, context: SectionContext) -> DataPath:
        name = context.fields.expect_text(tree, what) or ""
        if name and not re.fullmatch(TFDS_NAME, name):
            context.fields.report_unexpected(
                tree, what, "the name of a dataset, as in mnist or glue/sst2:2.0.0"
            )
        return DataPath(name, tree.span)

    schema = {"type": "string", "pattern": f"^{TFDS_NAME}$"}
    return ValueType(schema, parse, "name of a dataset, as in `glue/sst2:2.0.0`")


ArrayNames: TypeAlias = str | Mapping[str, str]
"""The array name for a single input (or output), or array names by input (or output)."""
TargetColumns: TypeAlias = str | int | Mapping[str, str | int]
"""The column of a single output, or columns by output; an integer is an index from 0."""
DataPaths: TypeAlias = DataPath | Mapping[str, DataPath]
"""The file for a single input (or output), or files by input (or output)."""
InputColumns: TypeAlias = str | tuple[str, ...]
"""A column of a table, or several that are concatenated into one input."""
OnError: TypeAlias = Literal["stop", "skip"]
TokenizerType: TypeAlias = Literal["characters", "words", "bpe", "wordpiece"]

_SIZE: Final = integer(1, 16_384)
_NAMES: Final = or_by_name(plain_type({"type": "string"}, "name"))
_PATHS: Final = or_by_name(path())
_COLUMN: Final = plain_type({"type": "string"}, "column")
_DIVISOR: Final = number(above=0)
_DIVIDE_BY: Final = "Number that inputs are divided by."
_SAMPLE_WEIGHT: Final = "Weights of the examples in the loss."


@dataclass(frozen=True, slots=True, kw_only=True)
class DataSource(abc.ABC):
    """A source of examples with its settings."""

    key: ClassVar[str]
    """The name of the source in a recipe."""
    suffixes: ClassVar[tuple[str, ...]] = ()
    """Suffixes of the files that `--data` reads with this source."""

    cache: bool | None = setting(
        boolean(),
        "Whether to load all examples into memory; by default only small data.",
        default=None,
    )

    @abc.abstractmethod
    def load(self, context: LoadContext) -> Dataset:
        """Load the examples.

        Raises:
            BlueprintError: if a blueprint names a file that it may not read.
            RunError: if the data is missing, damaged, or not as the source describes it.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class SkippableSource(DataSource):
    """Base of the sources that can skip invalid lines, records or images."""

    on_error: OnError = setting(
        choice("stop", "skip"), "What to do with examples that cannot be read.", default="stop"
    )


@dataclass(frozen=True, slots=True)
class Digits(DataSource):
    """1,797 handwritten digits of 8 by 8 pixels, which ship with archbuilder."""

    key = "digits"

    def load(self, context: LoadContext) -> Dataset:  # noqa: ARG002 - nothing is opened
        """Load the digits."""
        from archbuilder.data.sources.digits import load_digits

        return load_digits()


@dataclass(frozen=True, slots=True)
class Npz(DataSource):
    """Arrays of a NumPy archive."""

    key = "npz"
    suffixes = (".npz",)

    file: DataPath = setting(path(), "The archive.")
    inputs: ArrayNames = setting(_NAMES, "Array of the input, or arrays by input.", default="x")
    targets: ArrayNames = setting(_NAMES, "Array of the target, or arrays by output.", default="y")
    divide_by: float | None = setting(_DIVISOR, _DIVIDE_BY, default=None)
    sample_weight: ArrayNames | None = setting(_NAMES, _SAMPLE_WEIGHT, default=None)

    def load(self, context: LoadContext) -> Dataset:
        """Load the arrays."""
        from archbuilder.data.sources.npz import load_npz

        return load_npz(self, context.opener, context.store, context.fitted)


@dataclass(frozen=True, slots=True)
class Npy(DataSource):
    """Arrays in `.npy` files, which are read on demand."""

    key = "npy"

    inputs: DataPaths = setting(_PATHS, "File of the input, or files by input.")
    targets: DataPaths = setting(_PATHS, "File of the target, or files by output.")
    divide_by: float | None = setting(_DIVISOR, _DIVIDE_BY, default=None)
    sample_weight: DataPaths | None = setting(_PATHS, _SAMPLE_WEIGHT, default=None)

    def load(self, context: LoadContext) -> Dataset:
        """Open the files."""
        from archbuilder.data.sources.npy import load_npy

        return load_npy(self, context.opener, context.fitted)


@dataclass(frozen=True, slots=True)
class Idx(DataSource):
    """Images and labels in the IDX format of MNIST, optionally compressed (.gz)."""

    key = "idx"

    images: DataPath = setting(path(), "File of the images.")
    labels: DataPath = setting(path(), "File of the labels.")
    divide_by: float | None = setting(_DIVISOR, _DIVIDE_BY, default=None)

    def load(self, context: LoadContext) -> Dataset:
        """Load the images and labels."""
        from archbuilder.data.sources.idx import load_idx

        return load_idx(self, context.opener, context.store, context.fitted)


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageSource(SkippableSource):
    """Base of the sources of encoded images, which are converted to one size, depth and mode."""

    size: tuple[int, int] | None = setting(
        pair_of(_SIZE),
        "Height and width that images are resized to; by default those of the first image.",
        default=None,
    )
    # Not 2 or 4: transparency is composited over white when an image is decoded.
    channels: int | None = setting(
        choice(1, 3), "Number of channels; by default that of the first image.", default=None
    )
    bits: int | None = setting(
        choice(8, 16), "Bits per channel; by default those of the first image.", default=None
    )
    divide_by: float | None = setting(_DIVISOR, _DIVIDE_BY, default=None)


IMAGE_SUFFIXES: Final = (
    *(".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm", ".pgm"),
)
"""Suffixes of image files, in lower case."""


@dataclass(frozen=True, slots=True)
class Images(ImageSource):
    """Images of a directory: one subdirectory per class, or images without labels."""

    key = "images"

    directory: DataPath = setting(path(), "The directory.")

    def load(self, context: LoadContext) -> Dataset:
        """List the images."""
        from archbuilder.data.sources.image_directory import load_images

        return load_images(self, context.opener, context.fitted)


_INPUT_COLUMNS: Final = or_by_name(either(_COLUMN, list_between(_COLUMN, 1, 65_536)))
_TARGET_COLUMNS: Final = or_by_name(
    plain_type({"type": ["string", "integer"]}, "column, or its number from 0")
)
_INPUT_COLUMNS_TEXT: Final = (
    "Columns of the input, or columns by input; by default all that are neither a target nor a"
    " weight."
)
_TARGET_COLUMNS_TEXT: Final = "Column of the target, or columns by output; by default the last one."


@dataclass(frozen=True, slots=True)
class Csv(SkippableSource):
    """A CSV table of numbers; a target may also be text."""

    key = "csv"
    suffixes = (".csv",)

    file: DataPath = setting(path(), "The table.")
    target: TargetColumns | None = setting(_TARGET_COLUMNS, _TARGET_COLUMNS_TEXT, default=None)
    header: bool = setting(
        boolean(),
        "Whether the first line has the names of the columns. Without it they are numbered from 0.",
        default=True,
    )
    inputs: InputColumns | Mapping[str, InputColumns] | None = setting(
        _INPUT_COLUMNS, _INPUT_COLUMNS_TEXT, default=None
    )
    sample_weight: ArrayNames | None = setting(_NAMES, _SAMPLE_WEIGHT, default=None)

    def load(self, context: LoadContext) -> Dataset:
        """Load the columns."""
        from archbuilder.data.sources.csv import load_csv

        return load_csv(self, context.opener, context.store, context.fitted)


@dataclass(frozen=True, slots=True)
class Parquet(SkippableSource):
    """A table in the Apache Parquet format: as `csv`, but columns may also hold lists."""

    key = "parquet"
    suffixes = (".parquet",)

    file: DataPath = setting(path(), "The table.")
    target: TargetColumns | None = setting(_TARGET_COLUMNS, _TARGET_COLUMNS_TEXT, default=None)
    inputs: InputColumns | Mapping[str, InputColumns] | None = setting(
        _INPUT_COLUMNS, _INPUT_COLUMNS_TEXT, default=None
    )
    sample_weight: ArrayNames | None = setting(_NAMES, _SAMPLE_WEIGHT, default=None)
    divide_by: float | None = setting(_DIVISOR, _DIVIDE_BY, default=None)

    def load(self, context: LoadContext) -> Dataset:
        """Load the columns."""
        from archbuilder.data.sources.parquet import load_parquet

        return load_parquet(self, context.opener, context.store, context.fitted)


@dataclass(frozen=True, slots=True)
class Jsonl(SkippableSource):
    """JSON lines of numbers, with an array in each field; a target may also be text."""

    key = "jsonl"
    suffixes = (".jsonl",)

    file: DataPath = setting(path(), "The file of JSON lines.")
    inputs: ArrayNames = setting(_NAMES, "Field of the input, or fields by input.", default="x")
    targets: ArrayNames = setting(_NAMES, "Field of the target, or fields by output.", default="y")
    divide_by: float | None = setting(_DIVISOR, _DIVIDE_BY, default=None)
    sample_weight: ArrayNames | None = setting(_NAMES, _SAMPLE_WEIGHT, default=None)

    def load(self, context: LoadContext) -> Dataset:
        """Load the fields."""
        from archbuilder.data.sources.jsonl import load_jsonl

        return load_jsonl(self, context.opener, context.store, context.fitted)


@dataclass(frozen=True, slots=True)
class Tfrecord(ImageSource):
    """Records of `tf.train.Example` in TFRecord files, compressed or not.

    Bytes are encoded images if they begin like one; other bytes are integers from 0 to 255.
    """

    key = "tfrecord"
    suffixes = (".tfrecord",)

    file: DataPath = setting(path(), "The file of records.")
    inputs: ArrayNames = setting(_NAMES, "Feature of the input, or features by input.", default="x")
    targets: ArrayNames = setting(
        _NAMES, "Feature of the target, or features by output.", default="y"
    )
    shape: tuple[int, ...] | Mapping[str, tuple[int, ...]] | None = setting(
        or_by_name(list_between(_SIZE, 0, 8)),
        "Shape that lists of numbers are reshaped to, or shapes by input.",
        default=None,
    )
    sample_weight: ArrayNames | None = setting(_NAMES, _SAMPLE_WEIGHT, default=None)

    def load(self, context: LoadContext) -> Dataset:
        """Load the features."""
        from archbuilder.data.sources.tfrecord import load_tfrecord

        return load_tfrecord(self, context.opener, context.store, context.fitted)


@dataclass(frozen=True, slots=True)
class Tfds(ImageSource):
    """A dataset that `tensorflow-datasets` has prepared on this machine."""

    key = "tfds"

    name: DataPath = setting(tfds_name(), "The dataset.")
    split: str = setting(text(), "Split of the dataset.", default="train")
    inputs: ArrayNames | None = setting(
        _NAMES,
        "Feature of the input, or features by input; by default the supervised key.",
        default=None,
    )
    targets: ArrayNames | None = setting(
        _NAMES,
        "Feature of the target, or features by output; by default the supervised key.",
        default=None,
    )

    def load(self, context: LoadContext) -> Dataset:
        """Load the split."""
        from archbuilder.data.sources.tfds import load_tfds

        return load_tfds(self, context.opener, context.store, context.fitted)


@dataclass(frozen=True, slots=True)
class TokenizerConfig:
    """Configuration of a tokenizer, whose vocabulary is learned from the training text."""

    tokenizer: TokenizerType = setting(
        choice("characters", "words", "bpe", "wordpiece"),
        "How text is split into tokens.",
        default="characters",
    )
    # The five special tokens, and at least one token of text.
    vocabulary_size: int = setting(
        integer(6, 1_000_000), "Largest size of the vocabulary.", default=30_000
    )
    lowercase: bool = setting(boolean(), "Whether text is converted to lower case.", default=False)


_SEQUENCE_LENGTH: Final = integer(1, 1_000_000)


@dataclass(frozen=True, slots=True)
class Text(SkippableSource):
    """Plain text, or a field of JSON lines.

    By default the target of each token is the one that follows it.
    """

    key = "text"
    suffixes = (".txt",)

    file: DataPath = setting(path(), "The text file.")
    tokenizer: TokenizerConfig = group(TokenizerConfig)
    sequence_length: int = setting(_SEQUENCE_LENGTH, "Number of tokens of an example.", default=128)
    field: str | None = setting(
        plain_type({"type": "string"}, "text"),
        "Field of JSON lines that has the text.",
        default=None,
    )

    def load(self, context: LoadContext) -> Dataset:
        """Load the tokens."""
        from archbuilder.data.sources.text import load_text

        return load_text(self, context.opener, context.fitted)


@dataclass(frozen=True, slots=True)
class Pairs(SkippableSource):
    """Tab-separated pairs of texts, one per line."""

    key = "pairs"
    suffixes = (".tsv",)

    file: DataPath = setting(path(), "The file of pairs.")
    tokenizer: TokenizerConfig = group(TokenizerConfig)
    sequence_length: int = setting(
        _SEQUENCE_LENGTH, "Largest number of tokens of each text.", default=128
    )

    def load(self, context: LoadContext) -> Dataset:
        """Load the tokens."""
        from archbuilder.data.sources.pairs import load_pairs

        return load_pairs(self, context.opener, context.fitted)


SOURCES: Final[Mapping[str, type[DataSource]]] = {
    source.key: source
    for source in (
        *(Digits, Npz, Npy, Idx, Images, Csv, Parquet, Jsonl, Tfrecord, Tfds, Text, Pairs),
    )
}
"""The sources by name."""


@dataclass(frozen=True, slots=True)
class DataConfig:
    """Sources of the training set and the validation set."""

    train: DataSource
    validation: DataSource | None = None
    """If None, `TrainingConfig.validation_split` splits it off from the training examples."""
    directory: Path | None = None
    """The directory of the blueprint, to which its data paths are relative."""
    cli_argument: str | None = None
    """The value of `--data`; None if the data comes from a recipe."""
    sandbox: DataSandbox | None = None
    """The directories that data is read from if another user may have chosen it; None if not."""
