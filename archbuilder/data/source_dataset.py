"""The dataset that a source of data returns, before it is adapted to a network."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Final, TypeVar

import numpy as np
from numpy.typing import NDArray

from archbuilder.config.data_schema import DatasetSchema
from archbuilder.config.sources import ImageConfig
from archbuilder.data.columns import (
    Column,
    LazyColumn,
    RowIndices,
    check_non_negative,
    load_into_memory,
    make_finite_check,
)
from archbuilder.data.dtypes import Mask
from archbuilder.data.file_access import check_fits_in_memory
from archbuilder.data.image_coordinates import Coordinates
from archbuilder.data.lists import BatchLengths
from archbuilder.data.provenance import ColumnOrigin
from archbuilder.data.raw_feature import RawFeature
from archbuilder.data.text.token_file import TokenArray
from archbuilder.data.text.tokenizer import TextTokenizer
from archbuilder.diagnostics.errors import RunError, quote, quote_list
from archbuilder.diagnostics.span import Span
from archbuilder.formatting import plural

UNNAMED: Final = ""
"""Name of an array that belongs to the only input, or the only output, of a network."""

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True, eq=False)
class Feature:
    """A column of inputs. Its values are divided by `divide_by`; an `image` may be resized."""

    column: Column
    divide_by: float | None = None
    image: bool = False
    max_value: int = 255
    """Maximum pixel value before division: 255, 65535, or 1."""
    origin: ColumnOrigin | None = None
    """Locations of the values in their files; None if only the number of an example is known."""
    integer_mask: Mask | None = None
    """Positions of an example whose values are integers, if the column has a floating dtype."""
    num_categories: int | None = None
    """Number of entries with that for other values, if the values are indices of a vocabulary."""
    shape_hint: str = ""
    """What decides the shape of an example, for messages."""
    vocabulary_limit: str = "'max_size' or 'min_count'"
    """The settings that limit the vocabulary, for messages."""
    lengths: BatchLengths | None = None
    """The lengths of the batches of padded lists; None for that of the column."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one example."""
        return self.column.shape

    def value_range(self, dtype: str) -> tuple[float, float] | None:
        """Return the range of pixels as an input of a dtype, or None if it is unknown.

        It is unknown for columns of floats, and for columns that are not images.
        """
        if not self.image or self.column.dtype.kind != "u":
            return None
        max_value = float(self.max_value)
        return 0.0, max_value / (self.divide_by or 1) if "float" in dtype else max_value


@dataclass(frozen=True, slots=True, eq=False)
class KeyColumn:
    """A column that says which examples belong together; no network receives it."""

    title: str
    """The name of the column for messages."""
    codes: Column
    """Indices into `categories`; -1 for a missing value."""
    categories: tuple[str, ...]
    """The distinct values as text."""
    origin: ColumnOrigin

    def read(self) -> NDArray[np.int64]:
        """Return the codes of all examples."""
        return self.codes.numpy(np.arange(self.codes.count)).astype(np.int64)

    def read_groups(self) -> NDArray[np.int64]:
        """Return the codes of all examples, each of which has one.

        Raises:
            RunError: if a value is missing.
        """
        groups = self.read()
        missing = groups < 0
        if missing.any():
            row = int(missing.argmax())
            raise RunError(f"{self.origin.describe_row(row)} has no group in {self.title}")
        return groups


@dataclass(frozen=True, slots=True, eq=False)
class Split:
    """Indices of the examples of each set, in the order of the data."""

    train: RowIndices
    validation: RowIndices | None = None
    """None if there is no validation set, or it is a dataset of its own."""
    test: RowIndices | None = None
    """None if there is no test set, or it is a dataset of its own."""
    note: str = ""
    """How examples were held out, to follow their numbers."""


@dataclass(frozen=True, slots=True)
class FittedPreprocessing:
    """Preprocessing that was fitted to the training data, to be applied to other examples."""

    schema: DatasetSchema = field(default_factory=DatasetSchema)
    """Columns, class names and scales."""
    tokenizer: TextTokenizer | None = None


def preprocessing_from_schema(schema: DatasetSchema) -> FittedPreprocessing | None:
    """Return the preprocessing that a schema describes, or None if the schema is empty."""
    return None if schema == DatasetSchema() else FittedPreprocessing(schema)


@dataclass(frozen=True, slots=True)
class SourceKeys:
    """The keys under which a recipe names the columns of a source, for error messages."""

    inputs: str = "inputs"
    targets: str = "targets"
    unused: tuple[str, ...] = ()
    """Columns or arrays of the file that are neither input, target nor weight, if known."""

    def key(self, role: str) -> str:
        """Return the key of the source for a `role` of "input" or "output"."""
        return self.inputs if role == "input" else self.targets


@dataclass(frozen=True, slots=True, eq=False)
class SourceDataset:
    """Inputs and targets by the names of the network's inputs and outputs, or `UNNAMED`."""

    source_name: str
    """The name of the source in messages."""
    inputs: Mapping[str, Feature]
    targets: Mapping[str, Column]
    notes: tuple[str, ...] = field(default=())
    """What was done to the data, for the user."""
    token_array: TokenArray | None = None
    """The tokenized text that the examples are pieces of."""
    sample_weights: Mapping[str, Column] = field(default_factory=dict)
    """Sample weights by the name of the output, or under `UNNAMED` for all outputs."""
    preprocessing: FittedPreprocessing = field(default_factory=FittedPreprocessing)
    """The preprocessing that was applied."""
    source_keys: SourceKeys | None = None
    """None if the source has one input and one target without names."""
    missing_targets: str = ""
    """Why a source with one target has none, as the error for a network that needs it."""
    target_description: str = ""
    """The meaning of the only target of such a source, as in `the class of an image`."""
    target_hint: str = ""
    """How to give such a source a target, for messages."""
    span: Span | None = None
    """Location of the source in the blueprint, for errors about the data."""
    raw_features: Mapping[str, RawFeature] = field(default_factory=dict)
    """Features that are not fitted yet; `fit_features` turns them into `inputs` and `targets`."""
    key_columns: Mapping[str, KeyColumn] = field(default_factory=dict)
    """Columns that the split of the data follows, by name."""
    split: Split | None = None
    """The examples of each set; None if the dataset is one of them."""
    coordinates: Mapping[str, Coordinates] = field(default_factory=dict)
    """What inputs, and targets by `target_key`, are that are coordinates in an image."""
    masks: Mapping[str, ImageConfig] = field(default_factory=dict)
    """How images that are targets are decoded, by output."""
    number_lists: frozenset[str] = frozenset()
    """The outputs whose targets are lists of numbers, which are filled up with `LIST_PADDING`."""
    row_numbers: RowIndices | None = None
    """The last row of each window; None if the examples are rows."""

    @property
    def count(self) -> int:
        """Number of examples."""
        counts = [each.column.count for each in self.inputs.values()]
        return next(iter([*counts, *(each.count for each in self.raw_features.values())]))

    def mask_of(self, output: str) -> ImageConfig | None:
        """Return how the images that are the target of an output are decoded, if it has some."""
        return self.masks.get(output, self.masks.get(UNNAMED))

    def rows_of(self, examples: RowIndices) -> RowIndices:
        """Return the rows of the data that name examples: their own, or the last of a window."""
        return examples if self.row_numbers is None else self.row_numbers[examples]

    def with_value_checks(self) -> SourceDataset:
        """Check that columns have equal lengths and finite values; return them with the checks.

        Values that are not in memory are checked when they are read.

        Raises:
            RunError: if the columns differ in length, there are no examples, or a value in memory
                is NaN or infinite, or a sample weight in memory is negative.
        """
        lengths = [(name or "inputs", each.column.count) for name, each in self.inputs.items()]
        lengths += [(name or "targets", each.count) for name, each in self.targets.items()]
        lengths += [
            (name or "sample_weight", each.count) for name, each in self.sample_weights.items()
        ]
        check_lengths(lengths, self.source_name)
        if self.count == 0:
            raise RunError(f"{self.source_name} has no examples")
        inputs = {
            name: replace(feature, column=self._with_finite_check(feature.column, "input", name))
            for name, feature in self.inputs.items()
        }
        targets = {
            name: self._with_finite_check(column, "target", name)
            for name, column in self.targets.items()
        }
        weights = {
            name: self._with_finite_check(column, "weight", name).with_check(check_non_negative)
            for name, column in self.sample_weights.items()
        }
        return replace(self, inputs=inputs, targets=targets, sample_weights=weights)

    def in_memory(self) -> SourceDataset:
        """Return this dataset with every column in memory.

        Images whose size the network decides are loaded once that is known.

        Raises:
            RunError: if they do not fit in memory, or an example cannot be read.
        """
        columns = [feature.column for feature in self.inputs.values()]
        columns += [*self.targets.values(), *self.sample_weights.values()]
        fixed = [each for each in columns if not isinstance(each, LazyColumn) or not each.resize]
        self._check_memory(fixed)

        def keep(column: Column) -> Column:
            if not isinstance(column, LazyColumn) or column.resize is None:
                return load_into_memory(column)
            resize = column.resize

            # Several networks and sets may ask for one size.
            @cache
            def load(height: int, width: int) -> Column:
                resized = resize(height, width)
                self._check_memory([*fixed, resized])
                return load_into_memory(resized)

            return replace(column, resize=load)

        return replace(
            self,
            inputs={
                name: replace(feature, column=keep(feature.column))
                for name, feature in self.inputs.items()
            },
            targets={name: keep(column) for name, column in self.targets.items()},
            sample_weights={name: keep(column) for name, column in self.sample_weights.items()},
        )

    def _check_memory(self, columns: Iterable[Column]) -> None:
        example_bytes = sum(math.prod(each.shape) * each.dtype.itemsize for each in columns)
        check_fits_in_memory(self.count * example_bytes, self.source_name)

    def _with_finite_check(self, column: Column, role: str, name: str) -> Column:
        description = f"the {role} {quote(name)}" if name else f"the {role}"
        # Inputs are converted to the dtype of the network's input, which is not known yet and has
        # a check of its own. Targets and weights become float32, where large values overflow.
        dtype = None if role == "input" else np.float32
        return column.with_check(
            make_finite_check(f"{description} of {column.name or self.source_name}", dtype)
        )

    def select_for(self, inputs: tuple[str, ...], outputs: tuple[str, ...]) -> SourceDataset:
        """Return the columns that a network uses, under the names of its inputs and outputs.

        Raises:
            RunError: if an input or an output has no column.
        """
        if outputs and self.missing_targets:
            raise RunError(self.missing_targets)
        if outputs and not self.targets and self.source_keys is None:
            hints = []
            if self.target_hint:
                hints.append(self.target_hint)
            if inputs:
                hints.append(
                    f"'target_from_input: {{{outputs[0]}: {inputs[0]}}}' under 'training' compares"
                    " the output with its input"
                )
            raise RunError(
                f"{self.source_name} has no targets, but the output '{outputs[0]}' has a loss or"
                " metrics" + "".join(f"; {hint}" for hint in hints)
            )
        return replace(
            self,
            inputs=self._select(self.inputs, inputs, "input"),
            targets=self._select(self.targets, outputs, "output"),
        )

    def _select(
        self, arrays: Mapping[str, _T], names: tuple[str, ...], role: str
    ) -> Mapping[str, _T]:
        """Return columns by the names of a network's inputs or outputs.

        Raises:
            RunError: if one has no column.
        """
        if len(names) == 1 and UNNAMED in arrays:
            return {names[0]: arrays[UNNAMED]}
        if any(name not in arrays for name in names):
            raise _missing_column_error(self, arrays, names, role)
        return {name: arrays[name] for name in names}


def _missing_column_error(
    dataset: SourceDataset, arrays: Mapping[str, object], names: tuple[str, ...], role: str
) -> RunError:
    """Return the error for inputs or outputs of a network of which one has no column.

    `arrays` are those of the `role` in the dataset, "input" or "output".
    """
    source_name, source_keys = dataset.source_name, dataset.source_keys
    missing = next(name for name in names if name not in arrays)
    if UNNAMED in arrays:
        is_target = role == "output" and dataset.target_description
        provided_text = (
            f"one target ({dataset.target_description})"
            if is_target
            else f"one array for the {role}s"
        )
        message = (
            f"{source_name} has {provided_text}, but the network has {len(names)}"
            f"{' outputs with a loss or metrics' if is_target else ''}: {', '.join(names)}"
        )
    elif source_keys is None or not arrays:
        message = f"{source_name} has no data for the {role} '{missing}'"
    else:
        message = (
            f"'{source_keys.key(role)}' of {source_name} has no entry for the {role} '{missing}' of"
            f" the network, but for {quote_list(arrays)}"
        )
    if source_keys is None:
        message += "; sources such as 'npz' and 'csv' can name several"
        if role == "output":
            message += "; an output without loss and metrics needs no target"
    else:
        example = ", ".join(f"{name}: ..." for name in names)
        message += f"; write '{source_keys.key(role)}: {{{example}}}'"
        if source_keys.unused:
            message += f"; unused: {quote_list(source_keys.unused)}"
    return RunError(message)


@dataclass(frozen=True, slots=True, eq=False)
class SourceDatasets:
    """The datasets of a run: a set that is None is split off from `train`, if there is one."""

    train: SourceDataset
    validation: SourceDataset | None = None
    test: SourceDataset | None = None


def target_key(output: str) -> str:
    """Return the name of the feature that is a target; no input has it, as it has a space."""
    return f"target {output}"


def check_lengths(lengths: Iterable[tuple[str, int]], source_name: str) -> None:
    """Check that arrays, each with its name, have the same number of examples.

    Raises:
        RunError: if the lengths differ.
    """
    names_by_length = {length: name for name, length in reversed([*lengths])}
    if len(names_by_length) > 1:
        texts = [
            f"{quote(name)} has {plural(length, 'example')}"
            for length, name in sorted(names_by_length.items())
        ]
        raise RunError(f"{source_name} has arrays of different lengths: {', '.join(texts)}")
