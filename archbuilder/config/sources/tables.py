"""Sources of tables: csv, parquet and JSON lines."""

from __future__ import annotations

import abc
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar, Final, TypeAlias

from archbuilder.config.settings import setting
from archbuilder.config.sources.base import (
    DIVIDE_BY,
    NAMES,
    SAMPLE_WEIGHT,
    WINDOW,
    WINDOW_TEXT,
    ArrayNames,
    DataPath,
    DataSource,
    FileConfig,
    InferenceSource,
    SkippableSource,
    path,
)
from archbuilder.config.sources.feature_parser import (
    features_by_name,
    find_feature_conflict,
    targets_by_name,
)
from archbuilder.config.sources.features import (
    COLUMN,
    COLUMNS,
    FeatureConfig,
    InputColumns,
    features_of,
    file_config_of,
)
from archbuilder.config.sources.pixels import DIVISOR
from archbuilder.config.sources.windows import WindowConfig
from archbuilder.config.value_types import (
    SectionContext,
    ValueType,
    boolean,
    choice,
    either,
    list_between,
    plain_type,
)
from archbuilder.diagnostics.errors import UsageError, quote
from archbuilder.yaml.nodes import Tree

if TYPE_CHECKING:
    from archbuilder.data.source_dataset import SourceDataset
    from archbuilder.data.sources.load_context import LoadContext

TargetColumns: TypeAlias = str | int | Mapping[str, str | int | FeatureConfig]
"""The column of a single output, or columns or features by output; an integer is an index."""
_INPUT_COLUMNS: Final = features_by_name(either(COLUMN, COLUMNS))
_FIELD: Final = plain_type({"type": "string"}, "name")
_CELL: Final = plain_type({"type": "string", "maxLength": 100}, "text")
_TARGET_COLUMNS: Final = targets_by_name(
    plain_type({"type": ["string", "integer"]}, "column, or its number from 0")
)
_INPUT_COLUMNS_TEXT: Final = (
    "Columns of the input, or columns by input; by default all that are neither a target nor a"
    " weight."
)
_TARGET_COLUMNS_TEXT: Final = (
    "Column of the target, or columns by output; by default the last one, `{}` without targets."
)


def _character() -> ValueType[str]:
    """Return the type of characters that may stand between the cells of a table."""

    def parse(tree: Tree, title: str, context: SectionContext) -> str:
        character = context.fields.expect_text(tree, title)
        if character is not None and (len(character) != 1 or character in "\"'\\\r\n"):
            message = f"{title} must be one character other than a quote or a line end"
            context.diagnostics.error(
                "invalid-choice", f"{message}, not {quote(character)}", tree.span
            )
        return character or ""

    return ValueType({"type": "string", "minLength": 1, "maxLength": 1}, parse, "one character")


@dataclass(frozen=True, slots=True, kw_only=True)
class FeatureSource(SkippableSource, InferenceSource):
    """Base of the sources whose inputs and targets may be features."""

    @property
    @abc.abstractmethod
    def inputs_and_targets(self) -> tuple[object, object]:
        """The settings of the inputs and of the targets."""

    def find_conflict(self) -> str:
        """Return which settings contradict each other, as a sentence; empty if none do."""
        # super() does not find the class that `slots=True` replaces.
        return SkippableSource.find_conflict(self) or find_feature_conflict(
            *self.inputs_and_targets
        )

    def file_config(self, input_name: str) -> FileConfig | None:
        """Return how the files of an input are decoded; None if it is not a feature of files."""
        inputs, _ = self.inputs_and_targets
        return file_config_of(inputs, input_name)

    @property
    def input_features(self) -> Mapping[str, FeatureConfig]:
        """The features by input."""
        inputs, _ = self.inputs_and_targets
        return features_of(inputs)

    @property
    def target_features(self) -> Mapping[str, FeatureConfig]:
        """The features by output."""
        _, targets = self.inputs_and_targets
        return features_of(targets)


def check_keeps_features(source: DataSource, template: DataSource, path: str) -> None:
    """Check that a file that replaces that of `template` is not read without its features.

    Raises:
        UsageError: if it has another format, which takes over no settings.
    """
    is_other = isinstance(source, FeatureSource) and type(source) is not type(template)
    if is_other and (template.input_features or template.target_features):
        raise UsageError(
            f"{quote(path, 200)} is not in the format of {quote(template.key)}, of which the data"
            f" has features: give a {template.file_suffix} file, or describe the file in 'data' of"
            " a recipe"
        )


@dataclass(frozen=True, slots=True)
class Csv(FeatureSource):
    """A CSV table of numbers; targets and features may also be text."""

    key = "csv"
    text_cells: ClassVar[bool] = True
    """Whether the format does not distinguish strings and numbers."""
    suffixes = (".csv",)
    inference_suffixes = suffixes

    file: DataPath = setting(path(), "The table.")
    target: TargetColumns | None = setting(_TARGET_COLUMNS, _TARGET_COLUMNS_TEXT, default=None)
    header: bool = setting(
        boolean(),
        "Whether the first line has the names of the columns. Without it they are numbered from 0.",
        default=True,
    )
    inputs: str | tuple[str, ...] | Mapping[str, InputColumns] | None = setting(
        _INPUT_COLUMNS, _INPUT_COLUMNS_TEXT, default=None
    )
    sample_weight: ArrayNames | None = setting(NAMES, SAMPLE_WEIGHT, default=None)
    separator: str = setting(
        _character(), 'The character between cells; `"\\t"` is a tab.', default=","
    )
    decimal: str = setting(choice(".", ","), "The decimal point of numbers.", default=".")
    missing: tuple[str, ...] = setting(
        list_between(_CELL, 0, 100), "Cells that count as missing besides empty ones.", default=()
    )
    window: WindowConfig | None = setting(WINDOW, WINDOW_TEXT, default=None)

    def find_conflict(self) -> str:
        """Return which settings contradict each other, as a sentence; empty if none do."""
        if self.separator == self.decimal:
            return "'separator' and 'decimal' are the same"
        # super() does not find the class that `slots=True` replaces.
        return FeatureSource.find_conflict(self)

    @property
    def inputs_and_targets(self) -> tuple[object, object]:
        """The settings of the inputs and of the targets."""
        return self.inputs, self.target

    def load(self, context: LoadContext) -> SourceDataset:
        """Load the columns."""
        from archbuilder.data.sources.csv import load_csv

        return load_csv(self, context)

    @property
    def finds_columns_by_name(self) -> bool:
        """Whether the inputs are columns of a header that the source does not name itself."""
        return self.header and self.inputs is None

    @classmethod
    def for_inference(cls, file: DataPath, template: DataSource) -> Csv:
        """Return the table with the roles of its columns, which show where the inputs are."""
        table = template if isinstance(template, Csv) else cls(file)
        return replace(table, file=file, on_error="stop")


@dataclass(frozen=True, slots=True)
class Parquet(FeatureSource):
    """A table in the Apache Parquet format: as `csv`, but columns may also hold lists."""

    key = "parquet"
    header: ClassVar[bool] = True
    text_cells: ClassVar[bool] = False
    decimal: ClassVar[str] = "."
    suffixes = (".parquet",)
    inference_suffixes = suffixes

    file: DataPath = setting(path(), "The table.")
    target: TargetColumns | None = setting(_TARGET_COLUMNS, _TARGET_COLUMNS_TEXT, default=None)
    inputs: str | tuple[str, ...] | Mapping[str, InputColumns] | None = setting(
        _INPUT_COLUMNS, _INPUT_COLUMNS_TEXT, default=None
    )
    sample_weight: ArrayNames | None = setting(NAMES, SAMPLE_WEIGHT, default=None)
    divide_by: float | None = setting(DIVISOR, DIVIDE_BY, default=None)
    window: WindowConfig | None = setting(WINDOW, WINDOW_TEXT, default=None)

    @property
    def inputs_and_targets(self) -> tuple[object, object]:
        """The settings of the inputs and of the targets."""
        return self.inputs, self.target

    def load(self, context: LoadContext) -> SourceDataset:
        """Load the columns."""
        from archbuilder.data.sources.parquet import load_parquet

        return load_parquet(self, context)

    @property
    def finds_columns_by_name(self) -> bool:
        """Whether the inputs are columns that the source does not name itself."""
        return self.inputs is None

    @classmethod
    def for_inference(cls, file: DataPath, template: DataSource) -> Parquet:
        """Return the table with the roles of its columns, which show where the inputs are."""
        table = template if isinstance(template, Parquet) else cls(file)
        return replace(table, file=file, on_error="stop")


@dataclass(frozen=True, slots=True)
class Jsonl(FeatureSource):
    """JSON lines of numbers, with an array in each field; targets and features may also be text."""

    key = "jsonl"
    suffixes = (".jsonl",)
    inference_suffixes = suffixes

    file: DataPath = setting(path(), "The file of JSON lines.")
    inputs: str | Mapping[str, InputColumns] = setting(
        features_by_name(_FIELD), "Field of the input, or fields by input.", default="x"
    )
    targets: str | Mapping[str, str | FeatureConfig] = setting(
        targets_by_name(_FIELD),
        "Field of the target, or fields by output; `{}` without targets.",
        default="y",
    )
    divide_by: float | None = setting(DIVISOR, DIVIDE_BY, default=None)
    sample_weight: ArrayNames | None = setting(NAMES, SAMPLE_WEIGHT, default=None)
    window: WindowConfig | None = setting(WINDOW, WINDOW_TEXT, default=None)

    @property
    def inputs_and_targets(self) -> tuple[object, object]:
        """The settings of the inputs and of the targets."""
        return self.inputs, self.targets

    def load(self, context: LoadContext) -> SourceDataset:
        """Load the fields."""
        from archbuilder.data.sources.jsonl import load_jsonl

        return load_jsonl(self, context)

    @classmethod
    def for_inference(cls, file: DataPath, template: DataSource) -> Jsonl:
        """Return the lines without targets and weights."""
        lines = template if isinstance(template, Jsonl) else cls(file)
        return replace(lines, file=file, targets={}, sample_weight=None, on_error="stop")


TableSource: TypeAlias = Csv | Parquet
"""The sources whose columns are found by name or by position, instead of fields by name."""

TABLE_SOURCES: Final = (Csv, Parquet, Jsonl)
