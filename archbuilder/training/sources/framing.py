"""The records in TFRecord files, compressed or not.

A record is its length (8 bytes), a checksum of that (4), the content, and a checksum of it (4).
TensorFlow reads and verifies them, and takes the memory that a length announces; so the lengths are
looked at before.
"""

from __future__ import annotations

import math
import mmap
import os
import struct
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from gzip import BadGzipFile, GzipFile
from typing import Final

import tensorflow as tf

from archbuilder.errors import RunError, shown
from archbuilder.recipe.sources import DataFile
from archbuilder.training.faults import Faults
from archbuilder.training.opening import Opener
from archbuilder.training.sources.gathering import Store

_GZIP: Final = b"\x1f\x8b"
_HEAD: Final = 12
_TAIL: Final = 4
_BLOCK: Final = 2**24
_MOST: Final = 2**28
"""The bytes of the largest record that is read."""


@dataclass(frozen=True, slots=True)
class Shard:
    """A file of records, or some of those in it, one behind the other."""

    file: DataFile
    skip: int = 0
    take: int | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Record:
    """A record, and where it is."""

    name: str
    file: DataFile
    unpacked: mmap.mmap | None
    """What a compressed file became."""
    offset: int
    """Where its content begins."""
    length: int
    content: bytes = b""

    def read_again(self, opener: Opener) -> bytes:
        """Its content, from the file.

        Raises:
            RunError: if it is not there any more.
        """
        if self.unpacked is not None:
            return self.unpacked[self.offset : self.offset + self.length]
        with opener.opened(self.file) as descriptor:
            content = os.pread(descriptor, self.length, self.offset)
        if len(content) != self.length:
            raise RunError(f"{shown(self.file.path, 200)} was cut while it was in use")
        return content


def records_of(shard: Shard, opener: Opener, store: Store, faults: Faults) -> Iterator[Record]:
    """The records of a file; behind a damaged one, the others cannot be found.

    Raises:
        RunError: if the file cannot be read, or is damaged.
    """
    name = shown(shard.file.path, 200)
    with opener.opened(shard.file) as packed, _unpacked(packed, name, store) as descriptor:
        lengths = _lengths(descriptor, name)
        contents = tf.data.TFRecordDataset(f"/dev/fd/{descriptor}").as_numpy_iterator()
        # The mapping stays when the file is closed.
        mapped = None if descriptor == packed else mmap.mmap(descriptor, 0, prot=mmap.PROT_READ)
        offset, stop = _HEAD, math.inf if shard.take is None else shard.skip + shard.take
        try:
            for number, length in enumerate(lengths):
                content = next(contents)
                if shard.skip <= number < stop:
                    place = f"record {number + 1} of {name}"
                    yield Record(place, shard.file, mapped, offset, length, content)
                offset += length + _TAIL + _HEAD
        except tf.errors.DataLossError:
            faults.meet(
                RunError(f"record {number + 1} of {name} is damaged, and what follows is not read")
            )
        except RunError as fault:
            faults.meet(fault)


def _lengths(descriptor: int, name: str) -> Iterator[int]:
    """The lengths of the records, as far as the file goes."""
    size, offset, number = os.fstat(descriptor).st_size, 0, 1
    while offset < size:
        head = os.pread(descriptor, _HEAD, offset)
        length = struct.unpack("<Q", head[:8])[0] if len(head) == _HEAD else _MOST + 1
        end = offset + _HEAD + length + _TAIL
        if length > _MOST or end > size:
            raise RunError(
                f"record {number} of {name} is cut or damaged, and what follows is not read"
            )
        yield length
        offset, number = end, number + 1


@contextmanager
def _unpacked(descriptor: int, name: str, store: Store) -> Iterator[int]:
    """The same file, or one without a name that has what is in it, where it is compressed."""
    if os.pread(descriptor, 2, 0) != _GZIP:
        yield descriptor
        return
    with tempfile.TemporaryFile(dir=store.folder) as file:
        try:
            with os.fdopen(os.dup(descriptor), "rb") as raw, GzipFile(fileobj=raw) as packed:
                while block := packed.read(_BLOCK):
                    store.check(store.held + _BLOCK, name)
                    file.write(block)
            file.flush()
        except (BadGzipFile, EOFError, zlib.error) as error:
            raise RunError(f"{name} is damaged: {error}") from error
        except OSError as error:
            raise RunError(f"cannot unpack {name}: {error.strerror or error}") from error
        yield file.fileno()
