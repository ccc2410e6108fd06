"""Columns that grow while a file is read, in memory or, when they become large, on the disk.

Text, compressed arrays and records can only be read sequentially, but shuffling needs random
access. They are therefore read once into columns. Large columns spill to an unnamed temporary file,
which disappears with the process, however that ends.
"""

from __future__ import annotations

import mmap
import shutil
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Final

import numpy as np

from archbuilder.data.columns import Array, ArrayColumn, Column, LazyColumn, RowIndices
from archbuilder.data.dtypes import (
    MAX_EXACT_INT,
    DType,
    Mask,
    common_dtype,
    is_integer,
    unrepresentable,
)
from archbuilder.data.provenance import ColumnOrigin
from archbuilder.diagnostics.errors import RunError
from archbuilder.formatting import format_bytes

MEMORY_LIMIT: Final = 2**26
"""Default size up to which a column stays in memory: 64 MiB."""
_MAX_EXAMPLE_BYTES: Final = 2**28
"""Size of the largest example: 256 MiB."""
_CHUNK_BYTES: Final = 2**22
_DISK_RESERVE: Final = 2**28
"""Free space that is left to other programs: 256 MiB."""


def check_example_size(num_bytes: int, name: str) -> None:
    """Check the size of an example before it is read: a small compressed file can hold a huge one.

    Raises:
        RunError: if it has more than `_MAX_EXAMPLE_BYTES` bytes.
    """
    if num_bytes > _MAX_EXAMPLE_BYTES:
        raise RunError(
            f"{name} has {format_bytes(num_bytes)} per example, more than"
            f" {format_bytes(_MAX_EXAMPLE_BYTES)}"
        )


@dataclass(frozen=True, slots=True)
class ColumnStore:
    """Options for columns that grow while they are read."""

    spill_dir: Path | None = None
    """Where large columns spill: a run directory, or the system's temporary directory if None."""
    memory_limit: int = MEMORY_LIMIT
    """Size up to which a column stays in memory, in bytes."""

    def create_writer(self, name: str, origin: ColumnOrigin | None = None) -> ColumnWriter:
        """Return an empty column; `name` is what messages call it."""
        return ColumnWriter(name, self, origin or ColumnOrigin.for_array(name))

    def check_free_space(self, num_bytes: int, name: str) -> None:
        """Check that the disk has room for a column that spills.

        Raises:
            RunError: if it needs more bytes than are free.
        """
        if num_bytes <= self.memory_limit:
            return
        free = shutil.disk_usage(self.spill_dir or tempfile.gettempdir()).free - _DISK_RESERVE
        if num_bytes > free:
            raise RunError(
                f"{name} needs {format_bytes(num_bytes)} on the disk, and"
                f" {format_bytes(max(free, 0))} are free"
            )


@dataclass(slots=True, eq=False)
class ColumnWriter:
    """A column to which batches of examples of one shape are appended.

    Its dtype widens as needed, so that it represents every value: a column of text may begin with
    integers and have a fraction in its last line.
    """

    name: str
    store: ColumnStore
    origin: ColumnOrigin
    count: int = 0
    is_integral: bool = True
    """Whether all float64 values so far are integers below 2**53."""
    num_bytes: int = 0
    """Size of the values, in memory or on the disk."""
    shape: tuple[int, ...] = ()
    dtype: DType = field(default_factory=lambda: np.dtype(np.float32))
    integer_mask: Mask = field(default_factory=lambda: np.ones((), bool))
    """Positions of an example at which all values were integers in their files."""
    _chunks: list[Array] = field(default_factory=list)
    _file: IO[bytes] | None = None

    def add(self, values: Array) -> None:
        """Append examples of the shape `(examples, *shape)`.

        Raises:
            RunError: if their shape differs from the first one's, no dtype represents all values,
                or the disk is full.
        """
        self._append([values], values.shape[1:], np.array(is_integer(values.dtype)))

    def add_columns(self, columns: Sequence[Array]) -> None:
        """Append examples whose values are in several columns, each of the shape `(examples,)`.

        Raises:
            RunError: as `add` does.
        """
        integer_mask = np.array([is_integer(each.dtype) for each in columns])
        self._append(columns, (len(columns),), integer_mask)

    def check_shape(self, shape: tuple[int, ...]) -> None:
        """Check the shape of an example before it is read.

        Raises:
            RunError: if it differs from the first one's.
        """
        if self.count and shape != self.shape:
            raise RunError(
                f"{self.name} has an example of the shape {list(shape)}, but the first"
                f" one has {list(self.shape)}"
            )

    def _append(self, columns: Sequence[Array], shape: tuple[int, ...], integer_mask: Mask) -> None:
        dtypes = {each.dtype for each in columns}
        if not self.count:
            self.shape, self.dtype = shape, common_dtype(dtypes)
        self.check_shape(shape)
        self._widen_dtype(common_dtype({self.dtype, *dtypes}))
        converted = [self._convert(column, position) for position, column in enumerate(columns)]
        # `integer_mask` has an axis of columns only if they stand side by side.
        values = np.stack(converted, axis=1) if integer_mask.shape else converted[0]
        self.integer_mask = self.integer_mask & integer_mask
        # Every floating dtype counts: the column may widen from float32 to float64 later.
        if self.is_integral and values.dtype.kind == "f":
            # From 2**53 on, every float64 is an integer, whatever the file says. NaN is not one.
            # numpy warns about a signaling NaN, which a damaged file may contain.
            with np.errstate(invalid="ignore"):
                wide = values.astype(np.float64)  # float16 cannot hold the bound
                are_exact = (wide == np.floor(wide)) & (abs(wide) < MAX_EXACT_INT)
            self.is_integral = bool(are_exact.all())
        self.count += len(values)
        self.num_bytes += values.nbytes
        self._chunks.append(values)
        if self.num_bytes > self.store.memory_limit:
            self._spill()

    def _widen_dtype(self, dtype: DType) -> None:
        """Convert all previous values to a wider dtype."""
        if dtype == self.dtype:
            return
        # The old file is read while the new one is written: both need room for a moment.
        old_dtype, self.dtype = self.dtype, dtype
        chunks, old_file = self._chunks, self._file
        self._chunks, self._file, self.num_bytes = [], None, 0
        if old_file is not None:
            # Mapped before it is closed: closing deletes an unnamed file, but not a mapping of it.
            with old_file:
                mapped = mmap.mmap(old_file.fileno(), 0, access=mmap.ACCESS_READ)
            spilled = np.frombuffer(mapped, old_dtype).reshape(-1, *self.shape)
            chunk_rows = max(_CHUNK_BYTES // max(spilled[:1].nbytes, 1), 1)
            starts = range(0, len(spilled), chunk_rows)
            chunks = [*(spilled[start : start + chunk_rows] for start in starts), *chunks]
        row = 0
        for values in chunks:
            self._chunks.append(self._convert(values, 0, row))
            self.num_bytes += self._chunks[-1].nbytes
            row += len(values)
            if self.num_bytes > self.store.memory_limit:
                self._spill()

    def _convert(self, values: Array, position: int, row: int | None = None) -> Array:
        """Convert values to the column's dtype.

        `row` and `position` are where they begin in the column, for the message.

        Raises:
            RunError: if the dtype does not represent one of them.
        """
        if values.dtype == self.dtype:
            return values
        invalid = unrepresentable(values, self.dtype).reshape(len(values), -1)
        if invalid.any():
            example, index = np.argwhere(invalid)[0].tolist()
            value = values.reshape(len(values), -1)[example, index]
            text = self.origin.describe_value(
                (self.count if row is None else row) + example, position + index, value
            )
            raise RunError(
                f"{text}, among numbers that are not 64-bit integers like it: no dtype represents"
                " all of them; give it to an input of its own"
            )
        return values.astype(self.dtype)

    def to_column(
        self,
        transform: Callable[[Array], Array] | None = None,
        dtype: DType | None = None,
    ) -> Column:
        """Return the finished column; `transform` is applied on every read and returns `dtype`."""
        is_in_memory, values = self._file is None, self.to_array()
        if is_in_memory:
            return ArrayColumn(transform(values) if transform else values)

        def read(rows: RowIndices) -> Array:
            return transform(values[rows]) if transform else values[rows]

        return LazyColumn("", self.count, self.shape, dtype or self.dtype, read, eager_checks=True)

    def to_array(self) -> Array:
        """Return the finished values, mapped from the file if they are on the disk."""
        if self._file is None:
            empty = np.zeros((0, *self.shape), self.dtype)
            return np.concatenate(self._chunks) if self._chunks else empty
        # The mapping outlives the file object, and keeps the unnamed file alive.
        mapped = mmap.mmap(self._file.fileno(), 0, access=mmap.ACCESS_READ)
        self._file.close()
        values: Array = np.frombuffer(mapped, self.dtype)
        return values.reshape(self.count, *self.shape)

    def discard(self) -> None:
        """Delete the values."""
        self._chunks.clear()
        if self._file is not None:
            self._file.close()

    def _spill(self) -> None:
        """Append the chunks in memory to the file."""
        # Asked before every write: other processes fill the same disk.
        self.store.check_free_space(
            sum(each.nbytes for each in self._chunks) + self.store.memory_limit, self.name
        )
        try:
            if self._file is None:
                # Not in a `with` block: `to_column` or `discard` closes it.
                self._file = tempfile.TemporaryFile(dir=self.store.spill_dir)  # noqa: SIM115
            for chunk in self._chunks:
                self._file.write(np.ascontiguousarray(chunk).data)
            self._file.flush()
        except OSError as error:
            raise RunError(f"cannot write {self.name} to disk: {error.strerror}") from error
        self._chunks.clear()


def concat_columns(columns: Sequence[LazyColumn], name: str) -> LazyColumn:
    """Concatenate columns without reading them.

    Raises:
        RunError: if their examples differ in shape or dtype.
    """
    if len(columns) == 1:
        return columns[0]
    first = columns[0]
    for column in columns:
        if (column.shape, column.dtype) != (first.shape, first.dtype):
            raise RunError(
                f"{column.name} has {column.dtype} of the shape {list(column.shape)} per example,"
                f" but {first.name} has {first.dtype} of {list(first.shape)}"
            )
    ends = np.cumsum([each.count for each in columns])

    def read(rows: RowIndices) -> Array:
        values = np.empty((len(rows), *first.shape), first.dtype)
        # One read per column instead of one per row. `side="right"`, since the end of a column is
        # the first row of the next.
        owners = np.searchsorted(ends, rows, side="right")
        for owner in np.unique(owners):
            mask, source = owners == owner, columns[owner]
            values[mask] = source.read(rows[mask] - (ends[owner] - source.count))
        return values

    return LazyColumn(name, int(ends[-1]), first.shape, first.dtype, read)
