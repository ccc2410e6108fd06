"""The roles of the columns of a table, or of the fields of records: inputs, targets and weights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

from archbuilder.config.data_schema import ColumnNames
from archbuilder.config.sources import (
    FeatureConfig,
    InputColumns,
    Jsonl,
    RecordImage,
    TableFile,
    TableSource,
    Tfrecord,
)
from archbuilder.config.sources.feature_parser import resolve_references, resolve_targets
from archbuilder.config.sources.features import features_of
from archbuilder.data.image_coordinates import Coordinates
from archbuilder.data.source_dataset import SourceKeys, target_key
from archbuilder.data.sources.load_context import LoadContext
from archbuilder.data.sources.npy_header import as_mapping
from archbuilder.data.sources.table_columns import TableColumns, columns_of, key_name
from archbuilder.data.text.tokenizer import split_words
from archbuilder.diagnostics.errors import RunError, quote
from archbuilder.formatting import plural


# Without slots: readers ask for the derived properties with every line, which `cached_property`
# computes once.
@dataclass(frozen=True)
class ColumnRoles:
    """The columns or fields that are inputs, targets and sample weights."""

    inputs: Mapping[str, tuple[str, ...]]
    """Columns by input, and by targets that are features; several columns are side by side."""
    targets: Mapping[str, str]
    """Columns by output, without those of features."""
    sample_weights: Mapping[str, str]
    noun: str = "column"
    """What messages call a column."""
    target_key: str = "targets"
    """The setting that names the targets."""
    scalar_inputs: frozenset[str] = frozenset()
    """Inputs of a single column without an axis for columns: the shape is `(rows,)`."""
    text_cells: bool = False
    """Whether the format does not distinguish strings and numbers, as CSV."""
    column_names: ColumnNames | None = None
    """Names that later tables must have; None if the table has no header."""
    table: str = ""
    """The first table of a source, for messages, and the names of all of its columns."""
    all_columns: Sequence[str] = ()
    features: Mapping[str, FeatureConfig] = field(default_factory=dict)
    """Those of `inputs` that are features."""
    target_features: Mapping[str, str] = field(default_factory=dict)
    """The outputs whose targets are features, by the name in `inputs`."""
    decimal: str = "."
    """The decimal point of text cells."""
    key_columns: Mapping[str, str] = field(default_factory=dict)
    """The columns that the split of the data follows, by the name in `inputs`."""

    @classmethod
    def from_fields(
        cls, source: Jsonl | Tfrecord, noun: str, key_columns: Sequence[str] = ()
    ) -> ColumnRoles:
        """Return the roles that a source assigns to the fields of records.

        Raises:
            RunError: if a feature has no field.
        """
        columns_by_input = resolve_references(as_mapping(source.inputs))
        named: Mapping[str, str | FeatureConfig | RecordImage] = as_mapping(source.targets)
        targets = resolve_targets(
            {name: each for name, each in named.items() if not isinstance(each, RecordImage)},
            columns_by_input,
        )
        target_configs = features_of(targets)
        outputs = {target_key(name): name for name in target_configs}
        names_by_input: Mapping[str, InputColumns] = {
            **columns_by_input,
            **{key: target_configs[name] for key, name in outputs.items()},
        }
        inputs: dict[str, tuple[str, ...]] = {}
        for key, names in names_by_input.items():
            inputs[key] = columns_of(names)
            if not inputs[key]:
                raise RunError(f"the input {quote(key)} needs a 'column': records have no header")
        keys = {key_name(each): each for each in key_columns}
        return cls(
            {**inputs, **{key: (each,) for key, each in keys.items()}},
            {name: each for name, each in targets.items() if isinstance(each, str)},
            as_mapping(source.sample_weight or {}),
            noun,
            features={**features_of(names_by_input), **_key_features(keys)},
            target_features=outputs,
            key_columns=keys,
        )

    @classmethod
    def from_table(
        cls, source: TableSource, names: Sequence[str], table: str, context: LoadContext
    ) -> ColumnRoles:
        """Assign the columns `names` of a table to the roles that a source specifies.

        Roles that it does not specify are those of the training data, if known. Otherwise the last
        column is the target, and the others are one input.

        Raises:
            RunError: if a column does not exist, or two have the same name.
        """
        columns_by_input: Mapping[str, InputColumns] = resolve_references(
            as_mapping(() if source.inputs is None else source.inputs)
        )
        columns = TableColumns.from_source(source, columns_by_input, names, table, context)
        # Recorded before targets are dropped: they are the columns of the table, used or not.
        recorded = columns.names()
        if context.inputs_only:
            columns = replace(columns, targets={}, target_configs={}, weights={})
        targets, keys, target_configs = columns.targets, columns.keys, columns.target_configs
        feature_targets = {target_key(name): name for name in target_configs}
        features = {
            **features_of(columns_by_input),
            **{key: target_configs[name] for key, name in feature_targets.items()},
            **_key_features(keys),
        }
        return cls(
            {
                **columns.inputs,
                **{key: targets[name] for key, name in feature_targets.items()},
                **{key: (column,) for key, column in keys.items()},
            },
            {name: each[0] for name, each in targets.items() if name not in target_configs},
            columns.weights,
            target_key="target",
            scalar_inputs=frozenset(
                [key for key, each in columns_by_input.items() if isinstance(each, str)]
                + [key for key, each in features.items() if not each.is_list]
            ),
            text_cells=source.text_cells,
            column_names=recorded if source.header else None,
            table=table,
            all_columns=names,
            features=features,
            target_features=feature_targets,
            decimal=source.decimal,
            key_columns=keys,
        )

    @cached_property
    def columns(self) -> tuple[str, ...]:
        """All columns that have a role, without duplicates."""
        inputs = (column for each in self.inputs.values() for column in each)
        return tuple(
            dict.fromkeys((*inputs, *self.targets.values(), *self.sample_weights.values()))
        )

    @cached_property
    def numeric_columns(self) -> tuple[str, ...]:
        """The columns of plain inputs and sample weights, without duplicates.

        They must be numbers, and none may be missing.
        """
        inputs = (
            column
            for key, columns in self.inputs.items()
            if key not in self.string_inputs
            and (key not in self.features or not self.features[key].takes_missing)
            for column in columns
        )
        return tuple(dict.fromkeys((*inputs, *self.sample_weights.values())))

    @cached_property
    def optional_columns(self) -> tuple[str, ...]:
        """The columns of numbers that may be missing, without duplicates."""
        numeric = {*self.numeric_columns}
        columns = (
            column
            for key, feature in self.features.items()
            if feature.takes_missing and not feature.is_string
            for column in self.inputs[key]
        )
        return tuple(dict.fromkeys(each for each in columns if each not in numeric))

    @cached_property
    def words(self) -> Mapping[str, str]:
        """The columns of inputs that are words: categories, and names of files."""
        return {
            key: self.inputs[key][0]
            for key, each in self.features.items()
            if each.has_words and not each.is_ragged
        }

    @cached_property
    def files(self) -> Mapping[str, TableFile]:
        """How the files that columns name are found and decoded."""
        return {key: each.file for key, each in self.features.items() if each.file is not None}

    @cached_property
    def coordinates(self) -> Mapping[str, Coordinates]:
        """What the inputs and targets are that are coordinates in an image."""
        return {
            key: Coordinates(
                each.relative_to,
                each.coordinates,
                each.lengths[-1] if each.lengths else None,
                tuple(self.box_labels.get(key, ())),
            )
            for key, each in self.features.items()
            if each.relative_to
        }

    @cached_property
    def box_labels(self) -> Mapping[str, Sequence[str]]:
        """The outputs whose targets label the boxes or points of lists, by these."""
        labels: dict[str, list[str]] = {}
        for key, config in self.features.items():
            if config.is_box_labels and config.labels_of is not None:
                name = config.labels_of
                boxes = name if name in self.features else target_key(name)
                labels.setdefault(boxes, []).append(self.target_features[key])
        return labels

    @cached_property
    def lists(self) -> Mapping[str, str]:
        """The columns of inputs that are lists of varying length, without those of masks."""
        return {
            key: self.inputs[key][0]
            for key, each in self.features.items()
            if each.is_ragged and each.mask_of is None
        }

    @cached_property
    def same_lengths(self) -> Mapping[str, str]:
        """The lists that have as many values as those of another input, which is named."""
        return {
            key: each.same_length_as
            for key, each in self.features.items()
            if each.same_length_as is not None
        }

    @cached_property
    def positions(self) -> Mapping[str, str | int]:
        """The input in whose lists, or the number of values in which, numbers are positions."""
        return {
            key: each.positions_of
            for key, each in self.features.items()
            if each.positions_of is not None
        }

    @cached_property
    def list_columns(self) -> tuple[str, ...]:
        """The columns of lists, and of single positions and coordinates, without duplicates."""
        keys = (*self.positions, *self.coordinates)
        columns = (column for key in keys for column in self.inputs[key])
        return tuple(dict.fromkeys((*self.lists.values(), *columns)))

    @cached_property
    def dates(self) -> Mapping[str, str]:
        """The columns of inputs that are dates."""
        return {key: self.inputs[key][0] for key, each in self.features.items() if each.date}

    @cached_property
    def text_columns(self) -> tuple[str, ...]:
        """The columns of texts for a tokenizer, and of labels of words, without duplicates."""
        keys = (key for key, each in self.features.items() if each.is_text or each.is_labels)
        return tuple(dict.fromkeys(column for key in keys for column in self.inputs[key]))

    @cached_property
    def has_labels(self) -> bool:
        """Whether there are labels of words."""
        return any(each.is_labels for each in self.features.values())

    def check_labels(self, texts: Mapping[str, str], location: str) -> None:
        """Check that an example has as many labels as words; `texts` are those of its columns.

        Raises:
            RunError: if it has not.
        """
        for key, config in self.features.items():
            if not config.is_labels or config.labels_of is None:
                continue
            columns = (*self.inputs[config.labels_of], *self.inputs[key])
            words, labels = (len(split_words(texts[column])) for column in columns)
            if words != labels:
                raise RunError(
                    f"{location} has {plural(words, 'word')} in {self.title(columns[0])}, and"
                    f" {plural(labels, 'label')} in {self.title(columns[1])}"
                )

    @cached_property
    def required_strings(self) -> tuple[str, ...]:
        """The columns that are read as strings, and in which none may be missing."""
        return tuple(
            self.inputs[key][0]
            for key, each in self.features.items()
            if each.is_string and not each.takes_missing
        )

    @cached_property
    def string_inputs(self) -> frozenset[str]:
        """The inputs that are read as strings: categories, file names, dates and texts."""
        return frozenset(key for key, each in self.features.items() if each.is_string)

    @cached_property
    def number_inputs(self) -> Mapping[str, tuple[str, ...]]:
        """The columns of inputs that are numbers in the file."""
        strings = self.string_inputs
        return {key: each for key, each in self.inputs.items() if key not in strings}

    @cached_property
    def source_keys(self) -> SourceKeys:
        """The settings that name the columns, and the columns of a table without a role."""
        has_role = {*self.columns}
        unused = tuple(each for each in self.all_columns if each not in has_role)
        return SourceKeys(targets=self.target_key, unused=unused)

    def title(self, column: str) -> str:
        """Return the name of a column for messages."""
        return self._titles[column]

    @cached_property
    def _titles(self) -> Mapping[str, str]:
        return _Titles(self.noun)


class _Titles(dict[str, str]):
    """The names of columns for messages, which readers ask for with every line."""

    def __init__(self, noun: str) -> None:
        super().__init__()
        self._noun = noun

    def __missing__(self, column: str) -> str:
        title = self[column] = f"{self._noun} {quote(column)}"
        return title


def _key_features(keys: Mapping[str, str]) -> Mapping[str, FeatureConfig]:
    """Return how columns of keys are read: as categories, which need not be numbers."""
    return {key: FeatureConfig(column, vocabulary=True) for key, column in keys.items()}
