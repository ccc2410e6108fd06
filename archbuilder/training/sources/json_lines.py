"""Numbers in JSON lines: an object a line, whose fields are numbers or nested lists of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np

from archbuilder.errors import RunError, listed, shown
from archbuilder.recipe.sources import Jsonl
from archbuilder.training.columns import Numbers
from archbuilder.training.dtypes import Mask
from archbuilder.training.examples import Examples, Known
from archbuilder.training.faults import Faults
from archbuilder.training.opening import Opener
from archbuilder.training.provenance import Origin, Places
from archbuilder.training.sources.arrays import by_name
from archbuilder.training.sources.gathering import Store
from archbuilder.training.sources.rows import (
    Batch,
    Row,
    bytes_of,
    gather,
    in_batches,
    stacked,
    words_or_stacked,
)
from archbuilder.training.text.reading import parsed_lines

_EXACT: Final = 2**53
"""From here on, not every integer is a float64."""


def load_jsonl(source: Jsonl, opener: Opener, store: Store, like: Known | None) -> Examples:
    """The fields that the source names; a target may also be a word, which becomes a number.

    Raises:
        RunError: if a line is no object, lacks a field, or has another shape than the first.
    """
    name = shown(source.file.path, 200)
    inputs, targets = by_name(source.inputs), by_name(source.targets)
    weights = by_name(source.weights or {})
    faults = Faults(source.on_error, "lines")
    fields = _Fields((*inputs.values(), *weights.values()), tuple(targets.values()))
    places = Places("line")

    def rows() -> Iterator[Row]:
        for file in opener.each(source.file):
            for number, row in parsed_lines(file, opener, faults, fields):
                places.add(shown(file.path, 200), [number])
                yield row

    def batches() -> Iterator[Batch]:
        for some in in_batches(rows(), bytes_of):
            yield Batch(
                {key: stacked(some, field) for key, field in inputs.items()},
                {key: words_or_stacked(some, field) for key, field in targets.items()},
                {key: stacked(some, field) for key, field in weights.items()},
            )

    called = {key: f"the field {shown(field)}" for key, field in targets.items()}
    origins = {
        key: Origin(places.of, (f"the field {shown(field)}",)) for key, field in inputs.items()
    }
    found = gather(batches(), called, like, store, origins=origins)
    if not found.inputs:
        faults.remarks(0)
        raise RunError(f"{name} has no examples")
    features = {
        key: replace(feature, scale=source.scale, integers=fields.integers[inputs[key]])
        for key, feature in found.inputs.items()
    }
    remarks = (*found.remarks, *faults.remarks(next(iter(features.values())).column.count))
    return Examples(
        name,
        features,
        found.targets,
        remarks,
        weights=found.weights,
        known=found.known,
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Fields:
    """Takes the fields of a line that are wanted, if they are as those of the first line were."""

    numbers: tuple[str, ...]
    targets: tuple[str, ...]
    shapes: dict[str, tuple[int, ...] | None] = field(default_factory=dict)
    """Those of the first line; None for a word."""
    integers: dict[str, Mask] = field(default_factory=dict)
    """At which positions all values of a field were integers."""

    def __call__(self, fields: Mapping[str, object], place: str) -> Row:
        found: dict[str, Numbers | str] = {}
        for key in (*self.numbers, *self.targets):
            if key not in fields:
                raise RunError(f"{place} has no field {shown(key)}; it has {listed(fields)}")
            value, at = fields[key], f"the field {shown(key)} of {place}"
            if (
                isinstance(value, str)
                and key in self.targets
                and self.shapes.get(key, None) is None
            ):
                found[key] = value
            else:
                found[key] = self._array(key, value, at)
        self.shapes.update(
            (key, None if isinstance(each, str) else each.shape) for key, each in found.items()
        )
        return Row(place, found)

    def _array(self, key: str, value: object, at: str) -> Numbers:
        try:
            array = _exact_array(value)
        except ValueError:
            raise RunError(f"{at} is a list of lists of different lengths") from None
        first = self.shapes.get(key, array.shape)
        if array.dtype == object and all(isinstance(each, int) for each in _flat(value)):
            raise RunError(f"{at} has an integer of more than 64 bits")
        if array.dtype.kind not in "biuf" or first is None:
            raise RunError(f"{at} holds something else than numbers, or than those before")
        if array.shape != first:
            raise RunError(
                f"{at} has the shape {list(array.shape)}, and the first one has {list(first)}"
            )
        if not np.isfinite(array).all():
            raise RunError(f"{at} is no finite number")
        self._note_integers(key, value, array, at)
        return array

    def _note_integers(self, key: str, value: object, array: Numbers, at: str) -> None:
        known = self.integers.get(key)
        self.integers.setdefault(key, np.ones(array.shape, bool))
        none_left = known is not None and not known.any()
        if array.dtype.kind != "f" or (none_left and (abs(array) < _EXACT).all()):
            return
        numbers = list(_flat(value))
        integers = np.array([isinstance(each, int) for each in numbers]).reshape(array.shape)
        self.integers[key] = integers if known is None else known & integers
        for number, rounded in zip(numbers, array.reshape(-1).tolist(), strict=True):
            if isinstance(number, int) and int(rounded) != number:
                raise RunError(
                    f"{at} has {number} beside numbers that are no 64-bit integers like it: no"
                    " dtype represents both"
                )


def _exact_array(value: object) -> Numbers:
    """Return an array of numbers; numpy takes float64 for integers on both sides of 2**63."""
    array = np.array(value)
    if array.dtype != np.float64:
        return array
    if all(isinstance(each, int) and each >= 0 for each in _flat(value)):
        return np.array(value, np.uint64)
    return array


def _flat(value: object) -> Iterator[object]:
    """Yield the items of nested lists."""
    if isinstance(value, list):
        for item in value:
            yield from _flat(item)
    else:
        yield value
