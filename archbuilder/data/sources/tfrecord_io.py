"""Records of TFRecord files, with or without gzip compression.

A record consists of its length (8 bytes, little-endian), a checksum of the length (4), the content,
and a checksum of the content (4). TensorFlow reads and verifies records, but allocates as much
memory as a length announces. The lengths are therefore checked first.
"""

from __future__ import annotations

import inspect
import math
import mmap
import os
import struct
import tempfile
import zlib
from array import array
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from gzip import BadGzipFile, GzipFile
from typing import Final, NamedTuple

import tensorflow as tf

from archbuilder.config.sources import DataPath
from archbuilder.data.bad_records import BadRecords
from archbuilder.data.file_access import DataFileOpener
from archbuilder.data.provenance import RecordLocations
from archbuilder.data.sources.disk_columns import ColumnStore
from archbuilder.diagnostics.errors import RunError, quote

_GZIP_MAGIC: Final = b"\x1f\x8b"
_HEADER_BYTES: Final = 12
_FOOTER_BYTES: Final = 4
_CHUNK_BYTES: Final = 2**24
_MAX_RECORD_BYTES: Final = 2**28
"""Size of the largest record that is read."""
# A record of `tf.data.TFRecordDataset` takes 200 times as long, since each is an eager operation.
# Unwrapped, the function does not log that this one is deprecated (TensorFlow 2.20 and 2.21).
_iter_contents: Final = inspect.unwrap(tf.compat.v1.io.tf_record_iterator)


@dataclass(frozen=True, slots=True)
class Shard:
    """Records of a file: all of them, or `take` of them after the first `skip`."""

    file: DataPath
    skip: int = 0
    take: int | None = None


@dataclass(frozen=True, slots=True, eq=False)
class RecordFile:
    """A file of records."""

    path: DataPath
    name: str
    """Name of the file for messages."""
    decompressed: mmap.mmap | None
    """The decompressed content; None if the file is not compressed."""

    def read(self, offset: int, length: int, opener: DataFileOpener) -> bytes:
        """Return bytes of the (decompressed) file.

        Raises:
            RunError: if the file is shorter now.
        """
        if self.decompressed is not None:
            return self.decompressed[offset : offset + length]
        # Opened for every read: a dataset may have more files than a process may have descriptors.
        with opener.open_file(self.path) as descriptor:
            content = os.pread(descriptor, length, offset)
        if len(content) != length:
            raise RunError(f"{self.name} was truncated while it was in use")
        return content


class Record(NamedTuple):
    """A record and its location: its number, from 1, and the offset of its content in bytes."""

    file: RecordFile
    number: int
    offset: int
    content: bytes

    @property
    def name(self) -> str:
        """Name of the record for messages."""
        return f"record {self.number} of {self.file.name}"


class RecordIndex:
    """The locations of records, as arrays: the index of a large dataset must fit in memory."""

    def __init__(self) -> None:
        self._locations = RecordLocations("record")
        self._files: list[RecordFile] = []
        self._file_indices = array("i")
        self._offsets = array("q")
        self._lengths = array("q")

    @property
    def count(self) -> int:
        """Number of records."""
        return self._locations.count

    def add(self, record: Record) -> None:
        """Add a record. Those of one file follow each other."""
        if not self._files or self._files[-1] is not record.file:
            self._files.append(record.file)
        self._locations.add(record.file.name, [record.number])
        self._file_indices.append(len(self._files) - 1)
        self._offsets.append(record.offset)
        self._lengths.append(len(record.content))

    def describe_row(self, row: int) -> str:
        """Return the location of a record by its index."""
        return self._locations.describe_row(row)

    def read(self, row: int, opener: DataFileOpener) -> bytes:
        """Read the content of a record again.

        Raises:
            RunError: if its file is shorter now.
        """
        file = self._files[self._file_indices[row]]
        return file.read(self._offsets[row], self._lengths[row], opener)


def iter_records(
    shard: Shard, opener: DataFileOpener, store: ColumnStore, bad_records: BadRecords
) -> Iterator[Record]:
    """Yield the records of a file. Those after a damaged one cannot be located, and are not read.

    Raises:
        RunError: if the file cannot be read, or is damaged.
    """
    name = quote(shard.file.path, 200)
    with (
        opener.open_file(shard.file) as file_descriptor,
        _decompressed(file_descriptor, name, store) as descriptor,
    ):
        lengths = _record_lengths(descriptor, name)
        # TensorFlow takes only paths. This one names the open file, which the opener has checked: a
        # second look at the original path could find another file.
        contents = _iter_contents(f"/dev/fd/{descriptor}")
        # Records keep the mapping of a decompressed file, which outlives its descriptor.
        mapped = (
            None if descriptor == file_descriptor else mmap.mmap(descriptor, 0, prot=mmap.PROT_READ)
        )
        file, offset = RecordFile(shard.file, name, mapped), _HEADER_BYTES
        stop = math.inf if shard.take is None else shard.skip + shard.take
        try:
            for index, length in enumerate(lengths):
                content = next(contents)
                if shard.skip <= index < stop:
                    yield Record(file, index + 1, offset, content)
                offset += length + _FOOTER_BYTES + _HEADER_BYTES
        except tf.errors.DataLossError:
            bad_records.add(
                RunError(
                    f"record {index + 1} of {name} is damaged; the records after it are not read"
                )
            )
        except RunError as error:
            bad_records.add(error)


def _record_lengths(descriptor: int, name: str) -> Iterator[int]:
    """Yield the lengths of the records.

    Raises:
        RunError: if a record is too large or ends after the file, so that its length is damaged.
    """
    size, offset, number = os.fstat(descriptor).st_size, 0, 1
    while offset < size:
        header = os.pread(descriptor, _HEADER_BYTES, offset)
        length = (
            struct.unpack("<Q", header[:8])[0]
            if len(header) == _HEADER_BYTES
            else _MAX_RECORD_BYTES + 1
        )
        end = offset + _HEADER_BYTES + length + _FOOTER_BYTES
        if length > _MAX_RECORD_BYTES or end > size:
            raise RunError(
                f"record {number} of {name} is truncated or damaged; the records after it are not"
                " read"
            )
        yield length
        offset, number = end, number + 1


@contextmanager
def _decompressed(descriptor: int, name: str, store: ColumnStore) -> Iterator[int]:
    """Open the decompressed content: the file itself, or an unnamed temporary file."""
    if os.pread(descriptor, 2, 0) != _GZIP_MAGIC:
        yield descriptor
        return
    with tempfile.TemporaryFile(dir=store.spill_dir) as file:
        try:
            with os.fdopen(os.dup(descriptor), "rb") as raw, GzipFile(fileobj=raw) as compressed:
                while chunk := compressed.read(_CHUNK_BYTES):
                    # Before every write: gzip announces the decompressed size modulo 2**32, if at
                    # all. The memory limit is added because smaller sizes are not checked.
                    store.check_free_space(store.memory_limit + _CHUNK_BYTES, name)
                    file.write(chunk)
            file.flush()
        except (BadGzipFile, EOFError, zlib.error) as error:
            raise RunError(f"{name} is damaged: {error}") from error
        except OSError as error:
            raise RunError(f"cannot decompress {name}: {error.strerror or error}") from error
        yield file.fileno()
