"""Predictions as lines of text: a table, or JSON."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Iterable, Iterator, Sequence
from typing import Final, Literal, TypeAlias

import numpy as np

from archbuilder.using.predicting import Said, Values

Form: TypeAlias = Literal["csv", "jsonl"]
_OWN: Final = ("key", "class", "probability")
"""Columns beside those of the classes."""
_TOLERANCE: Final = 1e-3
"""How far the sum of probabilities may be from 1."""


def lines_of(predictions: Iterable[Said], form: Form) -> Iterator[str]:
    """A line for each example; a table begins with one of names.

    Where an output is a vector of classes, the likeliest stands in front, with its probability if
    the values are probabilities. Several outputs have their names in front of everything.
    """
    first = True
    for said in predictions:
        if form == "jsonl":
            yield json.dumps({"key": said.key, **_nested(said)})
            continue
        row = {"key": said.key, **_flat(said)}
        if first:
            yield _line(list(row))
        yield _line([str(value) for value in row.values()])
        first = False


def _flat(said: Said) -> dict[str, float | str]:
    row: dict[str, float | str] = {}
    for name, values in said.outputs.items():
        front = f"{name}." if len(said.outputs) > 1 else ""
        names = said.classes.get(name)
        if names is not None:
            likeliest, probability = _likeliest(values, names)
            # Every line of a table has the same columns.
            cell = "" if probability is None else probability
            row |= {f"{front}class": likeliest, f"{front}probability": cell}
        columns = _columns(names or (), values.size)
        numbers = map(float, values.reshape(-1))
        row |= {f"{front}{column}": each for column, each in zip(columns, numbers, strict=True)}
    return row


def _nested(said: Said) -> dict[str, object]:
    found: dict[str, object] = {}
    for name, values in said.outputs.items():
        told: dict[str, object] = {}
        if name in said.classes:
            likeliest, probability = _likeliest(values, said.classes[name])
            told = {"class": likeliest}
            if probability is not None:
                told["probability"] = probability
            if len(said.classes[name]) == values.size:
                told["classes"] = list(said.classes[name])
        told["values"] = _numbers(values.tolist())
        found |= told if len(said.outputs) == 1 else {name: told}
    return found


def _likeliest(values: Values, names: Sequence[str]) -> tuple[str | int, float | None]:
    """The class, by its name if it has one, and its probability if the values are probabilities."""
    best = int(np.argmax(values))
    probable = values.min() >= 0 and abs(values.sum(dtype=np.float64) - 1) <= _TOLERANCE
    return names[best] if best < len(names) else best, float(values[best]) if probable else None


def _columns(names: Sequence[str], count: int) -> Sequence[str]:
    """The names of the columns of an output: those of the classes, or numbers."""
    if len(names) == count and not {*names} & {*_OWN}:
        return names
    return [str(place) for place in range(count)]


def _numbers(values: object) -> object:
    if isinstance(values, list):
        return [_numbers(each) for each in values]
    return _number(values) if isinstance(values, float) else values


def _number(value: float) -> float | None:
    # JSON has no word for NaN.
    return value if math.isfinite(value) else None


def _line(cells: list[str]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="").writerow(cells)
    return text.getvalue()
