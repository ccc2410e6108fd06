"""A blueprint for a table: categories are embedded, and a small network predicts the target."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from archbuilder.config.sources import Csv, Jsonl, Parquet
from archbuilder.diagnostics.errors import UsageError, closest_match, quote, quote_list
from archbuilder.diagnostics.escape import escape_terminal
from archbuilder.formatting import format_count
from archbuilder.plain_data import PlainData
from archbuilder.scaffold.column_profile import ColumnProfile, profile_columns
from archbuilder.scaffold.layout import BlueprintText, layer, to_name
from archbuilder.scaffold.outputs import NetworkOutput
from archbuilder.scaffold.table_sample import TableSample

_DATE_PARTS: Final[list[PlainData]] = ["year", "month", "day", "weekday"]
_MAX_VECTOR: Final = 32
"""Largest size of the vector of a category."""
_MIN_WORDS: Final = 8
_MAX_WORDS: Final = 256
"""Number of words of a text; longer texts are truncated."""
_VOCABULARY_SIZE: Final = 20_000
_MAX_NAMES: Final = 5


@dataclass(frozen=True, slots=True)
class TableTask:
    """The columns that feed a network, and what it predicts from them."""

    numbers: tuple[ColumnProfile, ...]
    categories: tuple[ColumnProfile, ...]
    dates: tuple[ColumnProfile, ...]
    texts: tuple[ColumnProfile, ...]
    target: ColumnProfile
    unused: tuple[ColumnProfile, ...]

    @property
    def classes(self) -> int:
        """Number of classes; 0 for a target that is a quantity."""
        if self.target.kind == "category":
            return len(self.target.values)
        return max(self.target.classes, default=-1) + 1

    @property
    def output(self) -> NetworkOutput:
        """What the network computes."""
        if self.classes:
            return NetworkOutput.for_classes(self.classes)
        return NetworkOutput.for_numbers(1, self.target.mean, self.target.std)


def table_task(columns: Sequence[ColumnProfile], target_name: str | None, name: str) -> TableTask:
    """Choose the target and the inputs among the columns of a table.

    Without a name, the target is the last column that can be one.

    Raises:
        UsageError: if there is no such column, or no column is left for the inputs.
    """
    possible = [each for each in columns if each.kind in ("number", "category")]
    if target_name is None:
        if not possible:
            raise UsageError(
                f"{name} has no column of numbers or categories for a target: {_reasons(columns)}"
            )
        target = possible[-1]
    else:
        by_name = {each.name: each for each in columns}
        if target_name not in by_name:
            suggestion = closest_match(target_name, by_name)
            hint = f"; did you mean {quote(suggestion)}?" if suggestion else ""
            raise UsageError(
                f"{name} has no column {quote(target_name)}{hint}; it has {quote_list(by_name)}"
            )
        target = by_name[target_name]
        if target not in possible:
            kind = target.reason or f"it holds {target.kind}s"
            raise UsageError(f"column {quote(target_name)} of {name} cannot be a target: {kind}")
    inputs = [each for each in columns if each is not target]
    numbers, categories, dates, texts, unused = (
        tuple(each for each in inputs if each.kind == kind)
        for kind in ("number", "category", "date", "text", "unused")
    )
    task = TableTask(numbers, categories, dates, texts, target, unused)
    if len(task.unused) == len(inputs):
        reasons = f": {_reasons(inputs)}" if inputs else ""
        raise UsageError(f"{name} has no columns for the inputs besides the target{reasons}")
    return task


def _reasons(columns: Sequence[ColumnProfile]) -> str:
    """Return why columns are not used."""
    reasons = [f"{quote(each.name)} ({each.reason or each.kind})" for each in columns[:_MAX_NAMES]]
    return ", ".join(reasons) + (", ..." if len(columns) > _MAX_NAMES else "")


def table_blueprint(
    source: Csv | Parquet | Jsonl, sample: TableSample, target: str | None, name: str, file: str
) -> str:
    """Return a blueprint for a table, of which a sample was read.

    Args:
        source: The table.
        sample: Its first rows.
        target: The column to predict; the last one by default.
        name: The name of the blueprint.
        file: The path of the table in the blueprint.

    Raises:
        UsageError: if the columns do not fit a network.
    """
    columns = profile_columns(sample)
    table = quote(source.file.path, 200)
    # YAML has no such characters, which a diagnostic would escape.
    if any(escape_terminal(each) != each for each in sample.columns):
        raise UsageError(f"the name of a column of {table} has invisible characters; rename it")
    task = table_task(columns, target, table)
    parts = _NetworkParts()
    parts.add_numbers(task.numbers)
    for column in task.dates:
        parts.add_date(column)
    for column in task.categories:
        parts.add_category(column)
    for column in task.texts:
        parts.add_text(column)
    if len(parts.tensors) > 1:
        parts.layers.append(layer("Concatenate", None, "features", [*parts.tensors]))
    hidden = "{Dense: {units: $units, activation: relu}}"[1:-1]
    parts.layers += [hidden, "Dropout: $dropout", hidden, *task.output.layers]
    options: dict[str, PlainData] = {"file": file, "inputs": parts.features}
    options["targets" if isinstance(source, Jsonl) else "target"] = task.target.name
    if sample.text_cells:
        options |= _csv_options(sample, columns)
    return BlueprintText(
        name,
        f"{task.target.name} from the columns of {file}"[:100],
        _comments(task, sample),
        {"units": 64, "dropout": 0.2},
        parts.inputs,
        parts.layers,
        source.key,
        options,
        task.output.training(epochs=30),
    ).render()


@dataclass(slots=True)
class _NetworkParts:
    """The inputs of a network, with the features that feed them and the tensors they become."""

    inputs: dict[str, PlainData] = field(default_factory=dict)
    features: dict[str, PlainData] = field(default_factory=dict)
    layers: list[str] = field(default_factory=list)
    tensors: list[str] = field(default_factory=list)
    names: set[str] = field(default_factory=lambda: {"features"})

    def add_numbers(self, columns: Sequence[ColumnProfile]) -> None:
        """Add the columns of numbers as one input, and those with missing numbers as another."""
        complete = [each.name for each in columns if not each.has_missing]
        incomplete = [each.name for each in columns if each.has_missing]
        if complete:
            feature: dict[str, PlainData] = {"columns": [*complete], "normalize": True}
            self._add("numbers", [len(complete)], feature)
        if incomplete:
            # Each column has a flag, which tells the network where its numbers are missing.
            feature = {"columns": [*incomplete], "missing": "indicator", "normalize": True}
            self._add("incomplete_numbers", [2 * len(incomplete)], feature)

    def add_date(self, column: ColumnProfile) -> None:
        """Add the parts of dates as an input."""
        date_parts = [*_DATE_PARTS, *(["hour"] if column.has_time else [])]
        feature: dict[str, PlainData] = {"column": column.name, "date": date_parts}
        feature |= {"missing": "mean"} if column.has_missing else {}
        self._add(column.name, [len(date_parts)], {**feature, "normalize": True})

    def add_category(self, column: ColumnProfile) -> None:
        """Add a category as an input with an embedding."""
        size = len(column.values)
        # Other rows may have more categories, which then become index 0 as unknown ones do.
        feature: dict[str, PlainData] = {
            "column": column.name,
            "vocabulary": True,
            "max_size": size,
        }
        name = self._add(column.name, {"shape": [], "dtype": "int32"}, feature)
        dim = min(_MAX_VECTOR, math.ceil(math.sqrt(size + 1)))
        self._embed(name, f"{name}_vector", {"input_dim": size + 1, "output_dim": dim})

    def add_text(self, column: ColumnProfile) -> None:
        """Add a text as an input; its vector is the mean of those of its words."""
        length = min(max(column.num_words, _MIN_WORDS), _MAX_WORDS)
        feature: dict[str, PlainData] = {
            "column": column.name,
            "tokenizer": "words",
            "lowercase": True,
            "strip_punctuation": True,
            "vocabulary_size": _VOCABULARY_SIZE,
            "sequence_length": length,
        }
        name = self._add(column.name, {"shape": [length], "dtype": "int32"}, feature)
        arguments: dict[str, PlainData] = {"input_dim": _VOCABULARY_SIZE, "output_dim": _MAX_VECTOR}
        self._embed(name, f"{name}_words", {**arguments, "mask_zero": True})
        vector = to_name(f"{name}_vector", self.names, "vector")
        self.layers.append(layer("GlobalAveragePooling1D", None, vector, self.tensors[-1]))
        self.tensors[-1] = vector

    def _embed(self, name: str, vector_name: str, arguments: dict[str, PlainData]) -> None:
        """Add an embedding of the input that was added last."""
        vector = to_name(vector_name, self.names, "vector")
        self.layers.append(layer("Embedding", arguments, vector, name))
        self.tensors[-1] = vector

    def _add(self, name: str, shape: PlainData, feature: dict[str, PlainData]) -> str:
        unique = to_name(name, self.names, "input")
        self.inputs[unique] = shape
        self.features[unique] = feature
        self.tensors.append(unique)
        return unique


def _csv_options(sample: TableSample, columns: Sequence[ColumnProfile]) -> dict[str, PlainData]:
    options: dict[str, PlainData] = {}
    if sample.separator != ",":
        options["separator"] = sample.separator
    if not sample.has_header:
        options["header"] = False
    missing = dict.fromkeys(text for each in columns for text in each.missing_texts)
    return options | ({"missing": [*missing]} if missing else {})


def _comments(task: TableTask, sample: TableSample) -> list[str]:
    comments = []
    if not sample.is_complete:
        rows = format_count(sample.num_rows)
        comments.append(f"Sizes are those of the first {rows} rows.")
    comments += [f"Not used: {quote(each.name)} ({each.reason})" for each in task.unused]
    return comments
