"""Tables: the roles of their columns, and the dataset that is made of them."""

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
    """Options for a table that a trained network predicts from: only its inputs are read."""

    width: int | None = None
    """Number of input columns; a table with as many columns has no target."""
    column_names: ColumnNames | None = None
    """Columns of the training data, if known."""


@dataclass(frozen=True, slots=True)
class ColumnRoles:
    """The columns of a table that are inputs, targets and sample weights."""

    inputs: Mapping[str, tuple[str, ...]]
    """Columns by input; several columns side by side are one input."""
    targets: Mapping[str, str]
    sample_weights: Mapping[str, str]
    scalar_inputs: frozenset[str] = frozenset()
    """Inputs of a single column without an axis for columns: the shape is `(rows,)`."""
    text_cells: bool = False
    """Whether the format does not distinguish strings and numbers, as CSV."""
    column_names: ColumnNames | None = None
    """Names that later tables must have; None if the table has no header."""
    divide_by: float | None = None
    """Divisor of the inputs."""
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
        """Assign the columns `names` of a table to the roles that a source specifies.

        Roles that it does not specify are those of the training data (`fitted_columns`), if known.
        Otherwise the last column is the target, and the others are one input.

        Raises:
            RunError: if a column does not exist.
        """
        header = _Header.from_names(names, table)
        targets: Mapping[str, str] = {}
        weights: Mapping[str, str] = {}
        # A table for prediction may or may not have a target. Known names show which columns are
        # the inputs; without names, the number of columns does.
        inputs_only = inference_columns is not None and (
            fitted_columns is not None or inference_columns.width == len(names)
        )
        if not inputs_only:
            targets = _targets(source, header, fitted_columns)
            weights = {
                key: header.column(each)
                for key, each in as_mapping(source.sample_weight or {}).items()
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
        # Recorded before targets are dropped: they are the columns of the table, used or not.
        column_names = (
            ColumnNames(remaining_columns, targets, tuple(weights.values()))
            if has_header(source)
            else None
        )
        if inference_columns is not None:
            targets, weights = {}, {}
        text_cells = isinstance(source, Csv)
        # CSV has no option `divide_by`.
        divide_by = None if isinstance(source, Csv) else source.divide_by
        return cls(
            inputs, targets, weights, scalar_inputs, text_cells, column_names, divide_by, names
        )

    @property
    def columns(self) -> tuple[str, ...]:
        """All columns that have a role, without duplicates."""
        inputs = (column for each in self.inputs.values() for column in each)
        return tuple(
            dict.fromkeys((*inputs, *self.targets.values(), *self.sample_weights.values()))
        )

    @property
    def unused(self) -> tuple[str, ...]:
        """Columns of the table without a role."""
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
    """Read a table into a dataset.

    Raises:
        RunError: if the table has no examples, or they differ in shape.
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
    inputs = {
        key: replace(feature, divide_by=roles.divide_by) for key, feature in columns.inputs.items()
    }
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
    """Return whether the tables of a source have column names."""
    return not isinstance(source, Csv) or source.header


def fitted_column_names(
    source: Csv | Parquet,
    fitted: FittedPreprocessing | None,
    inference_columns: InferenceColumns | None,
) -> ColumnNames | None:
    """Return the columns of the training data; None if unknown, or if the source has no names."""
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
    """The column names of a table."""

    names: Sequence[str]
    table: str
    name_set: frozenset[str]

    @classmethod
    def from_names(cls, names: Sequence[str], table: str) -> _Header:
        """Create a header.

        Raises:
            RunError: if two columns have the same name.
        """
        name, count = Counter(names).most_common(1)[0] if names else ("", 0)
        if count > 1:
            raise RunError(f"{table} has two columns {quote(name)}")
        return cls(names, table, frozenset(names))

    def column(self, key: str | int) -> str:
        """Return the name of a column, given its name or index.

        Raises:
            RunError: if there is no such column.
        """
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
    # The last column is the target by default, as in most published tables.
    target: TargetColumns = len(header.names) - 1 if source.target is None else source.target
    targets = target if isinstance(target, Mapping) else {UNNAMED: target}
    return {key: header.column(each) for key, each in targets.items()}


def _remaining_columns(
    header: _Header, used: Collection[str], fitted_columns: ColumnNames | None, *, inputs_only: bool
) -> tuple[str, ...]:
    """Return the columns of the one input, in the order of the training data if that is known.

    Raises:
        RunError: if there are none, or they are not those of the training data.
    """
    if fitted_columns is None or not fitted_columns.inputs:
        columns = tuple(each for each in header.names if each not in used)
        if not columns:
            raise RunError(f"{header.table} has no columns besides the target")
        return columns
    inputs = tuple(map(header.column, fitted_columns.inputs))
    conflict = next((each for each in inputs if each in used), None)
    if conflict is not None:
        raise RunError(
            f"column {quote(conflict)} of {header.table} was an input in training, and cannot"
            " be a target or weight"
        )
    fitted_names = {*inputs, *fitted_columns.targets.values(), *fitted_columns.weights, *used}
    # An unknown column is more likely a mistake than superfluous; for predictions it does no harm.
    unexpected = next((each for each in header.names if each not in fitted_names), None)
    if unexpected is not None and not inputs_only:
        raise RunError(
            f"{header.table} has a column {quote(unexpected)}, which was neither input nor"
            " target in training"
        )
    return inputs
