"""Tables of numbers as text (`.csv`)."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence

import numpy as np

from archbuilder.errors import RunError, nearest, shown
from archbuilder.recipe.spec import Csv
from archbuilder.training.columns import Held, Numbers
from archbuilder.training.examples import ONLY, Examples, Feature
from archbuilder.training.opening import Opener
from archbuilder.training.sources.words import as_classes


def load_csv(
    source: Csv, opener: Opener, like: Examples | None = None, only: int | None = None
) -> Examples:
    """The columns of a table as one input, and its target.

    A target of words becomes numbers, the words in alphabetical order, or as those of `like` are. A
    table with `only` so many columns has no target.

    Raises:
        RunError: if a line or a value is not as the others are.
    """
    name = shown(source.file.path, 200)
    rows = _rows(opener.read(source.file), name)
    first = rows[0][1]
    head = first if source.header else [str(number) for number in range(len(first))]
    column = None if len(head) == only else _column(source.target, head, name)
    body = rows[1:] if source.header else rows
    if not body:
        raise RunError(f"{name} has no examples")
    for line, cells in body:
        if len(cells) != len(head):
            raise RunError(f"line {line} of {name} has {len(cells)} values, not {len(head)}")
    targets: dict[str, Held] = {}
    classes: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()
    if column is not None:
        words = [cells[column] for _, cells in body]
        found, classes, remarks = _targets(words, head[column], like)
        targets = {ONLY: Held(found)}
    others = [index for index in range(len(head)) if index != column]
    if not others:
        raise RunError(f"{name} has no column beside the target")
    values = np.empty((len(body), len(others)), np.float32)
    for row, (line, cells) in enumerate(body):
        for place, index in enumerate(others):
            values[row, place] = _number(cells[index], line, head[index], name)
    return Examples(name, {ONLY: Feature(Held(values))}, targets, remarks, classes=classes)


def _rows(content: bytes, name: str) -> list[tuple[int, list[str]]]:
    try:
        reader = csv.reader(io.StringIO(content.decode("utf-8-sig"), newline=""))
        rows = [(reader.line_num, cells) for cells in reader if cells]
    except (UnicodeDecodeError, csv.Error) as error:
        raise RunError(f"{name} is no table of text: {error}") from error
    if not rows:
        raise RunError(f"{name} is empty")
    return rows


def _column(target: str | int | None, head: Sequence[str], name: str) -> int:
    if target is None:
        return len(head) - 1
    if isinstance(target, int) and 0 <= target < len(head):
        return target
    if isinstance(target, str) and target in head:
        return list(head).index(target)
    near = nearest(target, head) if isinstance(target, str) else None
    hint = f"; did you mean {shown(near)}?" if near else ""
    raise RunError(f"{name} has no column {shown(target)}{hint}")


def _targets(
    words: Sequence[str], column: str, like: Examples | None
) -> tuple[Numbers, tuple[str, ...], tuple[str, ...]]:
    """Numbers, and if they were words, the classes in their order and a remark."""
    # Where it was words that are trained on, a word that looks like a number is one of them.
    if like is None or not like.classes:
        try:
            return np.array([int(word) for word in words], np.int64), (), ()
        except ValueError:
            pass
        try:
            return np.array([float(word) for word in words], np.float32), (), ()
        except ValueError:
            pass
    numbers, classes, remark = as_classes(words, f"column {shown(column)}", like)
    return numbers, classes, (remark,)


def _number(text: str, line: int, column: str, name: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise RunError(
            f"line {line} of {name} has {shown(text)} in column {shown(column)}, not a number"
        ) from None
