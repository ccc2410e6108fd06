"""A blueprint for a table: categories are embedded, and a small network predicts the target."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import PurePath
from typing import Final

from archbuilder.config.sources import Csv, DataPath, Jsonl, Parquet, TableImage
from archbuilder.data.file_access import DataFileOpener
from archbuilder.data.sources.example_files import table_file
from archbuilder.data.sources.image_decoding import decode_image
from archbuilder.data.sources.image_files import read_image
from archbuilder.diagnostics.errors import RunError, UsageError, quote
from archbuilder.diagnostics.escape import escape_terminal
from archbuilder.formatting import format_count
from archbuilder.plain_data import PlainData
from archbuilder.scaffold.column_profile import ColumnProfile, profile_columns
from archbuilder.scaffold.convolutions import CONVOLUTION_STAGE, convolution_network
from archbuilder.scaffold.layout import BlueprintText, layer, to_name
from archbuilder.scaffold.table_sample import TableSample
from archbuilder.scaffold.table_task import TableTask, table_task

_DATE_PARTS: Final[list[PlainData]] = ["year", "month", "day", "weekday"]
_MAX_VECTOR: Final = 32
"""Largest size of the vector of a category."""
_MIN_WORDS: Final = 8
_MAX_WORDS: Final = 256
"""Number of words of a text; longer texts are truncated."""
_VOCABULARY_SIZE: Final = 20_000
_MAX_WINDOW: Final = 24
"""Number of rows that a network for a series sees."""


def table_blueprint(
    source: Csv | Parquet | Jsonl,
    sample: TableSample,
    target: str | None,
    name: str,
    file: str,
    opener: DataFileOpener,
) -> str:
    """Return a blueprint for a table, of which a sample was read.

    Args:
        source: The table.
        sample: Its first rows.
        target: The column to predict; the last one by default.
        name: The name of the blueprint.
        file: The path of the table in the blueprint.
        opener: Opens the images that the table names.

    Raises:
        UsageError: if the columns do not fit a network.
    """
    profiles = profile_columns(sample)
    table = quote(source.file.path, 200)
    # YAML has no such characters, which a diagnostic would escape.
    if any(escape_terminal(each) != each for each in sample.columns):
        raise UsageError(f"the name of a column of {table} has invisible characters; rename it")
    columns = [_with_image_size(each, source.file, opener) for each in profiles]
    task = table_task(columns, target, table, sample.num_rows)
    parts = _NetworkParts()
    options: dict[str, PlainData] = {"file": file, "inputs": parts.features}
    options["targets" if isinstance(source, Jsonl) else "target"] = _target_option(task.target)
    if sample.text_cells:
        options |= _csv_options(sample, columns)
    if task.target.has_missing:
        options["on_error"] = "skip"
    if task.is_series:
        length = min(_MAX_WINDOW, task.num_rows // 10)
        parts.add_series(task, length)
        options["window"] = {"length": length, "ahead": 1}
    else:
        parts.add_columns(task)
    parts.layers += task.output.layers
    training = task.output.training(epochs=30)
    if task.is_series:
        training["validation_split"] = {"last": 0.2}
    return BlueprintText(
        name,
        f"{task.target.name} from the columns of {file}"[:100],
        _comments(task, sample),
        {"units": 64, "dropout": 0.2},
        parts.inputs,
        parts.layers,
        source.key,
        options,
        training,
        blocks=CONVOLUTION_STAGE if parts.has_images else "",
    ).render()


def _with_image_size(
    column: ColumnProfile, table: DataPath, opener: DataFileOpener
) -> ColumnProfile:
    """Return a column of image names with the shape of its first image, if that can be read."""
    if column.kind != "image":
        return column
    directory = DataPath(str(PurePath(table.path).parent))
    try:
        first = table_file(TableImage(), directory, column.values[0])
        image = decode_image(read_image(first, opener), first.name)
    except RunError as error:
        return replace(column, kind="unused", reason=f"names of images; {error}")
    channels = 3 if image.mode == "RGB" else 1
    return replace(column, shape=(image.height, image.width, channels))


def _target_option(target: ColumnProfile) -> PlainData:
    """Return the setting for a target: its column, or the labels in its texts."""
    if target.kind != "labels":
        return target.name
    feature: PlainData = {
        "column": target.name,
        "separator": target.separator,
        "vocabulary": [*target.values],
    }
    return {"output": feature}


@dataclass(slots=True)
class _NetworkParts:
    """The inputs of a network, with the features that feed them and the tensors they become."""

    has_images: bool = False
    inputs: dict[str, PlainData] = field(default_factory=dict)
    features: dict[str, PlainData] = field(default_factory=dict)
    layers: list[str] = field(default_factory=list)
    tensors: list[str] = field(default_factory=list)
    names: set[str] = field(default_factory=lambda: {"features", "stage"})

    def add_columns(self, task: TableTask) -> None:
        """Add all columns of a table, and the layers that combine them."""
        self.add_numbers(task.of_kind("number"))
        for column in task.of_kind("date"):
            self.add_date(column)
        for column in task.of_kind("category"):
            self.add_category(column)
        for column in task.of_kind("labels"):
            self.add_labels(column)
        for column in task.of_kind("text"):
            self.add_text(column)
        for column in task.of_kind("image"):
            self.add_image(column)
        if len(self.tensors) > 1:
            self.layers.append(layer("Concatenate", None, "features", [*self.tensors]))
        hidden = "{Dense: {units: $units, activation: relu}}"[1:-1]
        self.layers += [hidden, "Dropout: $dropout", hidden]

    def add_series(self, task: TableTask, length: int) -> None:
        """Add the last rows of a series, with the past values of the target."""
        columns = [each for each in task.inputs if each.kind == "number"] + [task.target]
        feature: dict[str, PlainData] = {"columns": [each.name for each in columns]}
        if any(each.has_missing for each in columns):
            feature["missing"] = "mean"
        self._add("past", [length, len(columns)], {**feature, "normalize": True})
        self.layers += ["LSTM: $units", "Dropout: $dropout"]

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

    def add_labels(self, column: ColumnProfile) -> None:
        """Add a column with several categories in a cell: 0 or 1 for each."""
        feature: dict[str, PlainData] = {
            "column": column.name,
            "separator": column.separator,
            "vocabulary": [*column.values],
        }
        self._add(column.name, [len(column.values)], feature)

    def add_image(self, column: ColumnProfile) -> None:
        """Add a column of image files; its vector is that of a small convolutional network."""
        network = convolution_network(column.shape)
        image: dict[str, PlainData] = {"size": [*network.shape[:2]]}
        feature: dict[str, PlainData] = {"column": column.name, "image": image}
        name = self._add(column.name, [*network.shape], feature)
        for number, stage in enumerate(network.layers):
            self.layers.append(f"{{{stage}, from: {name}}}" if number == 0 else stage)
        vector = to_name(f"{name}_vector", self.names, "vector")
        self.layers.append(layer("GlobalAveragePooling2D", None, vector))
        self.tensors[-1] = vector
        self.has_images = True

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
    if task.target.has_missing:
        comments.append("Rows without a target are skipped, as are others that cannot be read.")
    if task.is_series:
        comments.append("The rows are in the order of time: the network sees the last of them.")
    comments += [f"Not used: {quote(each.name)} ({each.reason})" for each in task.of_kind("unused")]
    return comments
