"""Encoder of string targets: class names or, if all of them are numbers, the numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from archbuilder.data.columns import Array, Column
from archbuilder.data.sources.cells import is_number
from archbuilder.data.sources.disk_columns import ColumnStore
from archbuilder.diagnostics.errors import RunError, quote
from archbuilder.formatting import plural

_MAX_CLASSES_IN_NOTE: Final = 10
_MAX_CLASSES: Final = 2**20
"""Largest number of classes. More are a sign of a column that does not have classes."""


class LabelEncoder:
    """A target column of strings that grows while a file is read.

    Strings become class indices: in alphabetical order, or in the order of `classes` if these are
    known from training. With `text_cells` and without `classes`, a column in which every string is
    a number becomes numbers. Which of the two it is shows only at the end, so that both columns are
    kept until then.
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
        self._text_label: str | None = None
        """The first string that is not a number; None as long as all are numbers."""

    def add(self, words: Sequence[str]) -> None:
        """Append strings.

        Raises:
            RunError: if a string is not one of the classes of the training data, or there are too
                many classes.
        """
        if not self._text_cells:
            self._text_label = self._text_label or next(iter(words), None)
        elif not self._classes:
            self._value_writer.add(self._parse_numbers(words))
        # A regression target has more different values than there may be classes. Its indices are
        # not needed: either all are numbers, or the next string is an error.
        if self._classes or self._text_label is not None or len(self._indices) <= _MAX_CLASSES:
            self._index_writer.add(np.array([self._class_index(word) for word in words], np.int32))
        if self._text_label is not None and len(self._indices) > _MAX_CLASSES:
            raise RunError(
                f"{self._description} has more than {_MAX_CLASSES:,} different values, and"
                f" {quote(self._text_label)} is not a number"
            )

    def finish(self) -> tuple[Column, tuple[str, ...], tuple[str, ...]]:
        """Return the column, the classes and notes; both are empty for a column of numbers."""
        if not self._classes and self._text_label is None:
            self._index_writer.discard()
            # pandas writes integers with a missing value as `1.0`; they may be class indices.
            dtype = np.dtype(np.int64 if self._value_writer.is_integral else np.float32)
            return self._value_writer.to_column(lambda values: values.astype(dtype), dtype), (), ()
        self._value_writer.discard()
        classes = tuple(self._classes or sorted(self._indices))
        # Indices were assigned in order of appearance; a table translates them on every read.
        rank = {word: number for number, word in enumerate(classes)}
        table = np.array([rank[word] for word in self._indices], np.int64)
        examples = ", ".join(
            f"{quote(word)} = {rank[word]}" for word in classes[:_MAX_CLASSES_IN_NOTE]
        )
        note = f"{self._description}: {plural(len(classes), 'class', 'classes')}: {examples}"
        return (
            self._index_writer.to_column(lambda codes: table[codes], table.dtype),
            classes,
            (note,),
        )

    def _class_index(self, word: str) -> int:
        """Return the index of a string, in order of appearance unless the classes are known."""
        if self._classes and word not in self._indices:
            raise RunError(
                f"{self._description} has {quote(word)}, which is not a class of the training data"
            )
        return self._indices.setdefault(word, len(self._indices))

    def _parse_numbers(self, words: Sequence[str]) -> Array:
        """Return the strings as numbers; if one is not a number, zeros, which are not used."""
        if self._text_label is None:
            self._text_label = next((word for word in words if not is_number(word)), None)
        if self._text_label is not None:
            return np.zeros(len(words))
        return np.array([float(word) for word in words], np.float64)
