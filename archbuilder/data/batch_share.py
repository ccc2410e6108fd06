"""The share of a batch that a process reads and prepares.

All processes of a run know the rows of every batch: they follow from the seed and the step. Each
selects its share of them before it reads an example.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypeAlias

import tensorflow as tf

ShareBounds: TypeAlias = Callable[[tf.Tensor], tuple[tf.Tensor, tf.Tensor]]
"""Returns where a share of so many examples begins and ends."""


@dataclass(frozen=True, slots=True, eq=False)
class BatchShare:
    """The examples of a batch that a process prepares: all of them, or those within bounds."""

    step: tf.Tensor
    """Scalar of int64: the number of the batch, which random numbers are drawn for."""
    batch_rows: tf.Tensor
    """The rows of all examples of the batch, also of those outside of the share."""
    bounds: tuple[tf.Tensor, tf.Tensor] | None = None
    """Where the share begins and ends in the batch; None for the batch as a whole."""

    @property
    def batch_size(self) -> tf.Tensor:
        """Number of examples of the batch, not only of the share."""
        return tf.shape(self.batch_rows)[0]

    @property
    def rows(self) -> tf.Tensor:
        """The rows of the examples in the share."""
        return self.select(self.batch_rows)

    def select(self, values: tf.Tensor) -> tf.Tensor:
        """Return the share's part of values that belong to the examples of the batch.

        Random numbers are drawn for the batch and then selected, so that an example gets the same
        ones whatever share it is in.
        """
        if self.bounds is None:
            return values
        begin, end = self.bounds
        return values[begin:end]

    def widened(self) -> BatchShare:
        """Return the batch as a whole."""
        return replace(self, bounds=None)
