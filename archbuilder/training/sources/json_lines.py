"""Numbers in JSON lines: an object a line, whose fields are numbers or nested lists of them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Final

import numpy as np

from archbuilder.errors import RunError, shown
from archbuilder.recipe.spec import Jsonl
from archbuilder.training.columns import Held, Numbers
from archbuilder.training.examples import Examples, Feature
from archbuilder.training.opening import Opener, check_size
from archbuilder.training.sources.arrays import by_name
from archbuilder.training.sources.words import as_classes
from archbuilder.training.text.reading import numbered_lines

_LINE: Final = 2**26


def load_jsonl(source: Jsonl, opener: Opener, like: Examples | None) -> Examples:
    """The fields that the source names; a target may also be a word, which becomes a number.

    Raises:
        RunError: if a line is no object, lacks a field, or has another shape than the first.
    """
    name = shown(source.file.path, 200)
    inputs, targets = by_name(source.inputs), by_name(source.targets)
    rows = list(_rows(source, opener, (*inputs.values(), *targets.values())))
    if not rows:
        raise RunError(f"{name} has no examples")
    features = {
        key: Feature(Held(_numbers(rows, each, name)), source.scale) for key, each in inputs.items()
    }
    held: dict[str, Held] = {}
    classes: tuple[str, ...] = ()
    remarks: list[str] = []
    for key, each in targets.items():
        words = [str(fields[each]) for _, fields in rows if isinstance(fields[each], str)]
        if len(words) == len(rows):
            numbers, classes, remark = as_classes(words, f"the field {shown(each)}", like)
            held[key] = Held(numbers)
            remarks.append(remark)
        else:
            held[key] = Held(_numbers(rows, each, name))
    return Examples(name, features, held, tuple(remarks), classes=classes)


def _rows(
    source: Jsonl, opener: Opener, wanted: tuple[str, ...]
) -> Iterator[tuple[int, Mapping[str, object]]]:
    """The lines by number, with the wanted fields of each."""
    read = 0
    for number, line in numbered_lines(source.file, opener, limit=_LINE):
        read += len(line)
        check_size(read, shown(source.file.path, 200))
        if not line.strip():
            continue
        place = f"{shown(source.file.path, 200)}:{number}"
        try:
            fields = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise RunError(f"{place} is no JSON: {error}") from None
        if not isinstance(fields, dict):
            raise RunError(f"{place} is no object with fields")
        for each in wanted:
            if each not in fields:
                has = ", ".join(shown(key) for key in fields) or "none"
                raise RunError(f"{place} has no field {shown(each)}; it has {has}")
        yield number, {each: fields[each] for each in wanted}


def _numbers(rows: list[tuple[int, Mapping[str, object]]], key: str, name: str) -> Numbers:
    arrays: list[Numbers] = []
    for number, fields in rows:
        place = f"the field {shown(key)} of {name}:{number}"
        try:
            array = np.array(fields[key])
        except ValueError:
            raise RunError(f"{place} is a list of lists of different lengths") from None
        if array.dtype.kind not in "bif":
            raise RunError(f"{place} holds something else than numbers")
        if arrays and array.shape != arrays[0].shape:
            raise RunError(
                f"{place} has the shape {list(array.shape)}, and the first one has"
                f" {list(arrays[0].shape)}"
            )
        arrays.append(array)
    values = np.stack(arrays)
    return values.astype(np.float32) if values.dtype.kind == "f" else values
