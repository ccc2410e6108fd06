"""Columns of a dataset, one value per example: in memory, or read on demand."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Final, Protocol, TypeAlias

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from archbuilder.diagnostics.errors import BlueprintError, RunError, UsageError
from archbuilder.formatting import plural

Array: TypeAlias = NDArray[np.generic]
"""An array of numbers whose first axis is the examples."""

RowIndices: TypeAlias = NDArray[np.int64]
"""Indices of examples, from 0."""

ValueCheck: TypeAlias = Callable[[Array, RowIndices], None]
"""Function that raises `RunError` if values of the examples with these indices are invalid."""

_CHUNK_ROWS: Final = 256
"""Number of examples, such as image files, that a thread decodes at once."""
_SCAN_CHUNK_BYTES: Final = 2**22
"""Number of bytes that a scan of a column reads at once."""
_MAX_MAPPED_BYTES: Final = 2**27
"""Size up to which `map_column` keeps its result in memory: 128 MiB."""
_VIDEO_RANK: Final = 4
"""Number of axes of a video: frames, height, width and channels."""
# A file may also be removed while it is read; the errors for it are the other two.
_ERROR_PATTERN: Final = re.compile(
    rf"\b(?:{RunError.__name__}|{UsageError.__name__}|{BlueprintError.__name__}): (.+)"
)


class Column(Protocol):
    """One value, of the same shape, for every example."""

    @property
    def name(self) -> str:
        """Name of the file that it is read from; empty for a column in memory."""

    @property
    def count(self) -> int:
        """Number of examples."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one example."""

    @property
    def dtype(self) -> np.dtype[np.generic]:
        """Dtype of the values."""

    def gather(self, rows: tf.Tensor) -> tf.Tensor:
        """Return the values of some examples as a tensor, also within `tf.data`."""

    def numpy(self, rows: RowIndices) -> Array:
        """Return the values of some examples as an array."""

    def locate(self, row: int) -> str:
        """Return where an example is, for messages."""

    def with_check(self, check: ValueCheck) -> Column:
        """Return this column with a value check: run now if in memory, else on every read.

        Raises:
            RunError: if the check runs now and fails.
        """


# Without slots, since cached_property stores its value in __dict__.
@dataclass(frozen=True, eq=False)
class ArrayColumn:
    """A column in memory."""

    values: Array
    name: str = ""

    @property
    def count(self) -> int:
        """Number of examples."""
        return len(self.values)

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one example."""
        return self.values.shape[1:]

    @property
    def dtype(self) -> np.dtype[np.generic]:
        """Dtype of the values."""
        return self.values.dtype

    @cached_property
    def _tensor(self) -> tf.Tensor:
        # init_scope leaves the tf.data function that is being traced: the tensor is captured by
        # it rather than stored in its graph, which is limited to 2 GB. The device keeps it out of
        # the memory of a GPU.
        with tf.init_scope(), tf.device("CPU:0"):
            return tf.constant(self.values)

    def gather(self, rows: tf.Tensor) -> tf.Tensor:
        """Return the values of some examples as a tensor, also within `tf.data`."""
        return tf.gather(self._tensor, rows)

    def numpy(self, rows: RowIndices) -> Array:
        """Return the values of some examples as an array."""
        return self.values[rows]

    def locate(self, row: int) -> str:
        """Return where an example is, for messages."""
        return f"example {row + 1}"

    def with_check(self, check: ValueCheck) -> ArrayColumn:
        """Check all values now, and return this column.

        Raises:
            RunError: if the check fails.
        """
        check(self.values, np.arange(self.count))
        return self


@dataclass(frozen=True, slots=True, eq=False)
class LazyColumn:
    """A column that is read on demand; its checks run on every read.

    `read` returns the values of the examples with the given indices. Several threads call it.
    """

    name: str
    count: int
    shape: tuple[int, ...]
    dtype: np.dtype[np.generic]
    read: Callable[[RowIndices], Array]
    checks: tuple[ValueCheck, ...] = ()
    eager_checks: bool = False
    """Whether reading everything is cheap, so that checks run at once, as for an array."""
    describe_row: Callable[[int], str] | None = None
    """Where an example is, for messages; None if only its number is known."""
    resize: Callable[[int, int], Column] | None = None
    """Returns the column with images of another height and width; None if they have no other."""

    def gather(self, rows: tf.Tensor) -> tf.Tensor:
        """Return the values of some examples as a tensor, also within `tf.data`."""
        # Stateless: the values depend on the rows alone. numpy_function loses the static shape,
        # which Keras needs to build layers.
        values = tf.numpy_function(self.numpy, [rows], tf.as_dtype(self.dtype), stateful=False)
        return tf.ensure_shape(values, [*rows.shape, *self.shape])

    def locate(self, row: int) -> str:
        """Return where an example is, for messages."""
        return f"example {row + 1}" if self.describe_row is None else self.describe_row(row)

    def with_check(self, check: ValueCheck) -> LazyColumn:
        """Return this column with one more check, which runs now if reads are cheap.

        Raises:
            RunError: if the check runs now and fails.
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
        """Return the values of some examples as an array.

        Raises:
            RunError: if an example cannot be read, or a check fails.
        """
        values = self.read(rows)
        for check in self.checks:
            check(values, rows)
        return values


def fit_image_size(column: Column, shape: Sequence[int | None]) -> Column:
    """Return a column whose images have the size in a shape `(height, width, ...)` of a network.

    The shape of videos begins with the number of frames. Images keep the size of the first one if
    the network takes any size. Other columns, and images whose size the recipe has, stay as they
    are.
    """
    if not isinstance(column, LazyColumn) or column.resize is None:
        return column
    axes = _size_axes(column.shape)
    height, width = image_size(shape[axes]) or column.shape[axes]
    resized = column.resize(height, width)
    for check in column.checks:
        resized = resized.with_check(check)
    return resized


def format_image_size(shape: Sequence[int]) -> str:
    """Return the height and width in the shape of images or videos, for messages."""
    return "x".join(map(str, shape[_size_axes(shape)]))


def _size_axes(shape: Sequence[int]) -> slice:
    """Return the axes of the height and the width in the shape of images or videos."""
    return slice(1, 3) if len(shape) == _VIDEO_RANK else slice(2)


def image_size(shape: Sequence[int | None]) -> tuple[int, int] | None:
    """Return the height and width in a shape `(height, width, ...)`; None if one is not known."""
    height, width = (*shape, None, None)[:2]
    return (height, width) if height and width else None


def make_finite_check(description: str, dtype: type[np.floating] | None = None) -> ValueCheck:
    """Return a check that values are finite, also after a conversion to `dtype`."""

    def check(values: Array, rows: RowIndices) -> None:
        if not np.issubdtype(values.dtype, np.floating):
            return
        # An overflow to infinity is what the check looks for, not worth numpy's warning.
        with np.errstate(over="ignore"):
            converted = values if dtype is None else values.astype(dtype)
        non_finite = ~np.isfinite(converted).reshape(len(values), -1).all(axis=1)
        if non_finite.any():
            raise RunError(
                f"{description} is not finite in {non_finite.sum():,} of"
                f" {plural(len(values), 'example')};"
                f" the first is example {rows[non_finite.argmax()] + 1}"
            )

    return check


def check_non_negative(values: Array, rows: RowIndices) -> None:
    """Check that sample weights are not negative.

    Raises:
        RunError: if one is.
    """
    negative = np.asarray(values, np.float64).reshape(len(values), -1) < 0
    if negative.any():
        example = rows[negative.any(axis=1).argmax()] + 1
        raise RunError(f"the sample weight of example {example} is negative")


def map_column(
    column: Column,
    function: Callable[[Array], Array],
    shape: tuple[int, ...],
    dtype: np.dtype[np.generic],
) -> Column:
    """Return a column of `function` of the values; it takes and returns examples as an array.

    Values that are not in memory, and results that are large, are mapped when they are read.
    """
    num_bytes = column.count * math.prod(shape) * dtype.itemsize
    if isinstance(column, ArrayColumn) and num_bytes <= _MAX_MAPPED_BYTES:
        return ArrayColumn(function(column.values), column.name)
    return LazyColumn(
        column.name,
        column.count,
        shape,
        dtype,
        lambda rows: function(column.numpy(rows)),
        eager_checks=not isinstance(column, LazyColumn) or column.eager_checks,
    )


def iter_chunks(column: Column, rows: RowIndices) -> Iterator[tuple[Array, RowIndices]]:
    """Yield the values of some examples and their indices, a few megabytes at a time."""
    chunk_rows = max(_SCAN_CHUNK_BYTES // max(math.prod(column.shape) * 8, 1), 1)
    for start in range(0, len(rows), chunk_rows):
        chunk = rows[start : start + chunk_rows]
        yield column.numpy(chunk), chunk


def load_into_memory(column: Column) -> ArrayColumn:
    """Return a column in memory, read and decoded by several threads.

    Raises:
        RunError: if an example cannot be read, or a check fails.
    """
    if isinstance(column, ArrayColumn):
        return column
    values = np.empty((column.count, *column.shape), column.dtype)

    def fill(start: int) -> None:
        rows = np.arange(start, min(start + _CHUNK_ROWS, column.count))
        values[rows] = column.numpy(rows)

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        # An exception of a thread is raised only when its result is taken.
        for _ in pool.map(fill, range(0, column.count, _CHUNK_ROWS)):
            pass
    return ArrayColumn(values, column.name)


@contextmanager
def translate_read_errors() -> Iterator[None]:
    """Re-raise an error of a column that TensorFlow turned into an error of its own.

    Raises:
        RunError: if an example cannot be read, or a check fails.
    """
    try:
        yield
    except tf.errors.OpError as error:
        # numpy_function keeps only the text of a Python exception, within a longer message.
        original = _ERROR_PATTERN.search(error.message or "")
        if original is None:
            raise
        raise RunError(original[1]) from None
