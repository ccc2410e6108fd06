"""What a column of a table holds, judged by a sample of its values."""

from __future__ import annotations

import math
import operator
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, pstdev
from typing import Final, Literal, TypeAlias

from archbuilder.config.sources import IMAGE_SUFFIXES
from archbuilder.data.sources.cells import is_number, parse_cell
from archbuilder.data.sources.dates import parse_date
from archbuilder.scaffold.table_sample import Cell, TableSample

ColumnKind: TypeAlias = Literal["number", "category", "labels", "date", "text", "image", "unused"]

MISSING_TEXTS: Final = ("?", "NA", "N/A", "nan", "NaN", "null", "NULL", "None", "-")
"""Texts that stand for a missing value in tables of other programs."""
MAX_CLASSES: Final = 50
"""Largest whole number that is a class rather than a quantity."""
_MAX_CATEGORIES: Final = 10_000
_MIN_WORDS: Final = 4
"""Mean number of words from which on values are text rather than categories."""
_IDENTIFIER_RATIO: Final = 0.9
"""Share of different values from which on a column only identifies its rows."""
_LABEL_SEPARATORS: Final = (";", "|", ",")
_MIN_LISTS: Final = 0.1
"""Share of texts with a separator from which on they may be lists of labels."""
_MAX_LABELS: Final = 200
_MIN_REPEATS: Final = 3
"""How often a label has to occur on the average."""
_MIN_ROWS: Final = 20
"""Number of rows from which on identifiers are told from values."""
_TIME: Final = re.compile(r"\d[T ]\d{1,2}:\d\d")
_MIDNIGHT: Final = re.compile(r"[T ]0?0:00(:00(\.0+)?)?([+-]00:?00|Z)?$")


@dataclass(frozen=True, slots=True)
class ColumnProfile:
    """The kind of a column, with what a blueprint needs to know about its values."""

    name: str
    kind: ColumnKind
    has_missing: bool = False
    missing_texts: tuple[str, ...] = ()
    """The texts that stand for missing values."""
    values: tuple[str, ...] = ()
    """Different values of a category, the most frequent first; those in all cells with labels."""
    separator: str = ""
    """What separates several labels in a cell."""
    classes: tuple[int, ...] = ()
    """Different numbers of a column that may hold classes; empty if there are too many."""
    mean: float = 0.0
    std: float = 1.0
    has_time: bool = False
    """Whether dates have a time of the day."""
    is_increasing: bool = False
    """Whether every date is later than the one before, and none is missing."""
    shape: tuple[int, ...] = ()
    """Shape of the first image that a column names."""
    num_words: int = 0
    """Number of words that nine of ten texts do not exceed."""
    reason: str = ""
    """Why a column is not used."""


def profile_columns(sample: TableSample) -> tuple[ColumnProfile, ...]:
    """Return the profiles of all columns, in their order."""
    profiles = [
        profile_column(name, cells, text_cells=sample.text_cells)
        for name, cells in sample.columns.items()
    ]
    profiles += [
        ColumnProfile(name, "unused", reason=reason) for name, reason in sample.unsupported.items()
    ]
    return tuple(profiles)


def profile_column(name: str, cells: Sequence[Cell], *, text_cells: bool) -> ColumnProfile:
    """Return what a column holds.

    Args:
        name: The name of the column.
        cells: The values of a sample of its rows.
        text_cells: Whether numbers are written as text.
    """
    missing_texts = {each for each in MISSING_TEXTS if each in cells} if text_cells else set[str]()
    present = [each for each in cells if each not in (None, "") and each not in missing_texts]
    has_missing = len(present) < len(cells)
    if not present:
        return ColumnProfile(name, "unused", reason="no values")
    if len(set(present)) == 1:
        return ColumnProfile(name, "unused", reason="one value only")
    missing = tuple(each for each in MISSING_TEXTS if each in missing_texts)
    numbers = _numbers(present, text_cells=text_cells)
    if numbers is not None:
        return _profile_numbers(name, numbers, missing, has_missing=has_missing)
    texts = [str(each) for each in present]
    if all(map(_is_date, texts)):
        has_time = any(_TIME.search(each) and not _MIDNIGHT.search(each) for each in texts)
        dates = [parse_date(each) for each in texts]
        return ColumnProfile(
            name,
            "date",
            has_missing,
            missing,
            has_time=has_time,
            is_increasing=not has_missing and all(map(operator.lt, dates, dates[1:])),
        )
    return _profile_texts(name, texts, missing, has_missing=has_missing)


def _numbers(cells: Sequence[Cell], *, text_cells: bool) -> list[int | float] | None:
    """Return the cells as numbers, or None if they are not all finite numbers."""
    numbers: list[int | float] = []
    for cell in cells:
        if isinstance(cell, str):
            if not text_cells or not is_number(cell):
                return None
            try:
                numbers.append(parse_cell(cell))
            except ValueError:
                return None
        elif cell is not None:
            numbers.append(int(cell) if isinstance(cell, bool) else cell)
    return numbers if all(map(math.isfinite, numbers)) else None


def _profile_numbers(
    name: str, numbers: Sequence[int | float], missing: tuple[str, ...], *, has_missing: bool
) -> ColumnProfile:
    distinct = set(numbers)
    is_whole = all(each == int(each) for each in distinct)
    rows = len(numbers)
    # Numbers that count the rows: quantities are hardly all different, and in order without gaps.
    if (
        is_whole
        and rows >= _MIN_ROWS
        and max(distinct) - min(distinct) + 1 == len(distinct) == rows
    ):
        return ColumnProfile(name, "unused", reason="numbers the rows")
    classes: tuple[int, ...] = ()
    # Labels count from 0 or 1 with few gaps; years and prices do not.
    if is_whole and min(distinct) >= 0 and max(distinct) <= min(2 * len(distinct), MAX_CLASSES):
        classes = tuple(sorted(int(each) for each in distinct))
    return ColumnProfile(
        name,
        "number",
        has_missing,
        missing,
        classes=classes,
        mean=fmean(numbers),
        std=pstdev(map(float, numbers)),
    )


def _profile_texts(
    name: str, texts: Sequence[str], missing: tuple[str, ...], *, has_missing: bool
) -> ColumnProfile:
    if all(each.lower().endswith(IMAGE_SUFFIXES) for each in texts):
        if has_missing:
            return ColumnProfile(name, "unused", reason="some rows have no image")
        return ColumnProfile(name, "image", values=(texts[0],))
    separator = _find_separator(texts)
    if separator:
        parts = Counter(label for each in texts for label in _split_labels(each, separator))
        labels = sorted(parts, key=lambda value: (-parts[value], value))
        return ColumnProfile(
            name, "labels", has_missing, missing, values=tuple(labels), separator=separator
        )
    counts = Counter(texts)
    num_words = sorted(len(each.split()) for each in texts)
    is_distinct = len(counts) > _IDENTIFIER_RATIO * len(texts)
    if fmean(num_words) >= _MIN_WORDS and len(counts) > len(texts) / 2:
        # Reviews and messages; a few long answers to choose from are categories.
        length = num_words[int(0.9 * (len(num_words) - 1))]
        return ColumnProfile(name, "text", has_missing, missing, num_words=length)
    if is_distinct and len(texts) >= _MIN_ROWS:
        return ColumnProfile(name, "unused", reason="almost every value is different")
    # By falling count, and equal counts in alphabetical order.
    values = sorted(counts, key=lambda value: (-counts[value], value))[:_MAX_CATEGORIES]
    return ColumnProfile(name, "category", has_missing, missing, values=tuple(values))


def _find_separator(texts: Sequence[str]) -> str:
    """Return what separates several labels in the texts; empty if they are no such lists.

    The labels of a list recur in others, and are short.
    """
    for separator in _LABEL_SEPARATORS:
        if sum(separator in each for each in texts) < _MIN_LISTS * len(texts):
            continue
        counts = Counter(label for each in texts for label in _split_labels(each, separator))
        is_short = all(len(each.split()) <= _MIN_WORDS for each in counts)
        if (
            is_short
            and not all(map(is_number, counts))
            and 1 < len(counts) <= _MAX_LABELS
            and counts.total() >= _MIN_REPEATS * len(counts)
        ):
            return separator
    return ""


def _split_labels(text: str, separator: str) -> list[str]:
    return [label.strip() for label in text.split(separator) if label.strip()]


def _is_date(text: str) -> bool:
    try:
        parse_date(text)
    except ValueError:
        return False
    return True
