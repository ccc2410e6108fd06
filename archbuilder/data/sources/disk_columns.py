"""Numbers as they are read: in memory as long as they are few, from then on in a file on the disk.

Text, compressed arrays and records can only be read one behind the other, and examples are wanted
in any order. So they are read once into columns. What is large goes to a file that has no name: it
is gone when the process is, however that ends.
"""

from __future__ import annotations

import mmap
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
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
"""The bytes of a column that stays in memory, where nothing else is said: 64 MiB."""
_MAX_EXAMPLE_BYTES: Final = 2**28
_CHUNK_BYTES: Final = 2**22
_DISK_RESERVE: Final = 2**28
"""The bytes of the disk that are left to others."""


def check_example_size(num_bytes: int, name: str) -> None:
    """Refuse an example that a compressed file of some kilobytes can hold, and no memory.

    Raises:
        RunError: if it needs more bytes than an example may have.
    """
    if num_bytes > _MAX_EXAMPLE_BYTES:
        raise RunError(
            f"{name} holds {format_bytes(num_bytes)} in each example, more than"
            f" {format_bytes(_MAX_EXAMPLE_BYTES)}"
        )


@dataclass(frozen=True, slots=True)
class ColumnStore:
    """Where columns are gathered."""

    spill_dir: Path | None = None
    """Where large ones are kept: a run's folder, or where the system keeps what passes."""
    memory_limit: int = MEMORY_LIMIT
    """The bytes of a column that may stay in memory."""

    def create_writer(self, name: str, origin: ColumnOrigin | None = None) -> ColumnWriter:
        """An empty column of what is in `name`."""
        return ColumnWriter(name, self, origin or ColumnOrigin.for_array(name))

    def check_free_space(self, num_bytes: int, name: str) -> None:
        """Refuse what the disk has no room for.

        Raises:
            RunError: if it needs more bytes than are free.
        """
        if num_bytes <= self.memory_limit:
            return
        free = shutil.disk_usage(self.spill_dir or tempfile.gettempdir()).free - _DISK_RESERVE
        if num_bytes > free:
            raise RunError(
                f"{name} holds {format_bytes(num_bytes)}, and there is room for"
                f" {format_bytes(max(free, 0))}"
            )


@dataclass(slots=True, eq=False)
class ColumnWriter:
    """A column that grows by some examples at a time, all of the first one's shape.

    Its dtype grows with them, to one that represents every value.
    """

    name: str
    store: ColumnStore
    origin: ColumnOrigin
    count: int = 0
    is_integral: bool = True
    """Whether all doubles so far are whole numbers."""
    num_bytes: int = 0
    """In bytes."""
    shape: tuple[int, ...] = ()
    dtype: DType = field(default_factory=lambda: np.dtype(np.float32))
    integers: Mask = field(default_factory=lambda: np.ones((), bool))
    """At which positions of an example all values were integers in their files."""
    _chunks: list[Array] = field(default_factory=list)
    _file: IO[bytes] | None = None

    def add(self, values: Array) -> None:
        """Add examples: `(examples, *shape)`.

        Raises:
            RunError: if they have another shape than those before, no dtype represents all values,
                or the disk is full.
        """
        self._append([values], values.shape[1:], np.array(is_integer(values.dtype)))

    def add_columns(self, columns: Sequence[Array]) -> None:
        """Add examples whose values stand in several columns, each `(examples,)`.

        Raises:
            RunError: as `add` does.
        """
        integers = np.array([is_integer(each.dtype) for each in columns])
        self._append(columns, (len(columns),), integers)

    def check_shape(self, shape: tuple[int, ...]) -> None:
        """Check the shape of examples that may be added.

        Raises:
            RunError: if those before have another one.
        """
        if self.count and shape != self.shape:
            raise RunError(
                f"{self.name} has an example of the shape {list(shape)}, and the first"
                f" one has {list(self.shape)}"
            )

    def _append(self, columns: Sequence[Array], shape: tuple[int, ...], integers: Mask) -> None:
        dtypes = {each.dtype for each in columns}
        if not self.count:
            self.shape, self.dtype = shape, common_dtype(dtypes)
        self.check_shape(shape)
        self._widen_dtype(common_dtype({self.dtype, *dtypes}))
        converted = [self._convert(column, position) for position, column in enumerate(columns)]
        values = np.stack(converted, axis=1) if integers.shape else converted[0]
        self.integers = self.integers & integers
        if self.is_integral and values.dtype == np.float64:
            self.is_integral = bool(
                ((values == np.floor(values)) & (abs(values) < MAX_EXACT_INT)).all()
            )
        self.count += len(values)
        self.num_bytes += values.nbytes
        self._chunks.append(values)
        if self.num_bytes > self.store.memory_limit:
            self._spill()

    def _widen_dtype(self, dtype: DType) -> None:
        """Convert everything so far to a larger dtype."""
        if dtype == self.dtype:
            return
        old_dtype, self.dtype = self.dtype, dtype
        chunks, old_file = self._chunks, self._file
        self._chunks, self._file, self.num_bytes = [], None, 0
        row = 0
        for values in (*self._read_chunks(old_file, old_dtype), *chunks):
            self._chunks.append(self._convert(values, 0, row))
            self.num_bytes += self._chunks[-1].nbytes
            row += len(values)
            if self.num_bytes > self.store.memory_limit:
                self._spill()

    def _read_chunks(self, file: IO[bytes] | None, dtype: DType) -> Iterator[Array]:
        """Yield what is on the disk, some examples at a time."""
        if file is None:
            return
        with file:
            mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        values = np.frombuffer(mapped, dtype).reshape(-1, *self.shape)
        chunk_rows = max(_CHUNK_BYTES // max(values[:1].nbytes, 1), 1)
        for start in range(0, len(values), chunk_rows):
            yield values[start : start + chunk_rows]

    def _convert(self, values: Array, position: int, row: int | None = None) -> Array:
        """Convert values to the dtype of all; they begin at a row and position of the column."""
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
                f"{text}, beside numbers that are no 64-bit integers like it: no dtype represents"
                " all of them; give it to an input of its own"
            )
        return values.astype(self.dtype)

    def to_column(
        self,
        transform: Callable[[Array], Array] | None = None,
        dtype: DType | None = None,
    ) -> Column:
        """All of them, as a `change` makes them that gives numbers of type `dtype`."""
        dtype = dtype or self.dtype
        if self._file is None:
            empty = np.zeros((0, *self.shape), self.dtype)
            values = np.concatenate(self._chunks) if self._chunks else empty
            return ArrayColumn(transform(values) if transform else values)
        # The mapping stays when the file is closed.
        mapped = mmap.mmap(self._file.fileno(), 0, access=mmap.ACCESS_READ)
        self._file.close()
        mapped_values = np.frombuffer(mapped, self.dtype).reshape(self.count, *self.shape)

        def read(rows: RowIndices) -> Array:
            return transform(mapped_values[rows]) if transform else mapped_values[rows]

        return LazyColumn("", self.count, self.shape, dtype, read, eager_checks=True)

    def discard(self) -> None:
        """Forget them."""
        self._chunks.clear()
        if self._file is not None:
            self._file.close()

    def _spill(self) -> None:
        self.store.check_free_space(
            sum(each.nbytes for each in self._chunks) + self.store.memory_limit, self.name
        )
        try:
            if self._file is None:
                # It outlives this method, and is closed when it is mapped.
                self._file = tempfile.TemporaryFile(dir=self.store.spill_dir)  # noqa: SIM115
            for chunk in self._chunks:
                self._file.write(np.ascontiguousarray(chunk).data)
            self._file.flush()
        except OSError as error:
            raise RunError(f"cannot keep what is in {self.name}: {error.strerror}") from error
        self._chunks.clear()


def concat_columns(columns: Sequence[LazyColumn], name: str) -> LazyColumn:
    """Columns one behind the other.

    Raises:
        RunError: if their examples differ in shape or type.
    """
    first = columns[0]
    for column in columns:
        if (column.shape, column.dtype) != (first.shape, first.dtype):
            raise RunError(
                f"{column.name} has {column.dtype} of the shape {list(column.shape)} an example,"
                " and"
                f" {first.name} has {first.dtype} of {list(first.shape)}"
            )
    ends = np.cumsum([each.count for each in columns])

    def read(rows: RowIndices) -> Array:
        values = np.empty((len(rows), *first.shape), first.dtype)
        owners = np.searchsorted(ends, rows, side="right")
        for owner in np.unique(owners):
            mask, source = owners == owner, columns[owner]
            values[mask] = source.read(rows[mask] - (ends[owner] - source.count))
        return values

    return LazyColumn(name, int(ends[-1]), first.shape, first.dtype, read)
