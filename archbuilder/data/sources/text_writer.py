"""Columns of texts that grow while a file is read."""

from __future__ import annotations

from array import array
from collections.abc import Sequence

import numpy as np

from archbuilder.data.sources.disk_columns import ColumnStore
from archbuilder.data.text.text_column import TextColumn
from archbuilder.data.text.tokenizer import split_words
from archbuilder.diagnostics.errors import RunError, quote


class TextWriter:
    """A column of texts that grows while a file is read."""

    def __init__(self, title: str, store: ColumnStore) -> None:
        self._writer = store.create_writer(title)
        self._ends = array("q")

    def add(self, texts: Sequence[str]) -> None:
        """Append texts.

        Raises:
            RunError: if the disk is full.
        """
        # JSON may have half of a surrogate pair, for which UTF-8 has no bytes.
        contents = [each.encode("utf-8", "replace") for each in texts]
        for content in contents:
            self._ends.append((self._ends[-1] if self._ends else 0) + len(content))
        self._writer.add(np.frombuffer(b"".join(contents), np.uint8))

    def to_column(self) -> TextColumn:
        """Return the finished column."""
        return TextColumn(self._writer.to_array(), np.array(self._ends, np.int64))


def parse_text(value: object, description: str) -> str:
    """Return a text, or that of a list of words, which are then separated by spaces.

    A missing text is empty.

    Raises:
        RunError: if the value is something else; `description` begins the message.
    """
    if isinstance(value, str | None):
        return value or ""
    if not isinstance(value, list):
        raise RunError(f"{description} is {quote(value)}, not a text or a list of words")
    for word in value:
        if not isinstance(word, str) or split_words(word) != [word]:
            raise RunError(
                f"{description} has {quote(word)} in a list of words, which is not a text without"
                " white space"
            )
    return " ".join(value)
