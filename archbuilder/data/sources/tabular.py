"""Tables: which of their columns are inputs, targets and weights."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from archbuilder.config.data_schema import ColumnNames, DatasetSchema
from archbuilder.config.sources import Csv, Parquet, TargetColumns
from archbuilder.data.bad_records import BadRecords
from archbuilder.data.dataset import UNNAMED, Dataset, FittedPreprocessing, SourceKeys
from archbuilder.data.provenance import ColumnOrigin, RecordLocations
from archbuilder.data.sources.batch_reader import RawBatch, collect_columns
from archbuilder.data.sources.disk_columns import ColumnStore
from archbuilder.data.sources.npy_header import as_mapping
from archbuilder.diagnostics.errors import RunError, closest_match, quote


@dataclass(frozen=True, slots=True)
class InferenceColumns:
    """What is wanted of a table that is given to a trained network: its inputs alone."""

    width: int | None = None
    """As many columns are inputs, and none is a target."""
    column_names: ColumnNames | None = None
    """The columns that the network was trained on, as far as that is known."""


@dataclass(frozen=True, slots=True)
class ColumnRoles:
    """The columns of a table by what they are for."""

    inputs: Mapping[str, tuple[str, ...]]
    """Several of them are one input side by side."""
    targets: Mapping[str, str]
    sample_weights: Mapping[str, str]
    scalar_inputs: frozenset[str] = frozenset()
    """Inputs that are a column by itself, with no axis for columns."""
    text_cells: bool = False
    """Whether words and numbers look alike."""
    column_names: ColumnNames | None = None
    """What later tables are compared with; None without names."""
    scale: float | None = None
    """What inputs are divided by."""
    all_columns: Sequence[str] = ()
    """The names of all columns of the table."""

    @classmethod
    def from_source(
        cls,
        source: Csv | Parquet,
        names: Sequence[str],
        table: str,
        *,
        fitted_columns: ColumnNames | None = None,
        inference_columns: InferenceColumns | None = None,
    ) -> ColumnRoles:
        """What a source says of a table whose columns have these names.

        What it does not say is as in the table that was `trained` on, if that is known.

        Raises:
            RunError: if there is no such column.
        """
        header = _Header.from_names(names, table)
        targets: Mapping[str, str] = {}
        weights: Mapping[str, str] = {}
        # Inputs are told from a target by the names that are known, or else by how many they are.
        inputs_only = inference_columns is not None and (
            fitted_columns is not None or inference_columns.width == len(names)
        )
        if not inputs_only:
            targets = _targets(source, header, fitted_columns)
            weights = {
                key: header.column(each) for key, each in as_mapping(source.weights or {}).items()
            }
        inputs: Mapping[str, tuple[str, ...]]
        scalar_inputs: frozenset[str] = frozenset()
        remaining_columns: tuple[str, ...] = ()
        if source.inputs is None:
            used = {*targets.values(), *weights.values()}
            remaining_columns = _remaining_columns(
                header, used, fitted_columns, inputs_only=inputs_only
            )
            inputs = {UNNAMED: remaining_columns}
        else:
            columns_by_input = as_mapping(source.inputs)
            inputs = {
                key: tuple(map(header.column, (each,) if isinstance(each, str) else each))
                for key, each in columns_by_input.items()
            }
            scalar_inputs = frozenset(
                key for key, each in columns_by_input.items() if isinstance(each, str)
            )
        column_names = (
            ColumnNames(remaining_columns, targets, tuple(weights.values()))
            if has_header(source)
            else None
        )
        if inference_columns is not None:
            targets, weights = {}, {}
        text_cells = isinstance(source, Csv)
        scale = None if isinstance(source, Csv) else source.scale
        return cls(inputs, targets, weights, scalar_inputs, text_cells, column_names, scale, names)

    @property
    def columns(self) -> tuple[str, ...]:
        """All that are used."""
        inputs = (column for each in self.inputs.values() for column in each)
        return tuple(
            dict.fromkeys((*inputs, *self.targets.values(), *self.sample_weights.values()))
        )

    @property
    def unused(self) -> tuple[str, ...]:
        """The columns of the table that are neither input, target nor weight."""
        used = {*self.columns}
        return tuple(each for each in self.all_columns if each not in used)


def make_tabular_dataset(
    batches: Iterable[RawBatch],
    roles: ColumnRoles,
    name: str,
    locations: RecordLocations,
    *,
    bad_records: BadRecords,
    fitted: FittedPreprocessing | None,
    store: ColumnStore,
) -> Dataset:
    """The examples of a table that is read now.

    Raises:
        RunError: if it has none, or they differ in shape.
    """
    target_titles = {key: f"column {quote(column)}" for key, column in roles.targets.items()}
    origins = {
        key: ColumnOrigin(
            locations.describe_row, tuple(f"column {quote(each)}" for each in columns)
        )
        for key, columns in roles.inputs.items()
    }
    columns = collect_columns(
        batches, target_titles, fitted, store, origins=origins, text_cells=roles.text_cells
    )
    notes = (*columns.notes, *bad_records.summary(columns.count, name))
    inputs = {key: replace(feature, scale=roles.scale) for key, feature in columns.inputs.items()}
    return Dataset(
        name,
        inputs,
        columns.targets,
        notes,
        sample_weights=columns.sample_weights,
        preprocessing=FittedPreprocessing(
            DatasetSchema(roles.column_names, columns.preprocessing.schema.classes)
        ),
        source_keys=SourceKeys(targets="target", unused=roles.unused),
    )


def has_header(source: Csv | Parquet) -> bool:
    """Whether the columns of its tables have names."""
    return not isinstance(source, Csv) or source.header


def fitted_column_names(
    source: Csv | Parquet,
    fitted: FittedPreprocessing | None,
    inference_columns: InferenceColumns | None,
) -> ColumnNames | None:
    """The columns that were trained on, where those of a source can be compared with them."""
    columns = (
        inference_columns.column_names
        if inference_columns
        else fitted.schema.column_names
        if fitted
        else None
    )
    return columns if has_header(source) else None


@dataclass(frozen=True, slots=True)
class _Header:
    """The names of the columns of a table."""

    names: Sequence[str]
    table: str
    name_set: frozenset[str]

    @classmethod
    def from_names(cls, names: Sequence[str], table: str) -> _Header:
        """The names, of which no two are the same."""
        name, count = Counter(names).most_common(1)[0] if names else ("", 0)
        if count > 1:
            raise RunError(f"{table} has two columns {quote(name)}")
        return cls(names, table, frozenset(names))

    def column(self, key: str | int) -> str:
        """The name of a column by its name or number."""
        if isinstance(key, int) and 0 <= key < len(self.names):
            return self.names[key]
        if isinstance(key, str) and key in self.name_set:
            return key
        suggestion = closest_match(key, self.names) if isinstance(key, str) else None
        hint = f"; did you mean {quote(suggestion)}?" if suggestion else ""
        raise RunError(f"{self.table} has no column {quote(key)}{hint}")


def _targets(
    source: Csv | Parquet, header: _Header, fitted_columns: ColumnNames | None
) -> Mapping[str, str]:
    if source.target is None and fitted_columns is not None:
        return {key: header.column(each) for key, each in fitted_columns.targets.items()}
    target: TargetColumns = len(header.names) - 1 if source.target is None else source.target
    targets = target if isinstance(target, Mapping) else {UNNAMED: target}
    return {key: header.column(each) for key, each in targets.items()}


def _remaining_columns(
    header: _Header, used: Collection[str], fitted_columns: ColumnNames | None, *, inputs_only: bool
) -> tuple[str, ...]:
    """The columns that are one input side by side, in the order that was trained on."""
    if fitted_columns is None or not fitted_columns.inputs:
        columns = tuple(each for each in header.names if each not in used)
        if not columns:
            raise RunError(f"{header.table} has no column beside the target")
        return columns
    inputs = tuple(map(header.column, fitted_columns.inputs))
    conflict = next((each for each in inputs if each in used), None)
    if conflict is not None:
        raise RunError(
            f"column {quote(conflict)} of {header.table} was an input in training, and can be no"
            " target"
            " or weight"
        )
    fitted_names = {*inputs, *fitted_columns.targets.values(), *fitted_columns.weights, *used}
    unexpected = next((each for each in header.names if each not in fitted_names), None)
    if unexpected is not None and not inputs_only:
        raise RunError(
            f"{header.table} has a column {quote(unexpected)}, which is neither input nor target"
            " in what"
            " was trained on"
        )
    return inputs
