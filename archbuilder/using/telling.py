"""Predictions as lines of text: a table, or JSON."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Iterable, Iterator
from typing import Literal, TypeAlias

import numpy as np

from archbuilder.using.predicting import Said

Form: TypeAlias = Literal["csv", "jsonl"]


def lines_of(predictions: Iterable[Said], form: Form) -> Iterator[str]:
    """A line for each example; a table begins with one of names.

    Where an output tells classes, the likeliest and its probability stand in front. Several outputs
    have their names in front of everything.
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


def _flat(said: Said) -> dict[str, float | int]:
    row: dict[str, float | int] = {}
    for name, values in said.outputs.items():
        front = f"{name}." if len(said.outputs) > 1 else ""
        if name in said.classes:
            best = int(np.argmax(values))
            row |= {f"{front}class": best, f"{front}probability": float(values.flat[best])}
        row |= {f"{front}{place}": float(each) for place, each in enumerate(values.reshape(-1))}
    return row


def _nested(said: Said) -> dict[str, object]:
    found: dict[str, object] = {}
    for name, values in said.outputs.items():
        told: dict[str, object] = {}
        if name in said.classes:
            best = int(np.argmax(values))
            told = {"class": best, "probability": _number(float(values.flat[best]))}
        told["values"] = _numbers(values.tolist())
        found |= told if len(said.outputs) == 1 else {name: told}
    return found


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
