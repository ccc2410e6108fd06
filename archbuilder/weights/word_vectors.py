"""Word vectors in text files: lines of a word and its numbers, as those of GloVe and fastText."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import IO, Final

import numpy as np
from numpy.typing import NDArray

from archbuilder.diagnostics.errors import RunError, quote
from archbuilder.formatting import plural

_MAX_LINE_BYTES: Final = 2**20
"""Length of the longest line that is read."""


def load_word_vectors(
    content: IO[bytes], file_name: str, rows: Mapping[str, int], table: NDArray[np.float32]
) -> int:
    """Replace rows of a table by the vectors of words in an open file; return how many.

    Of a word that is there twice, the last vector counts.

    Args:
        content: The file.
        file_name: Its name in messages.
        rows: The row of each word.
        table: The embeddings, which are changed in place.

    Raises:
        RunError: if the file has no vector of these words, vectors of another length, or a line
            that is not valid.
    """
    rows_by_bytes = {word.encode("utf-8", "replace"): row for word, row in rows.items()}
    # A word may have spaces, as a category or `. . .`; most lines are those of other words.
    first_parts = {word.partition(b" ")[0] for word in rows_by_bytes}
    size, loaded = table.shape[1], set()
    for number, line in _lines(content, file_name):
        if number > 1 and line.partition(b" ")[0] not in first_parts:
            continue
        fields = line.split()
        if number == 1:
            # word2vec and fastText begin with the number of words and that of their values.
            if len(fields) == 2 and all(map(bytes.isdigit, fields)) and size > 1:
                continue
            _check_size(fields, size, file_name)
        row = rows_by_bytes.get(b" ".join(fields[:-size]))
        if row is None:
            count = _count_numbers(fields)
            # With `size` numbers, it is the line of another word that begins with the same part.
            if count < size or b" ".join(fields[:-count]) in rows_by_bytes:
                raise _line_error(number, file_name, size)
            continue
        try:
            table[row] = np.array(fields[-size:]).astype(np.float32)
        except ValueError:
            table[row] = np.nan
        if not np.isfinite(table[row]).all():
            raise _line_error(number, file_name, size)
        loaded.add(row)
    if not loaded:
        raise RunError(f"{quote(file_name)} has none of the {plural(len(rows), 'word')}")
    return len(loaded)


def _lines(content: IO[bytes], file_name: str) -> Iterator[tuple[int, bytes]]:
    for number, line in enumerate(iter(partial(content.readline, _MAX_LINE_BYTES), b""), 1):
        if len(line) == _MAX_LINE_BYTES:
            raise RunError(f"line {number:,} of {quote(file_name)} is not one of words and numbers")
        yield number, line


def _check_size(fields: list[bytes], size: int, file_name: str) -> None:
    """Check that the vectors have the size of the embedding.

    Raises:
        RunError: if the first one has another.
    """
    count = _count_numbers(fields)
    if count != size:
        raise RunError(
            f"the vectors in {quote(file_name)} have {plural(count, 'number')}, and the embedding"
            f" {size}: write 'output_dim: {count}'"
        )


def _count_numbers(fields: list[bytes]) -> int:
    """Return how many numbers follow each other at the end of a line."""
    count = 0
    for field in reversed(fields[1:]):
        try:
            float(field)
        except ValueError:
            break
        count += 1
    return count


def _line_error(number: int, file_name: str, size: int) -> RunError:
    return RunError(f"line {number:,} of {quote(file_name)} is not a word and {size} numbers")
