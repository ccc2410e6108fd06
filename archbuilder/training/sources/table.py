"""Tables: which of their columns are inputs, targets and weights."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from archbuilder.errors import RunError, nearest, shown
from archbuilder.recipe.spec import Csv, Parquet, Targets
from archbuilder.training.examples import ONLY, Examples, Feature
from archbuilder.training.faults import Faults
from archbuilder.training.sources.arrays import by_name
from archbuilder.training.sources.gathering import Store
from archbuilder.training.sources.rows import Batch, gather


@dataclass(frozen=True, slots=True)
class Layout:
    """The columns of a table by what they are for."""

    inputs: Mapping[str, tuple[str, ...]]
    """Several of them are one input side by side."""
    targets: Mapping[str, str]
    weights: Mapping[str, str]
    alone: frozenset[str] = frozenset()
    """Inputs that are a column by itself, with no axis for columns."""
    untyped: bool = False
    """Whether words and numbers look alike."""

    @classmethod
    def of(cls, source: Csv | Parquet, head: Sequence[str], name: str, *, only: bool) -> Layout:
        """What a source says of a table whose columns have these names; `only` inputs, or all.

        Raises:
            RunError: if there is no such column.
        """
        twice = [each for each in head if head.count(each) > 1]
        if twice:
            raise RunError(f"{name} has two columns {shown(twice[0])}")
        untyped = isinstance(source, Csv)
        targets: Mapping[str, str] = {}
        weights: Mapping[str, str] = {}
        if not only:
            last: Targets = len(head) - 1 if source.target is None else source.target
            named = last if isinstance(last, Mapping) else {ONLY: last}
            targets = {key: _column(each, head, name) for key, each in named.items()}
            weights = {
                key: _column(each, head, name)
                for key, each in by_name(source.weights or {}).items()
            }
        if source.inputs is None:
            used = {*targets.values(), *weights.values()}
            rest = tuple(each for each in head if each not in used)
            if not rest:
                raise RunError(f"{name} has no column beside the target")
            return cls({ONLY: rest}, targets, weights, untyped=untyped)
        given = by_name(source.inputs)
        inputs = {
            key: tuple(
                _column(column, head, name)
                for column in ((each,) if isinstance(each, str) else each)
            )
            for key, each in given.items()
        }
        alone = frozenset(key for key, each in given.items() if isinstance(each, str))
        return cls(inputs, targets, weights, alone, untyped)

    @property
    def columns(self) -> tuple[str, ...]:
        """All that are used."""
        inputs = (column for each in self.inputs.values() for column in each)
        return tuple(dict.fromkeys((*inputs, *self.targets.values(), *self.weights.values())))


def examples_of(
    batches: Iterable[Batch],
    layout: Layout,
    name: str,
    *,
    faults: Faults,
    like: Examples | None,
    store: Store,
    scale: float | None = None,
) -> Examples:
    """The examples of a table that is read now.

    Raises:
        RunError: if it has none, or they differ in shape.
    """
    called = {key: f"column {shown(column)}" for key, column in layout.targets.items()}
    found = gather(batches, called, like, store, untyped=layout.untyped)
    if not found.inputs:
        faults.remarks(0)
        raise RunError(f"{name} has no examples")
    inputs = {key: Feature(column, scale) for key, column in found.inputs.items()}
    remarks = (*found.remarks, *faults.remarks(next(iter(found.inputs.values())).count))
    return Examples(
        name, inputs, found.targets, remarks, classes=found.classes, weights=found.weights
    )


def _column(wanted: str | int, head: Sequence[str], name: str) -> str:
    if isinstance(wanted, int) and 0 <= wanted < len(head):
        return head[wanted]
    if isinstance(wanted, str) and wanted in head:
        return wanted
    near = nearest(wanted, head) if isinstance(wanted, str) else None
    hint = f"; did you mean {shown(near)}?" if near else ""
    raise RunError(f"{name} has no column {shown(wanted)}{hint}")
