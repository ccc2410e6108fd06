"""Targets that are words, the names of classes, or numbers: which, is known when all are read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from archbuilder.data.columns import Array, Column
from archbuilder.data.dtypes import MAX_EXACT_INT
from archbuilder.data.sources.disk_columns import ColumnStore
from archbuilder.diagnostics.errors import RunError, quote
from archbuilder.formatting import plural

_MAX_CLASSES_IN_NOTE: Final = 10
_MAX_CLASSES: Final = 2**20
"""The different words that may be the names of classes."""


class LabelEncoder:
    """A column of targets that grows. Words are numbered by the alphabet, or as those `given` are.

    What was trained on is given; there a word that looks like a number is one of them, and
    everywhere but in `untyped` data.
    """

    def __init__(
        self,
        description: str,
        classes: Sequence[str],
        store: ColumnStore,
        *,
        text_cells: bool = True,
    ) -> None:
        self._description = description
        self._classes = classes
        self._text_cells = text_cells
        self._indices = {word: number for number, word in enumerate(classes)}
        self._index_writer = store.create_writer(description)
        self._value_writer = store.create_writer(description)
        self._is_integral = True
        self._text_label: str | None = None
        """One that is no number."""

    def add(self, words: Sequence[str]) -> None:
        """Some more of them.

        Raises:
            RunError: if a word is none of the classes that are trained on, or there are too many.
        """
        if not self._text_cells:
            self._text_label = self._text_label or next(iter(words), None)
        elif not self._classes:
            self._value_writer.add(self._parse_numbers(words))
        if self._classes or self._text_label is not None or len(self._indices) <= _MAX_CLASSES:
            self._index_writer.add(np.array([self._class_index(word) for word in words], np.int32))
        if self._text_label is not None and len(self._indices) > _MAX_CLASSES:
            raise RunError(
                f"{self._description} has {quote(self._text_label)} among more than"
                f" {_MAX_CLASSES:,} others"
            )

    def finish(self) -> tuple[Column, tuple[str, ...], tuple[str, ...]]:
        """All of them as numbers; if they are words, the classes in their order and a remark."""
        if not self._classes and self._text_label is None:
            self._index_writer.discard()
            dtype = np.dtype(np.int64 if self._is_integral else np.float32)
            return self._value_writer.to_column(lambda values: values.astype(dtype), dtype), (), ()
        self._value_writer.discard()
        classes = tuple(self._classes or sorted(self._indices))
        rank = {word: number for number, word in enumerate(classes)}
        table = np.array([rank[word] for word in self._indices], np.int64)
        examples = ", ".join(
            f"{quote(word)} is {rank[word]}" for word in classes[:_MAX_CLASSES_IN_NOTE]
        )
        note = (
            f"the {plural(len(classes), 'word')} of {self._description} became numbers: {examples}"
        )
        return (
            self._index_writer.to_column(lambda codes: table[codes], table.dtype),
            classes,
            (note,),
        )

    def _class_index(self, word: str) -> int:
        """Which of the words it is, in the order in which they are met."""
        if self._classes and word not in self._indices:
            raise RunError(
                f"{self._description} has {quote(word)}, which is no class of what is trained on"
            )
        return self._indices.setdefault(word, len(self._indices))

    def _parse_numbers(self, words: Sequence[str]) -> Array:
        """The same as numbers; anything where one of them is none."""
        for number_type in (int, float):
            try:
                values = np.array([number_type(word) for word in words], np.float64)
            except (ValueError, OverflowError):
                self._is_integral = False
                continue
            self._is_integral = self._is_integral and bool((abs(values) < MAX_EXACT_INT).all())
            return values
        self._text_label = self._text_label or next(word for word in words if not is_number(word))
        return np.zeros(len(words))


def is_number(word: str) -> bool:
    """Whether a word can be read as a number."""
    try:
        float(word)
    except ValueError:
        return False
    return True
