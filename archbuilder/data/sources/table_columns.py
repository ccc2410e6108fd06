"""The columns of a table by role, found by name or by position in its header."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from archbuilder.config.data_schema import ColumnNames
from archbuilder.config.sources import FeatureConfig, InputColumns, TableSource, TargetColumns
from archbuilder.config.sources.feature_parser import resolve_targets
from archbuilder.config.sources.features import features_of
from archbuilder.data.sources.load_context import LoadContext
from archbuilder.data.sources.npy_header import as_mapping
from archbuilder.diagnostics.errors import RunError, did_you_mean, quote, quote_list


@dataclass(frozen=True, slots=True)
class TableColumns:
    """The columns of a table by role."""

    inputs: Mapping[str, tuple[str, ...]]
    remaining: tuple[str, ...]
    """Those of the inputs that have all columns without another role."""
    targets: Mapping[str, tuple[str, ...]]
    target_configs: Mapping[str, FeatureConfig]
    """Those of the targets that are features."""
    weights: Mapping[str, str]
    keys: Mapping[str, str]

    @classmethod
    def from_source(
        cls,
        source: TableSource,
        columns_by_input: Mapping[str, InputColumns],
        names: Sequence[str],
        table: str,
        context: LoadContext,
    ) -> TableColumns:
        """Assign the columns `names` of a table to roles.

        Raises:
            RunError: if a column does not exist, or two have the same name.
        """
        header = _Header.from_names(names, table)
        fitted = context.fitted.schema.column_names if context.fitted and source.header else None
        # A table for prediction may or may not have a target. Known names show which columns are
        # the inputs; without names, the number of columns does.
        lacks_targets = context.inputs_only and (
            fitted is not None or context.num_values == len(names)
        )
        keys = {key_name(each): header.column(each) for each in context.key_columns}
        target_columns: Mapping[str, str | int | FeatureConfig] = {}
        weights: Mapping[str, str] = {}
        if not lacks_targets:
            # The last column is the target by default, as in most published tables.
            default_targets = [each for each in names if each not in keys.values()]
            target: TargetColumns = fitted.targets if fitted else default_targets[-1]
            target_columns = resolve_targets(
                as_mapping(target if source.target is None else source.target), columns_by_input
            )
            weight_columns = as_mapping(source.sample_weight or {})
            weights = {key: header.column(each) for key, each in weight_columns.items()}
        targets = {key: header.columns(each) for key, each in target_columns.items()}
        inputs = {key: header.columns(each) for key, each in columns_by_input.items()}
        # An input, or a feature without a column, may have all columns without another role.
        remaining: tuple[str, ...] = ()
        for key in [key for key, columns in inputs.items() if not columns]:
            named = (each for columns in (*inputs.values(), *targets.values()) for each in columns)
            used = {*weights.values(), *keys.values(), *named}
            inputs[key] = header.remaining(used, fitted, allow_unknown=lacks_targets)
            remaining = inputs[key]
        return cls(inputs, remaining, targets, features_of(target_columns), weights, keys)

    def names(self) -> ColumnNames:
        """Return the names that later tables must have."""
        return ColumnNames(
            self.remaining,
            {name: columns[0] for name, columns in self.targets.items()},
            tuple(self.weights.values()),
            tuple(self.keys.values()),
        )


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
        hint = f"it has {quote_list(self.names)}"
        if isinstance(key, str):
            hint = did_you_mean(key, self.names, hint)
        raise RunError(f"{self.table} has no column {quote(key)}; {hint}")

    def columns(self, columns: InputColumns | int) -> tuple[str, ...]:
        """Return the names of columns; empty for all that have no other role.

        Raises:
            RunError: if one does not exist.
        """
        if isinstance(columns, int):
            return (self.column(columns),)
        return tuple(map(self.column, columns_of(columns)))

    def remaining(
        self, used: Collection[str], fitted: ColumnNames | None, *, allow_unknown: bool
    ) -> tuple[str, ...]:
        """Return the columns of the one input, in the order of the training data if it is known.

        Raises:
            RunError: if there are none, or they are not those of the training data.
        """
        if fitted is None or not fitted.inputs:
            columns = tuple(each for each in self.names if each not in used)
            if not columns:
                raise RunError(f"{self.table} has no columns besides the target")
            return columns
        inputs = tuple(map(self.column, fitted.inputs))
        conflict = next((each for each in inputs if each in used), None)
        if conflict is not None:
            raise RunError(
                f"column {quote(conflict)} of {self.table} was an input in training, and cannot"
                " be a target or weight"
            )
        fitted_names = {
            *inputs, *fitted.targets.values(), *fitted.weights, *fitted.keys, *used
        }  # fmt: skip
        # An unknown column is more likely a mistake than superfluous; for predictions it does no
        # harm.
        unexpected = next((each for each in self.names if each not in fitted_names), None)
        if unexpected is not None and not allow_unknown:
            raise RunError(
                f"{self.table} has a column {quote(unexpected)}, which was neither input nor"
                " target in training"
            )
        return inputs


def columns_of(columns: InputColumns) -> tuple[str, ...]:
    """Return the names of columns; empty for all that have no other role."""
    if isinstance(columns, FeatureConfig):
        columns = columns.column or columns.columns or ()
    return (columns,) if isinstance(columns, str) else columns


def key_name(column: str) -> str:
    """Return the name of the input that is a column of keys."""
    return f"key {column}"
