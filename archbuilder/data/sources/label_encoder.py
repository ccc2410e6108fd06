"""Columns of targets: numbers, or strings, which become class indices."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, TypeAlias

import numpy as np

from archbuilder.data.columns import Array, Column
from archbuilder.data.sources.cells import is_number, with_decimal_point
from archbuilder.data.sources.disk_columns import ColumnStore
from archbuilder.diagnostics.errors import RunError, quote, quote_list
from archbuilder.formatting import plural

Strings: TypeAlias = Sequence[str]
_MAX_CLASSES_IN_NOTE: Final = 10
_MAX_CLASSES: Final = 2**20
"""Largest number of classes. More are a sign of a column that does not have classes."""


class LabelEncoder:
    """A target column of strings that grows while a file is read.

    Strings become class indices: in alphabetical order, or in the order of `classes` if these are
    known from training. With `text_cells` and without `classes`, a column in which every string is
    a number becomes numbers. Which of the two it is shows only at the end, so that both columns are
    kept until then.

    `classes` is None before training, and empty if the targets of the training data are numbers:
    then all strings must be numbers.
    """

    def __init__(
        self,
        description: str,
        classes: Sequence[str] | None,
        store: ColumnStore,
        *,
        text_cells: bool = True,
        decimal: str = ".",
    ) -> None:
        self._description = description
        self._classes = classes or ()
        self._needs_numbers = classes is not None and not classes
        self._text_cells, self._decimal = text_cells or self._needs_numbers, decimal
        self._indices = {label: index for index, label in enumerate(self._classes)}
        self._index_writer = store.create_writer(description)
        self._value_writer = store.create_writer(description)
        self._text_label: str | None = None
        """The first string that is not a number; None as long as all are numbers."""

    def add(self, strings: Strings) -> None:
        """Append strings.

        Raises:
            RunError: if a string is not one of the classes of the training data, or not a number
                as these are, or there are too many classes.
        """
        if not self._text_cells:
            self._text_label = self._text_label or next(iter(strings), None)
        elif not self._classes:
            cells = with_decimal_point(strings, self._decimal)
            if self._text_label is None:
                pairs = zip(strings, cells, strict=True)
                self._text_label = next(
                    (string for string, cell in pairs if not is_number(cell)), None
                )
            if self._needs_numbers and self._text_label is not None:
                raise RunError(
                    f"{self._description} has {quote(self._text_label)}, but the targets of the"
                    " training data are numbers: write each class as its number"
                )
            # The zeros are not used: a string that is not a number makes all of them classes.
            numbers = map(float, cells) if self._text_label is None else [0.0] * len(strings)
            self._value_writer.add(np.array([*numbers], np.float64))
        for string in strings if self._classes else ():
            if string not in self._indices:
                raise RunError(
                    f"{self._description} has {quote(string)}, which is not a class of the training"
                    f" data; its classes are {quote_list(self._classes)}"
                )
        # A regression target has more different values than there may be classes. Its indices are
        # not needed: either all are numbers, or the next string is an error.
        if self._classes or self._text_label is not None or len(self._indices) <= _MAX_CLASSES:
            indices = [self._indices.setdefault(string, len(self._indices)) for string in strings]
            self._index_writer.add(np.array(indices, np.int32))
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
        rank = {label: index for index, label in enumerate(classes)}
        table = np.array([rank[label] for label in self._indices], np.int64)
        examples = ", ".join(
            f"{quote(label)} = {rank[label]}" for label in classes[:_MAX_CLASSES_IN_NOTE]
        )
        note = f"{self._description}: {plural(len(classes), 'class', 'classes')}: {examples}"
        return (
            self._index_writer.to_column(lambda codes: table[codes], table.dtype),
            classes,
            (note,),
        )


class TargetWriter:
    """A target column that grows while a file is read; its first values are strings or numbers."""

    def __init__(
        self,
        title: str,
        classes: Sequence[str] | None,
        store: ColumnStore,
        *,
        text_cells: bool,
        decimal: str = ".",
    ) -> None:
        self._title = title
        self._numbers = store.create_writer(title)
        self._strings = LabelEncoder(title, classes, store, text_cells=text_cells, decimal=decimal)
        self._has_strings: bool | None = None

    def add(self, values: Array | Strings) -> None:
        """Append targets.

        Raises:
            RunError: if both strings and numbers are appended, they differ in shape, or a string is
                not one of the classes of the training data.
        """
        is_array = isinstance(values, np.ndarray)
        if self._has_strings is None:
            self._has_strings = not is_array
        # TFRecord files and JSON lines have no schema: every record decides the type of its fields.
        if self._has_strings == is_array:
            raise RunError(f"{self._title} contains both strings and numbers")
        if isinstance(values, np.ndarray):
            self._numbers.add(values)
        else:
            self._strings.add(values)

    def finish(self) -> tuple[Column, tuple[str, ...] | None, tuple[str, ...]]:
        """Return the column, the classes, and notes; the classes of an array are None."""
        if self._has_strings:
            return self._strings.finish()
        writer, int64 = self._numbers, np.dtype(np.int64)
        # pandas stores integers with a missing value as float64; they may still be class indices.
        if writer.dtype == np.float64 and writer.is_integral:
            return writer.to_column(lambda values: values.astype(int64), int64), None, ()
        return writer.to_column(), None, ()
