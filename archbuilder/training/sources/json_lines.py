"""Numbers in JSON lines: an object a line, whose fields are numbers or nested lists of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from archbuilder.errors import RunError, shown
from archbuilder.recipe.sources import Jsonl
from archbuilder.training.columns import Numbers
from archbuilder.training.examples import Examples, Feature, Known
from archbuilder.training.faults import Faults
from archbuilder.training.opening import Opener
from archbuilder.training.sources.arrays import by_name
from archbuilder.training.sources.gathering import Store
from archbuilder.training.sources.rows import Batch, Words, gather, in_batches
from archbuilder.training.text.reading import parsed_lines

_Row: TypeAlias = Mapping[str, Numbers | str]


def load_jsonl(source: Jsonl, opener: Opener, store: Store, like: Known | None) -> Examples:
    """The fields that the source names; a target may also be a word, which becomes a number.

    Raises:
        RunError: if a line is no object, lacks a field, or has another shape than the first.
    """
    name = shown(source.file.path, 200)
    inputs, targets = by_name(source.inputs), by_name(source.targets)
    weights = by_name(source.weights or {})
    faults = Faults(source.on_error, "lines")
    row = _Fields((*inputs.values(), *weights.values()), tuple(targets.values()), {})

    def rows() -> Iterator[_Row]:
        for file in opener.each(source.file):
            for _, found in parsed_lines(file, opener, faults, row):
                yield found

    def batches() -> Iterator[Batch]:
        for some in in_batches(rows(), _size):
            yield Batch(
                {key: _stacked(some, field) for key, field in inputs.items()},
                {key: _column(some, field) for key, field in targets.items()},
                {key: _stacked(some, field) for key, field in weights.items()},
            )

    called = {key: f"the field {shown(field)}" for key, field in targets.items()}
    found = gather(batches(), called, like, store)
    if not found.inputs:
        faults.remarks(0)
        raise RunError(f"{name} has no examples")
    features = {key: Feature(column, source.scale) for key, column in found.inputs.items()}
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
    shapes: dict[str, tuple[int, ...] | None]
    """Those of the first line; None for a word."""

    def __call__(self, fields: Mapping[str, object], place: str) -> _Row:
        found: dict[str, Numbers | str] = {}
        for key in (*self.numbers, *self.targets):
            if key not in fields:
                has = ", ".join(shown(each) for each in fields) or "none"
                raise RunError(f"{place} has no field {shown(key)}; it has {has}")
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
        return found

    def _array(self, key: str, value: object, at: str) -> Numbers:
        try:
            array = np.array(value)
        except ValueError:
            raise RunError(f"{at} is a list of lists of different lengths") from None
        first = self.shapes.get(key, array.shape)
        if array.dtype.kind not in "bif" or first is None:
            raise RunError(f"{at} holds something else than numbers, or than those before")
        if array.shape != first:
            raise RunError(
                f"{at} has the shape {list(array.shape)}, and the first one has {list(first)}"
            )
        if not np.isfinite(array).all():
            raise RunError(f"{at} is no finite number")
        return array


def _size(row: _Row) -> int:
    return sum(len(each) if isinstance(each, str) else each.nbytes for each in row.values())


def _stacked(rows: list[_Row], field: str) -> Numbers:
    # Whether a number is whole is known of all of them alone, not of the first.
    return np.stack([np.asarray(row[field]) for row in rows]).astype(np.float64)


def _column(rows: list[_Row], field: str) -> Numbers | Words:
    values = [row[field] for row in rows]
    words = [each for each in values if isinstance(each, str)]
    return words if len(words) == len(rows) else _stacked(rows, field)
