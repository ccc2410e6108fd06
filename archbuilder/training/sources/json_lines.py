"""Numbers in JSON lines: an object a line, whose fields are numbers or nested lists of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from archbuilder.errors import RunError, listed, shown
from archbuilder.recipe.sources import Jsonl
from archbuilder.training.columns import Numbers
from archbuilder.training.dtypes import EXACT, Mask
from archbuilder.training.examples import Examples, Known, Naming
from archbuilder.training.faults import Faults
from archbuilder.training.opening import Opener
from archbuilder.training.provenance import Places
from archbuilder.training.sources.gathering import Store
from archbuilder.training.sources.rows import Fields, Row, gather_rows
from archbuilder.training.text.reading import parsed_lines


def load_jsonl(source: Jsonl, opener: Opener, store: Store, like: Known | None) -> Examples:
    """The fields that the source names; a target may also be a word, which becomes a number.

    Raises:
        RunError: if a line is no object, lacks a field, or has another shape than the first.
    """
    name = shown(source.file.path, 200)
    faults = Faults(source.on_error, "lines")
    fields = Fields.of(source, "field")
    take = _Take(fields)
    places = Places("line")

    def rows() -> Iterator[Row]:
        for file in opener.each(source.file):
            for number, row in parsed_lines(file, opener, faults, take):
                places.add(shown(file.path, 200), [number])
                yield row

    found = gather_rows(rows(), fields, places.of, like, store)
    remarks = (*found.remarks, *faults.remarks(found.count, name))
    features = {
        key: replace(feature, scale=source.scale, integers=take.integers[fields.inputs[key]])
        for key, feature in found.inputs.items()
    }
    return Examples(
        name,
        features,
        found.targets,
        remarks,
        weights=found.weights,
        known=found.known,
        naming=Naming(),
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Take:
    """Takes the fields of a line that are wanted, if they are as those of the first line were."""

    fields: Fields
    shapes: dict[str, tuple[int, ...] | None] = field(default_factory=dict)
    """Those of the first line; None for a word."""
    integers: dict[str, Mask] = field(default_factory=dict)
    """At which positions all values of a field were integers."""

    def __call__(self, line: Mapping[str, object], place: str) -> Row:
        """Return the row of a line. A line with a fault changes nothing of what is known."""
        values: dict[str, Numbers | str] = {}
        integers: dict[str, Mask] = {}
        targets = tuple(self.fields.targets.values())
        for key in (*self.fields.inputs.values(), *self.fields.weights.values(), *targets):
            if key not in line:
                raise RunError(f"{place} has no field {shown(key)}; it has {listed(line)}")
            value = line[key]
            if isinstance(value, str) and key in targets and self.shapes.get(key) is None:
                values[key] = value
                continue
            at = f"{self.fields.title(key)} of {place}"
            values[key] = array = self._array(key, value, at)
            integers[key] = self._integers(key, value, array, at)
        self.shapes.update(
            (key, None if isinstance(each, str) else each.shape) for key, each in values.items()
        )
        self.integers.update(integers)
        return Row(place, values)

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
        return array

    def _integers(self, key: str, value: object, array: Numbers, at: str) -> Mask:
        """Return at which positions all values up to this one were integers."""
        before = self.integers.get(key, np.ones(array.shape, bool))
        if array.dtype.kind != "f" or (not before.any() and (abs(array) < EXACT).all()):
            return before
        numbers = list(_flat(value))
        for number, rounded in zip(numbers, array.reshape(-1).tolist(), strict=True):
            if isinstance(number, int) and int(rounded) != number:
                raise RunError(
                    f"{at} has {number} beside numbers that are no 64-bit integers like it: no"
                    " dtype represents both"
                )
        integers = np.array([isinstance(each, int) for each in numbers], bool)
        return before & integers.reshape(array.shape)


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
