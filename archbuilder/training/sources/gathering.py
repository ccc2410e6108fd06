"""Numbers as they are read: in memory as long as they are few, from then on in a file on the disk.

Text, compressed arrays and records can only be read one behind the other, and examples are wanted
in any order. So they are read once into columns. What is large goes to a file that has no name: it
is gone when the process is, however that ends.
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

from archbuilder.errors import RunError
from archbuilder.tables import size as told_size
from archbuilder.training.columns import Column, Held, Numbers, Read, Rows

HELD: Final = 2**26
"""The bytes of a column that stays in memory, where nothing else is said: 64 MiB."""
_EXACT: Final = 2**53
_EXAMPLE: Final = 2**28
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

    def column(self, name: str) -> Gathering:
        """An empty column of what is in `name`."""
        return Gathering(name, self)

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
    """A column that grows by some examples at a time, all of the first one's shape and type."""

    name: str
    store: Store
    count: int = 0
    whole: bool = True
    """Whether all doubles so far are whole numbers."""
    size: int = 0
    """In bytes."""
    shape: tuple[int, ...] = ()
    dtype: np.dtype[np.generic] = field(default_factory=lambda: np.dtype(np.float32))
    _parts: list[Numbers] = field(default_factory=list)
    _file: IO[bytes] | None = None

    def add(self, values: Numbers) -> None:
        """Some more examples: `(examples, *shape)`.

        Raises:
            RunError: if they have another shape than those before, or the disk is full.
        """
        if not self.count:
            self.shape, self.dtype = values.shape[1:], values.dtype
        if values.shape[1:] != self.shape:
            raise RunError(
                f"{self.name} has an example of the shape {list(values.shape[1:])}, and the first"
                f" one has {list(self.shape)}"
            )
        if self.whole and values.dtype == np.float64:
            self.whole = bool(((values == np.floor(values)) & (abs(values) < _EXACT)).all())
        self.count += len(values)
        self.size += values.nbytes
        self._parts.append(values.astype(self.dtype, copy=False))
        if self.size > self.store.held:
            self._write()

    def column(
        self,
        change: Callable[[Numbers], Numbers] | None = None,
        dtype: np.dtype[np.generic] | None = None,
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

        return Read("", self.count, self.shape, dtype, read)

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
