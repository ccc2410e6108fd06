"""Examples that are read some at a time: what a batch of them has, and columns of all batches."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, TypeAlias, TypeVar, cast

import numpy as np

from archbuilder.errors import RunError
from archbuilder.recipe.legend import Legend
from archbuilder.training.columns import Column, Numbers
from archbuilder.training.examples import Known
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
class Batch:
    """Some examples: the values of inputs and targets, and what they count, by their names."""

    inputs: Mapping[str, Numbers]
    targets: Mapping[str, Numbers | Words]
    weights: Mapping[str, Numbers] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, eq=False)
class Gathered:
    """The columns of all batches."""

    inputs: Mapping[str, Column]
    targets: Mapping[str, Column]
    weights: Mapping[str, Column]
    known: Known
    """What the numbers of those targets mean that were words."""
    remarks: tuple[str, ...]


def gather(
    batches: Iterable[Batch],
    called: Mapping[str, str],
    like: Known | None,
    store: Store,
    *,
    untyped: bool = False,
) -> Gathered:
    """Columns of everything in the batches; targets are `called` so in messages.

    Of `untyped` data nobody knows whether a word is meant as a number, so those that can be are.

    Raises:
        RunError: if examples differ in shape, or words are none of the classes that are known.
    """
    inputs: dict[str, Gathering] = {}
    targets: dict[str, Gathering | Labels] = {}
    weights: dict[str, Gathering] = {}
    for batch in batches:
        for name, numbers in batch.inputs.items():
            inputs.setdefault(name, store.column("the input")).add(numbers)
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
            columns[name] = as_numbers(target)
        else:
            columns[name], classes[name], said = target.column()
            remarks += said
    return Gathered(
        {name: as_numbers(each) for name, each in inputs.items()},
        columns,
        {name: as_numbers(each) for name, each in weights.items()},
        Known(Legend(classes=classes)),
        tuple(remarks),
    )


def as_numbers(gathering: Gathering) -> Column:
    """The column; doubles become whole numbers where all of them are, and else single floats."""
    kind = gathering.dtype
    if kind == np.float64:
        kind = np.dtype(np.int64 if gathering.whole else np.float32)
    return gathering.column(lambda values: values.astype(kind, copy=False), kind)


def _add(target: Gathering | Labels, found: Numbers | Words, called: str) -> None:
    if isinstance(target, Gathering) != isinstance(found, np.ndarray):
        raise RunError(f"{called} holds words and numbers")
    if isinstance(target, Gathering):
        target.add(cast(Numbers, found))
    else:
        target.add(cast(Words, found))
