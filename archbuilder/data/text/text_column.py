"""Columns of texts, one per example."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from archbuilder.data.columns import Array, RowIndices

_BATCH_ROWS: Final = 1024
_BATCH_BYTES: Final = 2**24


@dataclass(frozen=True, slots=True, eq=False)
class TextColumn:
    """A text for each example, in memory or mapped from a file."""

    content: Array
    """All texts in UTF-8, one after another, as bytes."""
    ends: NDArray[np.int64]
    """The end of each text in `content`."""

    @property
    def count(self) -> int:
        """Number of examples."""
        return len(self.ends)

    def lengths(self, rows: RowIndices) -> NDArray[np.int64]:
        """Return the size of some texts in bytes."""
        return self.ends[rows] - self._starts(rows)

    def read(self, rows: RowIndices) -> list[str]:
        """Return the texts of some examples."""
        starts, ends = self._starts(rows).tolist(), self.ends[rows].tolist()
        bounds = zip(starts, ends, strict=True)
        return [self.content[start:end].tobytes().decode() for start, end in bounds]

    def batches(self, rows: RowIndices) -> Iterator[list[str]]:
        """Yield the texts of some examples, a few megabytes at a time."""
        position = 0
        while position < len(rows):
            chunk = rows[position : position + _BATCH_ROWS]
            sizes = np.cumsum(self.lengths(chunk))
            # At least one: a single text may be larger than a batch.
            num_rows = max(int(np.searchsorted(sizes, _BATCH_BYTES)), 1)
            yield self.read(chunk[:num_rows])
            position += num_rows

    def _starts(self, rows: RowIndices) -> NDArray[np.int64]:
        return np.where(rows > 0, self.ends[rows - 1], 0)
