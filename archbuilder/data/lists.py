"""Lists of varying length: where they stand in a column of their values, and how they are padded.

The values of all lists are one column, as in the row splits of a ragged tensor. Examples are padded
when they are read, to the length of the recipe. If that names several, each batch is cut to the
least that its lists fit in: XLA compiles a network for every shape, and so for few of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from archbuilder.data.columns import Array, ArrayColumn, Column, LazyColumn, RowIndices

LIST_PADDING: Final = float(np.finfo(np.float32).min)
"""What fills up lists of numbers that are targets, and is a value of none."""


@dataclass(frozen=True, slots=True, eq=False)
class ListBounds:
    """Where each list begins and ends in the column of values."""

    ends: NDArray[np.int64]
    """The end of each list; it begins at the end of the one before."""

    @property
    def count(self) -> int:
        """Number of lists."""
        return len(self.ends)

    @property
    def sizes(self) -> NDArray[np.int64]:
        """Number of values of each list."""
        return np.diff(self.ends, prepend=0)

    def select(
        self, rows: RowIndices, length: int | None = None, *, keep_last: bool = False
    ) -> tuple[RowIndices, NDArray[np.int64]]:
        """Return the indices of the values of some lists, and how many of them each list has.

        Lists of more than `length` values lose the first ones if `keep_last`, else the last ones.
        """
        ends = self.ends[rows]
        starts = np.where(rows > 0, self.ends[rows - 1], 0)
        sizes = ends - starts
        if length is not None:
            sizes = np.minimum(sizes, length)
            starts = ends - sizes if keep_last else starts
        return np.repeat(starts, sizes) + positions(sizes), sizes


def positions(sizes: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the position of each value within its list, for lists of these sizes."""
    return np.arange(sizes.sum()) - np.repeat(np.cumsum(sizes) - sizes, sizes)


@dataclass(frozen=True, slots=True, eq=False)
class Padding:
    """How the lists of a feature are padded."""

    lengths: tuple[int, ...]
    """The lengths of batches, in ascending order; the last one is that of the column."""
    pads_front: bool = False
    keeps_last: bool = False
    """Whether longer lists lose their first values rather than their last ones."""
    value: float = 0
    """What fills up lists."""

    def pad(self, values: Column, bounds: ListBounds) -> LazyColumn:
        """Return the column of the padded lists."""
        length = self.lengths[-1]
        shape = (length, *values.shape)

        def read(rows: RowIndices) -> Array:
            selected, sizes = bounds.select(rows, length, keep_last=self.keeps_last)
            padded = np.full((len(rows), *shape), self.value, values.dtype)
            columns = positions(sizes)
            if self.pads_front:
                columns += np.repeat(length - sizes, sizes)
            padded[np.repeat(np.arange(len(rows)), sizes), columns] = values.numpy(selected)
            return padded

        return LazyColumn(
            values.name,
            bounds.count,
            shape,
            values.dtype,
            read,
            eager_checks=isinstance(values, ArrayColumn),
        )


@dataclass(frozen=True, slots=True, eq=False)
class BatchLengths:
    """The lengths that the batches of a padded column are cut to."""

    padding: Padding
    sizes: ArrayColumn
    """Number of values of each list, without those that are cut off."""

    @classmethod
    def from_bounds(cls, padding: Padding, bounds: ListBounds) -> BatchLengths | None:
        """Return the lengths of batches; None if all batches have that of the column."""
        if len(padding.lengths) == 1:
            return None
        return cls(padding, ArrayColumn(np.minimum(bounds.sizes, padding.lengths[-1])))

    def cut(self, values: tf.Tensor, batch_rows: tf.Tensor) -> tf.Tensor:
        """Return padded lists in the least of the lengths that those of the whole batch fit in.

        With several processes, each has a share of a batch, and all shares get the same length.
        """
        longest = tf.reduce_max(self.sizes.gather(batch_rows))
        lengths = tf.constant(self.padding.lengths, tf.int64)
        length = tf.gather(lengths, tf.searchsorted(lengths, longest[tf.newaxis])[0])
        return values[:, -length:] if self.padding.pads_front else values[:, :length]
