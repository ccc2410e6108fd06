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

from archbuilder.errors import RunError
from archbuilder.tables import size as told_size
from archbuilder.training.columns import Column, Held, Numbers, Read, Rows
from archbuilder.training.dtypes import (
    EXACT,
    DType,
    Mask,
    common_dtype,
    is_integer,
    unrepresentable,
)
from archbuilder.training.provenance import Origin

HELD: Final = 2**26
"""The bytes of a column that stays in memory, where nothing else is said: 64 MiB."""
_EXAMPLE: Final = 2**28
_AT_ONCE: Final = 2**22
_SPARE: Final = 2**28
"""The bytes of the disk that are left to others."""


def check_example(needed: int, name: str) -> None:
    """Refuse an example that a compressed file of some kilobytes can hold, and no memory.

    Raises:
        RunError: if it needs more bytes than an example may have.
    """
    if needed > _EXAMPLE:
        raise RunError(
            f"{name} holds {told_size(needed)} in each example, more than {told_size(_EXAMPLE)}"
        )


@dataclass(frozen=True, slots=True)
class Store:
    """Where columns are gathered."""

    folder: Path | None = None
    """Where large ones are kept: a run's folder, or where the system keeps what passes."""
    held: int = HELD
    """The bytes of a column that may stay in memory."""

    def column(self, name: str, origin: Origin | None = None) -> Gathering:
        """An empty column of what is in `name`."""
        return Gathering(name, self, origin or Origin.of_array(name))

    def check(self, needed: int, name: str) -> None:
        """Refuse what the disk has no room for.

        Raises:
            RunError: if it needs more bytes than are free.
        """
        if needed <= self.held:
            return
        free = shutil.disk_usage(self.folder or tempfile.gettempdir()).free - _SPARE
        if needed > free:
            raise RunError(
                f"{name} holds {told_size(needed)}, and there is room for {told_size(max(free, 0))}"
            )


@dataclass(slots=True, eq=False)
class Gathering:
    """A column that grows by some examples at a time, all of the first one's shape.

    Its dtype grows with them, to one that represents every value.
    """

    name: str
    store: Store
    origin: Origin
    count: int = 0
    whole: bool = True
    """Whether all doubles so far are whole numbers."""
    size: int = 0
    """In bytes."""
    shape: tuple[int, ...] = ()
    dtype: DType = field(default_factory=lambda: np.dtype(np.float32))
    integers: Mask = field(default_factory=lambda: np.ones((), bool))
    """At which positions of an example all values were integers in their files."""
    _parts: list[Numbers] = field(default_factory=list)
    _file: IO[bytes] | None = None

    def add(self, values: Numbers) -> None:
        """Add examples: `(examples, *shape)`.

        Raises:
            RunError: if they have another shape than those before, no dtype represents all values,
                or the disk is full.
        """
        self._add([values], values.shape[1:], np.array(is_integer(values.dtype)))

    def add_side_by_side(self, columns: Sequence[Numbers]) -> None:
        """Add examples whose values stand in several columns, each `(examples,)`.

        Raises:
            RunError: as `add` does.
        """
        integers = np.array([is_integer(each.dtype) for each in columns])
        self._add(columns, (len(columns),), integers)

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

    def _add(self, parts: Sequence[Numbers], shape: tuple[int, ...], integers: Mask) -> None:
        dtypes = {each.dtype for each in parts}
        if not self.count:
            self.shape, self.dtype = shape, common_dtype(dtypes)
        self.check_shape(shape)
        self._grow(common_dtype({self.dtype, *dtypes}))
        converted = [self._converted(part, number) for number, part in enumerate(parts)]
        values = np.stack(converted, axis=1) if integers.shape else converted[0]
        self.integers = self.integers & integers
        if self.whole and values.dtype == np.float64:
            self.whole = bool(((values == np.floor(values)) & (abs(values) < EXACT)).all())
        self.count += len(values)
        self.size += values.nbytes
        self._parts.append(values)
        if self.size > self.store.held:
            self._write()

    def _grow(self, dtype: DType) -> None:
        """Convert everything so far to a larger dtype."""
        if dtype == self.dtype:
            return
        before, self.dtype = self.dtype, dtype
        parts, stored = self._parts, self._file
        self._parts, self._file, self.size = [], None, 0
        row = 0
        for values in (*self._stored(stored, before), *parts):
            self._parts.append(self._converted(values, 0, row))
            self.size += self._parts[-1].nbytes
            row += len(values)
            if self.size > self.store.held:
                self._write()

    def _stored(self, file: IO[bytes] | None, dtype: DType) -> Iterator[Numbers]:
        """Yield what is on the disk, some examples at a time."""
        if file is None:
            return
        with file:
            mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        whole = np.frombuffer(mapped, dtype).reshape(-1, *self.shape)
        step = max(_AT_ONCE // max(whole[:1].nbytes, 1), 1)
        for begin in range(0, len(whole), step):
            yield whole[begin : begin + step]

    def _converted(self, values: Numbers, position: int, row: int | None = None) -> Numbers:
        """Convert values to the dtype of all; they begin at a row and position of the column."""
        if values.dtype == self.dtype:
            return values
        wrong = unrepresentable(values, self.dtype).reshape(len(values), -1)
        if wrong.any():
            at, within = np.argwhere(wrong)[0].tolist()
            first = values.reshape(len(values), -1)[at, within]
            told = self.origin.value(
                (self.count if row is None else row) + at, position + within, first
            )
            raise RunError(
                f"{told}, beside numbers that are no 64-bit integers like it: no dtype represents"
                " all of them; give it to an input of its own"
            )
        return values.astype(self.dtype)

    def column(
        self,
        change: Callable[[Numbers], Numbers] | None = None,
        dtype: DType | None = None,
    ) -> Column:
        """All of them, as a `change` makes them that gives numbers of type `dtype`."""
        dtype = dtype or self.dtype
        if self._file is None:
            empty = np.zeros((0, *self.shape), self.dtype)
            values = np.concatenate(self._parts) if self._parts else empty
            return Held(change(values) if change else values)
        # The mapping stays when the file is closed.
        mapped = mmap.mmap(self._file.fileno(), 0, access=mmap.ACCESS_READ)
        self._file.close()
        whole = np.frombuffer(mapped, self.dtype).reshape(self.count, *self.shape)

        def read(rows: Rows) -> Numbers:
            return change(whole[rows]) if change else whole[rows]

        return Read("", self.count, self.shape, dtype, read, scan=True)

    def discard(self) -> None:
        """Forget them."""
        self._parts.clear()
        if self._file is not None:
            self._file.close()

    def _write(self) -> None:
        self.store.check(sum(each.nbytes for each in self._parts) + self.store.held, self.name)
        try:
            if self._file is None:
                # It outlives this method, and is closed when it is mapped.
                self._file = tempfile.TemporaryFile(dir=self.store.folder)  # noqa: SIM115
            for part in self._parts:
                self._file.write(np.ascontiguousarray(part).data)
            self._file.flush()
        except OSError as error:
            raise RunError(f"cannot keep what is in {self.name}: {error.strerror}") from error
        self._parts.clear()


def joined(parts: Sequence[Read], name: str) -> Read:
    """Columns one behind the other.

    Raises:
        RunError: if their examples differ in shape or type.
    """
    first = parts[0]
    for each in parts:
        if (each.shape, each.dtype) != (first.shape, first.dtype):
            raise RunError(
                f"{each.name} has {each.dtype} of the shape {list(each.shape)} an example, and"
                f" {first.name} has {first.dtype} of {list(first.shape)}"
            )
    ends = np.cumsum([each.count for each in parts])

    def read(rows: Rows) -> Numbers:
        values = np.empty((len(rows), *first.shape), first.dtype)
        owners = np.searchsorted(ends, rows, side="right")
        for owner in np.unique(owners):
            own, part = owners == owner, parts[owner]
            values[own] = part.read(rows[own] - (ends[owner] - part.count))
        return values

    return Read(name, int(ends[-1]), first.shape, first.dtype, read)
