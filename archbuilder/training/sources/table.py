"""Tables: which of their columns are inputs, targets and weights."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from archbuilder.errors import RunError, nearest, shown
from archbuilder.recipe.legend import Heading, Legend
from archbuilder.recipe.sources import Csv, Parquet, Targets
from archbuilder.training.examples import ONLY, Examples, Known, Naming
from archbuilder.training.faults import Faults
from archbuilder.training.provenance import Origin, Places
from archbuilder.training.sources.arrays import by_name
from archbuilder.training.sources.gathering import Store
from archbuilder.training.sources.rows import Batch, gather


@dataclass(frozen=True, slots=True)
class Asked:
    """What is wanted of a table that is given to a trained network: its inputs alone."""

    width: int | None = None
    """As many columns are inputs, and none is a target."""
    heading: Heading | None = None
    """The columns that the network was trained on, as far as that is known."""


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
    heading: Heading | None = None
    """What later tables are compared with; None without names."""
    scale: float | None = None
    """What inputs are divided by."""
    head: Sequence[str] = ()
    """The names of all columns of the table."""

    @classmethod
    def of(
        cls,
        source: Csv | Parquet,
        names: Sequence[str],
        table: str,
        *,
        trained: Heading | None = None,
        asked: Asked | None = None,
    ) -> Layout:
        """What a source says of a table whose columns have these names.

        What it does not say is as in the table that was `trained` on, if that is known.

        Raises:
            RunError: if there is no such column.
        """
        head = _Head.of(names, table)
        targets: Mapping[str, str] = {}
        weights: Mapping[str, str] = {}
        # Inputs are told from a target by the names that are known, or else by how many they are.
        alone = asked is not None and (trained is not None or asked.width == len(names))
        if not alone:
            targets = _targets(source, head, trained)
            weights = {
                key: head.column(each) for key, each in by_name(source.weights or {}).items()
            }
        inputs: Mapping[str, tuple[str, ...]]
        single: frozenset[str] = frozenset()
        rest: tuple[str, ...] = ()
        if source.inputs is None:
            used = {*targets.values(), *weights.values()}
            rest = _rest(head, used, trained, alone=alone)
            inputs = {ONLY: rest}
        else:
            given = by_name(source.inputs)
            inputs = {
                key: tuple(map(head.column, (each,) if isinstance(each, str) else each))
                for key, each in given.items()
            }
            single = frozenset(key for key, each in given.items() if isinstance(each, str))
        heading = Heading(rest, targets, tuple(weights.values())) if has_names(source) else None
        if asked is not None:
            targets, weights = {}, {}
        untyped = isinstance(source, Csv)
        scale = None if isinstance(source, Csv) else source.scale
        return cls(inputs, targets, weights, single, untyped, heading, scale, names)

    @property
    def columns(self) -> tuple[str, ...]:
        """All that are used."""
        inputs = (column for each in self.inputs.values() for column in each)
        return tuple(dict.fromkeys((*inputs, *self.targets.values(), *self.weights.values())))

    @property
    def unused(self) -> tuple[str, ...]:
        """The columns of the table that are neither input, target nor weight."""
        used = {*self.columns}
        return tuple(each for each in self.head if each not in used)


def examples_of(
    batches: Iterable[Batch],
    layout: Layout,
    name: str,
    places: Places,
    *,
    faults: Faults,
    like: Known | None,
    store: Store,
) -> Examples:
    """The examples of a table that is read now.

    Raises:
        RunError: if it has none, or they differ in shape.
    """
    called = {key: f"column {shown(column)}" for key, column in layout.targets.items()}
    origins = {
        key: Origin(places.of, tuple(f"column {shown(each)}" for each in columns))
        for key, columns in layout.inputs.items()
    }
    found = gather(batches, called, like, store, origins=origins, untyped=layout.untyped)
    remarks = (*found.remarks, *faults.remarks(found.count, name))
    inputs = {key: replace(feature, scale=layout.scale) for key, feature in found.inputs.items()}
    return Examples(
        name,
        inputs,
        found.targets,
        remarks,
        weights=found.weights,
        known=Known(Legend(layout.heading, found.known.legend.classes)),
        naming=Naming(targets="target", unused=layout.unused),
    )


def has_names(source: Csv | Parquet) -> bool:
    """Whether the columns of its tables have names."""
    return not isinstance(source, Csv) or source.header


def trained_heading(
    source: Csv | Parquet, like: Known | None, asked: Asked | None
) -> Heading | None:
    """The columns that were trained on, where those of a source can be compared with them."""
    known = asked.heading if asked else like.legend.heading if like else None
    return known if has_names(source) else None


@dataclass(frozen=True, slots=True)
class _Head:
    """The names of the columns of a table."""

    names: Sequence[str]
    table: str
    known: frozenset[str]

    @classmethod
    def of(cls, names: Sequence[str], table: str) -> _Head:
        """The names, of which no two are the same."""
        name, times = Counter(names).most_common(1)[0] if names else ("", 0)
        if times > 1:
            raise RunError(f"{table} has two columns {shown(name)}")
        return cls(names, table, frozenset(names))

    def column(self, wanted: str | int) -> str:
        """The name of a column by its name or number."""
        if isinstance(wanted, int) and 0 <= wanted < len(self.names):
            return self.names[wanted]
        if isinstance(wanted, str) and wanted in self.known:
            return wanted
        near = nearest(wanted, self.names) if isinstance(wanted, str) else None
        hint = f"; did you mean {shown(near)}?" if near else ""
        raise RunError(f"{self.table} has no column {shown(wanted)}{hint}")


def _targets(source: Csv | Parquet, head: _Head, trained: Heading | None) -> Mapping[str, str]:
    if source.target is None and trained is not None:
        return {key: head.column(each) for key, each in trained.targets.items()}
    last: Targets = len(head.names) - 1 if source.target is None else source.target
    named = last if isinstance(last, Mapping) else {ONLY: last}
    return {key: head.column(each) for key, each in named.items()}


def _rest(
    head: _Head, used: Collection[str], trained: Heading | None, *, alone: bool
) -> tuple[str, ...]:
    """The columns that are one input side by side, in the order that was trained on."""
    if trained is None or not trained.inputs:
        found = tuple(each for each in head.names if each not in used)
        if not found:
            raise RunError(f"{head.table} has no column beside the target")
        return found
    inputs = tuple(map(head.column, trained.inputs))
    both = next((each for each in inputs if each in used), None)
    if both is not None:
        raise RunError(
            f"column {shown(both)} of {head.table} was an input in training, and can be no target"
            " or weight"
        )
    known = {*inputs, *trained.targets.values(), *trained.weights, *used}
    other = next((each for each in head.names if each not in known), None)
    if other is not None and not alone:
        raise RunError(
            f"{head.table} has a column {shown(other)}, which is neither input nor target in what"
            " was trained on"
        )
    return inputs
