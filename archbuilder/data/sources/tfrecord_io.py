"""Records of TFRecord files, with or without gzip compression.

A record consists of its length (8 bytes, little-endian), a checksum of the length (4), the content,
and a checksum of the content (4). TensorFlow reads and verifies records, but allocates as much
memory as a length announces. The lengths are therefore checked first.
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

from archbuilder.config.sources import DataPath
from archbuilder.data.bad_records import BadRecords
from archbuilder.data.file_access import DataFileOpener
from archbuilder.data.sources.disk_columns import ColumnStore
from archbuilder.diagnostics.errors import RunError, quote

_GZIP_MAGIC: Final = b"\x1f\x8b"
_HEADER_BYTES: Final = 12
_FOOTER_BYTES: Final = 4
_CHUNK_BYTES: Final = 2**24
_MAX_RECORD_BYTES: Final = 2**28
"""Size of the largest record that is read."""


@dataclass(frozen=True, slots=True)
class Shard:
    """Records of a file: all of them, or `take` of them after the first `skip`."""

    file: DataPath
    skip: int = 0
    take: int | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Record:
    """A record and its location."""

    name: str
    file: DataPath
    decompressed: mmap.mmap | None
    """The decompressed file; None if the file is not compressed."""
    offset: int
    """Offset of the content in the (decompressed) file, in bytes."""
    length: int
    content: bytes = b""

    def reload(self, opener: DataFileOpener) -> bytes:
        """Read the content again.

        Raises:
            RunError: if the file is shorter now.
        """
        if self.decompressed is not None:
            return self.decompressed[self.offset : self.offset + self.length]
        # Opened for every read: a dataset may have more files than a process may have descriptors.
        with opener.open_file(self.file) as descriptor:
            content = os.pread(descriptor, self.length, self.offset)
        if len(content) != self.length:
            raise RunError(f"{quote(self.file.path, 200)} was truncated while it was in use")
        return content


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
        contents = tf.data.TFRecordDataset(f"/dev/fd/{descriptor}").as_numpy_iterator()
        # Records keep the mapping of a decompressed file, which outlives its descriptor.
        mapped = (
            None if descriptor == file_descriptor else mmap.mmap(descriptor, 0, prot=mmap.PROT_READ)
        )
        offset, stop = _HEADER_BYTES, math.inf if shard.take is None else shard.skip + shard.take
        try:
            for index, length in enumerate(lengths):
                content = next(contents)
                if shard.skip <= index < stop:
                    record_name = f"record {index + 1} of {name}"
                    yield Record(record_name, shard.file, mapped, offset, length, content)
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
