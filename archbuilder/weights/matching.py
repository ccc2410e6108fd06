"""Pairs the weights of a model with those of a file, and says what does not fit."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from archbuilder.errors import shown
from archbuilder.tables import plural
from archbuilder.weights.dtypes import is_convertible, is_rounded
from archbuilder.weights.stored import Held, Place, Sizes, Stored

Way: TypeAlias = Literal["path", "order"]
WAYS: Final[tuple[Way, ...]] = ("path", "order")
_MOST_LINES: Final = 20
HOW_TO_LIST_ALL: Final = (
    "'archbuilder compile BLUEPRINT --weights FILE --dry-run' lists all of them"
)


@dataclass(frozen=True, slots=True)
class Match:
    """How a model and a file fit.

    `pairs` have equal shapes and types that can be converted, `unfit` have not; `missing` are
    weights of the model that the file has not, `left` weights of the file that the model has not.
    """

    way: Way
    pairs: tuple[tuple[Held, Stored], ...]
    unfit: tuple[tuple[Held, Stored], ...]
    missing: tuple[Held, ...]
    left: tuple[Stored, ...]

    @property
    def complete(self) -> bool:
        """Whether every weight of the model and of the file has its partner."""
        return not (self.unfit or self.missing or self.left)

    @property
    def size(self) -> int:
        """How many weights the model has."""
        return len(self.pairs) + len(self.unfit) + len(self.missing)

    @property
    def rounded(self) -> str:
        """Which weights lose digits, in a sentence; empty where none does."""
        pairs = [
            (stored.dtype, mine.dtype)
            for mine, stored in self.pairs
            if is_rounded(stored.dtype, mine.dtype)
        ]
        if not pairs:
            return ""
        there, here = pairs[0]
        return f"{plural(len(pairs), 'weight')} rounded, such as from {there} to {here}"

    def problems(self, *, every: bool = False) -> str:
        """List what does not fit, weight by weight: the first weights, or `every` one."""
        lines = list(self._lines())
        hidden = 0 if every else len(lines) - _MOST_LINES
        if hidden > 0:
            lines = [*lines[:_MOST_LINES], f"and {hidden:,} more; {HOW_TO_LIST_ALL}"]
        return "\n".join(f"  {line}" for line in lines)

    def _lines(self) -> Iterator[str]:
        for mine, stored in self.unfit:
            here, there = _sizes(mine.shape), _sizes(stored.shape)
            if mine.shape == stored.shape:
                here, there = mine.dtype, _plain_type(stored.dtype)
            yield (
                f"{mine.name} is {here} in the model and {there} in the file, as"
                f" {shown(stored.path)}"
            )
        for mine in self.missing:
            yield f"{mine.name} ({_sizes(mine.shape)}) is not in the file"
        for stored in self.left:
            yield f"{shown(stored.path)} ({_sizes(stored.shape)}) is not in the model"


def match(held: Sequence[Held], stored: Sequence[Stored], way: Way | None) -> Match:
    """Pair weights by path or by order; without a way, by the one that fits more weights.

    Where a file has no order, `place_without_order` lets order pair no more than path does.
    """
    if way is not None:
        return _pair(held, stored, way)
    return max((_pair(held, stored, each) for each in WAYS), key=lambda found: len(found.pairs))


def _pair(held: Sequence[Held], stored: Sequence[Stored], way: Way) -> Match:
    key = _KEYS[way]
    there = {key(each): each for each in stored}
    out_of_step = _out_of_step(held, stored) if way == "order" else {}
    pairs, unfit, missing = [], [], []
    for mine in held:
        if mine.place.sequence in out_of_step and mine.place > out_of_step[mine.place.sequence]:
            missing.append(mine)
            continue
        found = there.pop(key(mine), None)
        if found is None:
            missing.append(mine)
        elif found.shape != mine.shape or not is_convertible(found.dtype, mine.dtype):
            unfit.append((mine, found))
        else:
            pairs.append((mine, found))
    return Match(way, tuple(pairs), tuple(unfit), tuple(missing), tuple(there.values()))


def _out_of_step(held: Sequence[Held], stored: Sequence[Stored]) -> dict[str, Place]:
    """The place in each sequence behind which order means nothing.

    Where two sequences are of one length, a shape that differs is a changed layer, such as another
    head. Where they are not, something stands in one and not in the other, and behind the first
    shape that differs any two that are equal are so by chance.
    """
    lengths = Counter(each.place.sequence for each in held)
    lengths.subtract(Counter(each.place.sequence for each in stored))
    shapes = {each.place: each.shape for each in stored}
    ends: dict[str, Place] = {}
    for mine in held:
        sequence = mine.place.sequence
        if lengths[sequence] and sequence not in ends and shapes.get(mine.place) != mine.shape:
            ends[sequence] = mine.place
    return ends


_KEYS: Final[Mapping[Way, Callable[[Held | Stored], Hashable]]] = {
    "path": lambda weight: weight.path,
    "order": lambda weight: weight.place,
}


def _sizes(shape: Sizes) -> str:
    return "x".join(map(str, shape)) or "a number"


def _plain_type(dtype: str) -> str:
    """A type of a file, which may be one that no library knows."""
    return dtype if dtype.replace("_", "").replace(" ", "").isalnum() else shown(dtype)
