"""What all sources of the `data` section share: paths, types of settings, and base classes."""

from __future__ import annotations

import abc
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Final, Literal, TypeAlias

from archbuilder.config.settings import mapping_type, setting
from archbuilder.config.sources.pixels import ImageConfig
from archbuilder.config.sources.sounds import AudioConfig
from archbuilder.config.sources.videos import VideoConfig
from archbuilder.config.sources.windows import WindowConfig
from archbuilder.config.value_types import (
    SectionContext,
    ValueType,
    boolean,
    choice,
    list_between,
    or_by_name,
    plain_type,
    text,
)
from archbuilder.diagnostics.span import Span
from archbuilder.yaml.nodes import Tree

if TYPE_CHECKING:
    from archbuilder.config.sources.features import FeatureConfig
    from archbuilder.data.source_dataset import SourceDataset
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

    @property
    def recorded_path(self) -> str:
        """The path in the record of a run, which has the directory of the blueprint too."""
        return self.path


def path(description: str = "path or glob pattern") -> ValueType[DataPath]:
    """Return the type of paths of data files; `description` stands on the reference page."""

    def parse(tree: Tree, title: str, context: SectionContext) -> DataPath:
        return DataPath(context.fields.expect_text(tree, title) or "", tree.span)

    return ValueType({"type": "string"}, parse, description)


def class_directories() -> Any:
    """Return the setting of the directories of classes, which a source reads."""
    return setting(
        list_between(text(), 0, 1000),
        "Subdirectories to read, in the order of their classes; by default all, in alphabetical"
        " order.",
        default=(),
    )


def find_repeated_directory(classes: Sequence[str]) -> str:
    """Return that a directory of a class is named twice, as a sentence; empty if none is."""
    return "a directory is twice in 'classes'" if len({*classes}) < len(classes) else ""


def data_paths(value: object) -> Iterator[DataPath]:
    """Yield the paths in a source, or in the value of a setting."""
    if isinstance(value, DataPath):
        yield value
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from data_paths(item)
    elif is_dataclass(value):
        for item in fields(value):
            yield from data_paths(getattr(value, item.name))


ArrayNames: TypeAlias = str | Mapping[str, str]
"""The array name for a single input (or output), or array names by input (or output)."""
DataPaths: TypeAlias = DataPath | Mapping[str, DataPath]
"""The file for a single input (or output), or files by input (or output)."""
OnError: TypeAlias = Literal["stop", "skip"]
FileConfig: TypeAlias = ImageConfig | AudioConfig | VideoConfig
"""How the files of an input are decoded."""

NAMES: Final = or_by_name(plain_type({"type": "string"}, "name"))
DIVIDE_BY: Final = "Number that inputs are divided by."
SAMPLE_WEIGHT: Final = "Weights of the examples in the loss."
WINDOW: Final = mapping_type(WindowConfig, "[window](#windows)")
WINDOW_TEXT: Final = "Windows of consecutive rows that become the examples, instead of the rows."


@dataclass(frozen=True, slots=True, kw_only=True)
class DataSource(abc.ABC):
    """A source of examples with its settings."""

    key: ClassVar[str]
    """The name of the source in a recipe."""
    suffixes: ClassVar[tuple[str, ...]] = ()
    """Suffixes of the files that `--data` reads with this source."""
    is_text: ClassVar[bool] = False
    """Whether the examples are tokens of text."""
    is_paired: ClassVar[bool] = False
    """Whether an example is a source text and its target text."""
    may_hold_images: ClassVar[bool] = False
    """Whether inputs may be images, so that `divide_by` is meant for image files too."""

    location_settings: ClassVar[tuple[str, ...]] = ()
    """Settings besides paths that say where the examples are."""

    cache: bool | None = setting(
        boolean(),
        "Whether to load all examples into memory; by default only small data.",
        default=None,
    )

    @property
    def file_suffix(self) -> str:
        """The suffix that files of this source usually have; empty if they have none."""
        return next(iter(self.suffixes), "")

    @property
    def divide_by(self) -> float | None:
        """Number that inputs are divided by; a source without this setting has none."""
        return None

    @property
    def sequence_length(self) -> int | None:
        """Number of tokens of an example; None for a source without text."""
        return None

    @property
    def finds_columns_by_name(self) -> bool:
        """Whether the inputs are columns of a header that the source does not name itself."""
        return False

    @property
    def window(self) -> WindowConfig | None:
        """The windows of rows that are the examples; None if the rows are."""
        return None

    @property
    def input_features(self) -> Mapping[str, FeatureConfig]:
        """The features by input; none for a source without them."""
        return {}

    @property
    def target_features(self) -> Mapping[str, FeatureConfig]:
        """The features by output; none for a source without them."""
        return {}

    @property
    def key_columns(self) -> tuple[str, ...]:
        """The columns that say which rows belong together, without those of the split."""
        return () if self.window is None or self.window.by is None else (self.window.by,)

    @property
    def image_divisor(self) -> float | None:
        """Number that images are divided by, if the source has one."""
        return self.divide_by if self.may_hold_images else None

    def file_config(self, input_name: str) -> FileConfig | None:  # noqa: ARG002 - for subclasses
        """Return how the files of an input are decoded; None if it is not made of files."""
        return None

    def find_conflict(self) -> str:
        """Return which settings contradict each other, as a sentence; empty if none do."""
        return ""

    @abc.abstractmethod
    def load(self, context: LoadContext) -> SourceDataset:
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

    def find_conflict(self) -> str:
        """Return which settings contradict each other, as a sentence; empty if none do."""
        if self.window is not None and self.on_error == "skip":
            return "'on_error: skip' would leave gaps in the rows of a 'window'"
        return ""


@dataclass(frozen=True, slots=True, kw_only=True)
class InferenceSource(DataSource):
    """Base of the sources whose files `archbuilder predict` reads."""

    inference_suffixes: ClassVar[tuple[str, ...]] = ()
    """Suffixes of the files of inputs."""
    inference_names: ClassVar[tuple[str, ...]] = ()
    """Parts of the names of files of inputs, for a format without a suffix of its own."""

    @classmethod
    @abc.abstractmethod
    def for_inference(cls, file: DataPath, template: DataSource) -> InferenceSource:
        """Return the source of a file of inputs.

        `template` is the source of the training data: if it is of this class, its options apply.
        Those about targets and weights do not, since the file need not have them. Neither does
        `on_error: skip`, which would drop an input.
        """
