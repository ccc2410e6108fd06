"""The numbers of an input or a target, in memory or read as they are needed."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Final, Protocol, TypeAlias

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from archbuilder.diagnostics.errors import RunError
from archbuilder.formatting import plural

Array: TypeAlias = NDArray[np.generic]
"""An array of numbers whose first axis is the examples."""

RowIndices: TypeAlias = NDArray[np.int64]
"""Which examples: their numbers, from 0."""

ValueCheck: TypeAlias = Callable[[Array, RowIndices], None]
"""Raises RunError where the numbers of these examples cannot be right."""

_CHUNK_ROWS: Final = 256
_SCAN_CHUNK_BYTES: Final = 2**24
"""The bytes that a scan reads at once."""
_RUN_ERROR_PATTERN: Final = re.compile(rf"\b{RunError.__name__}: (.+)")


class Column(Protocol):
    """One value, of the same shape, for every example."""

    @property
    def name(self) -> str:
        """The file that it is read from; empty for what is in memory."""

    @property
    def count(self) -> int:
        """How many examples there are."""

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of one example."""

    @property
    def dtype(self) -> np.dtype[np.generic]:
        """The type of its numbers."""

    def gather(self, rows: tf.Tensor) -> tf.Tensor:
        """The values of some examples, also within `tf.data`."""

    def numpy(self, rows: RowIndices) -> Array:
        """The values of some examples, as numpy has them."""

    def with_check(self, check: ValueCheck) -> Column:
        """The same column, whose numbers keep a rule: looked at now, or as they are read.

        Raises:
            RunError: if numbers in memory break it.
        """


@dataclass(frozen=True, eq=False)
class ArrayColumn:
    """A column in memory."""

    values: Array
    name: str = ""

    @property
    def count(self) -> int:
        """How many examples there are."""
        return len(self.values)

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of one example."""
        return self.values.shape[1:]

    @property
    def dtype(self) -> np.dtype[np.generic]:
        """The type of its numbers."""
        return self.values.dtype

    @cached_property
    def _tensor(self) -> tf.Tensor:
        # A GPU has better use for its memory than all examples, and a graph has no room for them.
        with tf.init_scope(), tf.device("CPU:0"):
            return tf.constant(self.values)

    def gather(self, rows: tf.Tensor) -> tf.Tensor:
        """The values of some examples, also within `tf.data`."""
        return tf.gather(self._tensor, rows)

    def numpy(self, rows: RowIndices) -> Array:
        """The values of some examples, as numpy has them."""
        return self.values[rows]

    def with_check(self, check: ValueCheck) -> ArrayColumn:
        """Itself.

        Raises:
            RunError: if a number breaks the rule.
        """
        check(self.values, np.arange(self.count))
        return self


@dataclass(frozen=True, slots=True, eq=False)
class LazyColumn:
    """A column that is read example by example, and held to its rules on the way.

    `read` gives the values of the examples with these numbers, and is called by several threads.
    """

    name: str
    count: int
    shape: tuple[int, ...]
    dtype: np.dtype[np.generic]
    read: Callable[[RowIndices], Array]
    checks: tuple[ValueCheck, ...] = ()
    eager_checks: bool = False
    """Whether reading everything is cheap, so that a rule is checked at once, as in memory."""

    def gather(self, rows: tf.Tensor) -> tf.Tensor:
        """The values of some examples, also within `tf.data`."""
        values = tf.numpy_function(self.numpy, [rows], tf.as_dtype(self.dtype), stateful=False)
        return tf.ensure_shape(values, [*rows.shape, *self.shape])

    def with_check(self, check: ValueCheck) -> LazyColumn:
        """The same column, which keeps one more rule.

        Raises:
            RunError: if everything is looked at now, and a number breaks the rule.
        """
        if not self.eager_checks:
            return replace(self, checks=(*self.checks, check))
        chunk_rows = max(
            _SCAN_CHUNK_BYTES // max(math.prod(self.shape) * self.dtype.itemsize, 1), 1
        )
        for start in range(0, self.count, chunk_rows):
            rows = np.arange(start, min(start + chunk_rows, self.count))
            check(self.read(rows), rows)
        return self

    def numpy(self, rows: RowIndices) -> Array:
        """The values of some examples, as numpy has them.

        Raises:
            RunError: if one cannot be read, or breaks a rule.
        """
        values = self.read(rows)
        for check in self.checks:
            check(values, rows)
        return values


def make_finite_check(description: str, dtype: type[np.floating] | None = None) -> ValueCheck:
    """The rule that numbers are neither infinite nor none at all, also as another `dtype`."""

    def check(values: Array, rows: RowIndices) -> None:
        if not np.issubdtype(values.dtype, np.floating):
            return
        with np.errstate(over="ignore"):
            converted = values if dtype is None else values.astype(dtype)
        non_finite = ~np.isfinite(converted).reshape(len(values), -1).all(axis=1)
        if non_finite.any():
            raise RunError(
                f"{description} is no finite number in {non_finite.sum():,} of"
                f" {plural(len(values), 'example')};"
                f" the first of them is number {rows[non_finite.argmax()] + 1}"
            )

    return check


def check_non_negative(values: Array, rows: RowIndices) -> None:
    """The rule that no example counts less than nothing.

    Raises:
        RunError: if one does.
    """
    negative = np.asarray(values, np.float64).reshape(len(values), -1) < 0
    if negative.any():
        example = rows[negative.any(axis=1).argmax()] + 1
        raise RunError(f"the weight of example {example} is below 0")


def load_into_memory(column: Column) -> ArrayColumn:
    """A column in memory; what has to be decoded is, by several threads.

    Raises:
        RunError: if an example cannot be read, or breaks a rule.
    """
    if isinstance(column, ArrayColumn):
        return column
    values = np.empty((column.count, *column.shape), column.dtype)

    def fill(start: int) -> None:
        rows = np.arange(start, min(start + _CHUNK_ROWS, column.count))
        values[rows] = column.numpy(rows)

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        # Taken one by one, so that what goes wrong is raised.
        for _ in pool.map(fill, range(0, column.count, _CHUNK_ROWS)):
            pass
    return ArrayColumn(values, column.name)


@contextmanager
def translate_read_errors() -> Iterator[None]:
    """Where batches are read: what is wrong with an example comes out of TensorFlow as it was told.

    Raises:
        RunError: if an example cannot be read, or breaks a rule.
    """
    try:
        yield
    except tf.errors.OpError as error:
        # TensorFlow keeps nothing of an exception but its text.
        run_error = _RUN_ERROR_PATTERN.search(error.message or "")
        if run_error is None:
            raise
        raise RunError(run_error[1]) from None
