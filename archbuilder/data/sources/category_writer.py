"""Columns of categories: strings, which become indices into a table of the distinct ones."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from archbuilder.config.sources.features import MAX_CATEGORIES
from archbuilder.data.columns import Column
from archbuilder.data.provenance import ColumnOrigin
from archbuilder.data.sources.disk_columns import ColumnStore
from archbuilder.diagnostics.errors import RunError
from archbuilder.formatting import format_bytes

_MAX_CHARS: Final = 2**25
"""Largest number of characters of all categories. They are in memory, and in `run.json`."""


class CategoryWriter:
    """A column of categories that grows while a file is read. A missing one has the index -1."""

    def __init__(self, title: str, store: ColumnStore, origin: ColumnOrigin) -> None:
        self.origin = origin
        self._title = title
        self._codes: dict[str | None, int] = {None: -1}
        self._writer = store.create_writer(title, origin)
        self._num_chars = 0

    def add(self, strings: Sequence[str | None]) -> None:
        """Append strings.

        Raises:
            RunError: if there are too many different ones for categories.
        """
        codes = []
        for string in strings:
            code = self._codes.get(string)
            if code is None:
                code = self._codes[string] = len(self._codes) - 1
                self._num_chars += len(string or "")
            codes.append(code)
        if len(self._codes) > MAX_CATEGORIES:
            raise RunError(
                f"{self._title} has more than {MAX_CATEGORIES:,} different values, which are too"
                " many for a vocabulary"
            )
        if self._num_chars > _MAX_CHARS:
            raise RunError(
                f"{self._title} has different values of more than {format_bytes(_MAX_CHARS)},"
                " which are too long for a vocabulary"
            )
        self._writer.add(np.array(codes, np.int32))

    @property
    def categories(self) -> tuple[str, ...]:
        """The distinct strings, by index."""
        return tuple(each for each in self._codes if each is not None)

    def to_column(self) -> Column:
        """Return the finished column of indices."""
        return self._writer.to_column()
