"""Examples that are read some at a time: what a batch of them has, and columns of all batches."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, TypeAlias, TypeVar, cast

import numpy as np

from archbuilder.errors import RunError, shown
from archbuilder.recipe.legend import Legend
from archbuilder.recipe.sources import Jsonl, Tfrecord
from archbuilder.training.columns import Column, Numbers
from archbuilder.training.dtypes import common_dtype, unrepresentable
from archbuilder.training.examples import Feature, Known
from archbuilder.training.provenance import Origin
from archbuilder.training.sources.arrays import by_name
from archbuilder.training.sources.gathering import Gathering, Store
from archbuilder.training.sources.words import Labels

Words: TypeAlias = Sequence[str]
BATCH: Final = 1024
"""Examples that are read at once, at the most."""
BATCH_BYTES: Final = 2**25
"""What they may take of the memory, but for one that takes more alone."""
_T = TypeVar("_T")


def in_batches(rows: Iterable[_T], size: Callable[[_T], int]) -> Iterator[list[_T]]:
    """Some rows at a time, which have a size in bytes."""
    some: list[_T] = []
    taken = 0
    for row in rows:
        some.append(row)
        taken += size(row)
        if len(some) == BATCH or taken >= BATCH_BYTES:
            yield some
            some, taken = [], 0
    if some:
        yield some


@dataclass(frozen=True, slots=True, eq=False)
class Row:
    """One example: arrays and words by the names that its file has for them."""

    place: str
    values: Mapping[str, Numbers | str]


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """Some examples: the values of inputs and targets, and what they count, by their names.

    An input may be several columns that stand side by side.
    """

    inputs: Mapping[str, Numbers | Sequence[Numbers]]
    targets: Mapping[str, Numbers | Words]
    weights: Mapping[str, Numbers] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, eq=False)
class Gathered:
    """The columns of all batches."""

    inputs: Mapping[str, Feature]
    targets: Mapping[str, Column]
    weights: Mapping[str, Column]
    known: Known
    """What the numbers of those targets mean that were words."""
    remarks: tuple[str, ...]

    @property
    def count(self) -> int:
        """The number of examples, if there are inputs."""
        return next((each.column.count for each in self.inputs.values()), 0)


def gather(
    batches: Iterable[Batch],
    called: Mapping[str, str],
    like: Known | None,
    store: Store,
    *,
    origins: Mapping[str, Origin] | None = None,
    untyped: bool = False,
) -> Gathered:
    """Columns of everything in the batches; targets are `called` so in messages.

    `origins` tells where the values of inputs stand. Of `untyped` data nobody knows whether a word
    is meant as a number, so those that can be are.

    Raises:
        RunError: if examples differ in shape, or words are none of the classes that are known.
    """
    inputs: dict[str, Gathering] = {}
    targets: dict[str, Gathering | Labels] = {}
    weights: dict[str, Gathering] = {}
    for batch in batches:
        for name, numbers in batch.inputs.items():
            if name not in inputs:
                inputs[name] = store.column("the input", (origins or {}).get(name))
            if isinstance(numbers, np.ndarray):
                inputs[name].add(numbers)
            else:
                inputs[name].add_side_by_side(numbers)
        for name, numbers in batch.weights.items():
            weights.setdefault(name, store.column("the weights")).add(numbers)
        for name, found in batch.targets.items():
            if name not in targets:
                given = like.legend.classes.get(name, ()) if like else ()
                targets[name] = (
                    store.column(called[name])
                    if isinstance(found, np.ndarray)
                    else Labels(called[name], given, store, untyped=untyped)
                )
            _add(targets[name], found, called[name])
    columns: dict[str, Column] = {}
    classes: dict[str, tuple[str, ...]] = {}
    remarks: list[str] = []
    for name, target in targets.items():
        if isinstance(target, Gathering):
            columns[name] = _labels_or_numbers(target)
        else:
            columns[name], classes[name], said = target.column()
            remarks += said
    return Gathered(
        {
            name: Feature(each.column(), origin=each.origin, integers=each.integers)
            for name, each in inputs.items()
        },
        columns,
        {name: each.column() for name, each in weights.items()},
        Known(Legend(classes=classes)),
        tuple(remarks),
    )


def _labels_or_numbers(gathering: Gathering) -> Column:
    """Return the column of a target; whole doubles become integers, which may be classes."""
    if gathering.dtype != np.float64 or not gathering.whole:
        return gathering.column()
    whole = np.dtype(np.int64)
    return gathering.column(lambda values: values.astype(whole), whole)


@dataclass(frozen=True, slots=True)
class Fields:
    """The fields of rows that are inputs, targets and weights, by the names of those."""

    inputs: Mapping[str, str]
    targets: Mapping[str, str]
    weights: Mapping[str, str]
    noun: str
    """What the format calls a field."""

    @classmethod
    def of(cls, source: Jsonl | Tfrecord, noun: str) -> Fields:
        """Return the fields that a source names."""
        targets, weights = by_name(source.targets), by_name(source.weights or {})
        return cls(by_name(source.inputs), targets, weights, noun)

    def title(self, field: str) -> str:
        """Return what messages call a field."""
        return f"the {self.noun} {shown(field)}"

    def batch(self, rows: Sequence[Row]) -> Batch:
        """Return the values of some rows; inputs that they do not have are left out.

        Raises:
            RunError: if no dtype represents all values of a field.
        """
        return Batch(
            {
                key: self._stacked(rows, field)
                for key, field in self.inputs.items()
                if field in rows[0].values
            },
            {key: self._words_or_stacked(rows, field) for key, field in self.targets.items()},
            {key: self._stacked(rows, field) for key, field in self.weights.items()},
        )

    def _stacked(self, rows: Sequence[Row], field: str) -> Numbers:
        """Return one array of the values of a field, which are arrays of one shape."""
        arrays = [np.asarray(row.values[field]) for row in rows]
        dtype = common_dtype({each.dtype for each in arrays})
        for row, values in zip(rows, arrays, strict=True):
            if values.dtype != dtype and (wrong := unrepresentable(values, dtype)).any():
                raise RunError(
                    f"{self.title(field)} of {row.place} has {values[wrong][0]}, where others have"
                    " numbers that are not 64-bit integers like it: no dtype represents all of them"
                )
        return np.stack([each.astype(dtype, copy=False) for each in arrays])

    def _words_or_stacked(self, rows: Sequence[Row], field: str) -> Numbers | Words:
        """Return the values of a target: words where all of them are, and else an array."""
        words = [each for row in rows if isinstance(each := row.values[field], str)]
        return words if len(words) == len(rows) else self._stacked(rows, field)


def gather_rows(
    rows: Iterable[Row],
    fields: Fields,
    place: Callable[[int], str],
    like: Known | None,
    store: Store,
) -> Gathered:
    """Return the columns of all rows; `place` names the place of a row by its number from 0.

    Raises:
        RunError: as `gather` does, or if no dtype represents all values of a field.
    """
    return gather(
        map(fields.batch, in_batches(rows, _bytes_of)),
        {key: fields.title(field) for key, field in fields.targets.items()},
        like,
        store,
        origins={
            key: Origin(place, (fields.title(field),)) for key, field in fields.inputs.items()
        },
    )


def _bytes_of(row: Row) -> int:
    """Return the size of a row in memory."""
    return sum(len(each) if isinstance(each, str) else each.nbytes for each in row.values.values())


def _add(target: Gathering | Labels, found: Numbers | Words, called: str) -> None:
    if isinstance(target, Gathering) != isinstance(found, np.ndarray):
        raise RunError(f"{called} holds words and numbers")
    if isinstance(target, Gathering):
        target.add(cast(Numbers, found))
    else:
        target.add(cast(Words, found))
