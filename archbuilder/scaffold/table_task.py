"""The columns of a table that feed a network, and what it predicts from them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from archbuilder.diagnostics.errors import UsageError, closest_match, quote, quote_list
from archbuilder.scaffold.column_profile import ColumnKind, ColumnProfile
from archbuilder.scaffold.outputs import NetworkOutput

_MAX_NAMES: Final = 5
_TARGET_KINDS: Final = ("number", "category", "labels")
_MIN_SERIES: Final = 60
"""Number of rows from which on a table in the order of time is a series."""


@dataclass(frozen=True, slots=True)
class TableTask:
    """The columns that feed a network, and what it predicts from them."""

    inputs: tuple[ColumnProfile, ...]
    """The columns besides the target, also those that are not used."""
    target: ColumnProfile
    num_rows: int

    def of_kind(self, kind: ColumnKind) -> tuple[ColumnProfile, ...]:
        """Return the inputs of a kind."""
        return tuple(each for each in self.inputs if each.kind == kind)

    @property
    def classes(self) -> int:
        """Number of classes; 0 for a target that is a quantity."""
        if self.target.kind == "category":
            return len(self.target.values)
        return max(self.target.classes, default=-1) + 1

    @property
    def is_series(self) -> bool:
        """Whether rows are measurements in the order of time, of which the target is one."""
        is_ordered = any(each.is_increasing for each in self.of_kind("date"))
        # A window cannot leave out rows that have no target.
        is_quantity = self.target.kind == "number" and not self.target.classes
        is_complete = not self.target.has_missing
        kinds = {each.kind for each in self.inputs}
        return (
            is_ordered
            and is_quantity
            and is_complete
            and self.num_rows >= _MIN_SERIES
            and kinds <= {"number", "date", "unused"}
        )

    @property
    def output(self) -> NetworkOutput:
        """What the network computes."""
        if self.target.kind == "labels":
            return NetworkOutput.for_labels(len(self.target.values))
        if self.classes:
            return NetworkOutput.for_classes(self.classes)
        return NetworkOutput.for_numbers(1, self.target.mean, self.target.std)


def table_task(
    columns: Sequence[ColumnProfile], target_name: str | None, name: str, num_rows: int
) -> TableTask:
    """Choose the target and the inputs among the columns of a table.

    Without a name, the target is the last column that can be one.

    Raises:
        UsageError: if there is no such column, or no column is left for the inputs.
    """
    possible = [each for each in columns if each.kind in _TARGET_KINDS]
    if target_name is not None:
        target = _named_target(columns, target_name, name)
    elif possible:
        target = possible[-1]
    else:
        raise UsageError(
            f"{name} has no column of numbers or categories for a target: {_reasons(columns)}"
        )
    inputs = tuple(each for each in columns if each is not target)
    task = TableTask(inputs, target, num_rows)
    if len(task.of_kind("unused")) == len(inputs) and not task.is_series:
        reasons = f": {_reasons(inputs)}" if inputs else ""
        raise UsageError(f"{name} has no columns for the inputs besides the target{reasons}")
    return task


def _named_target(columns: Sequence[ColumnProfile], target_name: str, name: str) -> ColumnProfile:
    """Return the column that the user chose.

    Raises:
        UsageError: if there is no such column, or it cannot be a target.
    """
    by_name = {each.name: each for each in columns}
    if target_name not in by_name:
        suggestion = closest_match(target_name, by_name)
        hint = f"; did you mean {quote(suggestion)}?" if suggestion else ""
        raise UsageError(
            f"{name} has no column {quote(target_name)}{hint}; it has {quote_list(by_name)}"
        )
    target = by_name[target_name]
    if target.kind in _TARGET_KINDS:
        return target
    reason = target.reason or f"it holds {target.kind}s"
    if target.kind == "text":
        reason += (
            ", which a network with an encoder and a decoder writes: store them in a .tsv file with"
            " the text that they follow from, and create a blueprint with --from transformer"
        )
    raise UsageError(f"column {quote(target_name)} of {name} cannot be a target: {reason}")


def _reasons(columns: Sequence[ColumnProfile]) -> str:
    """Return why columns are not used."""
    reasons = [f"{quote(each.name)} ({each.reason or each.kind})" for each in columns[:_MAX_NAMES]]
    return ", ".join(reasons) + (", ..." if len(columns) > _MAX_NAMES else "")
