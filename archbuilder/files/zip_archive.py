"""Read zip archives, which `.npz` and `.keras` files are, with errors that name the file."""

from __future__ import annotations

import lzma
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, Final

from archbuilder.files.parser_errors import ErrorTypes, parser_errors

ZIP_ERRORS: Final[ErrorTypes] = (
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    EOFError,
    OSError,
    RuntimeError,  # encrypted members; its subclass NotImplementedError: unknown compression
    ValueError,  # negative offsets, and names that are not UTF-8
    OverflowError,
)


@dataclass(frozen=True, slots=True)
class ZipMember:
    """An open member. `size` is the number of bytes that the archive announces for it."""

    size: int
    compressed_size: int
    _stream: IO[bytes]
    _message: str

    def read(self, size: int = -1, /) -> bytes:
        """Return up to `size` bytes; the checksum is verified at the end of the member.

        Raises:
            RunError: if the member is damaged.
        """
        with parser_errors(ZIP_ERRORS, self._message):
            return self._stream.read(size)


@dataclass(frozen=True, slots=True)
class ZipArchive:
    """An open archive."""

    _archive: zipfile.ZipFile
    _message: str

    @classmethod
    @contextmanager
    def open_archive(cls, file: IO[bytes], message: str) -> Iterator[ZipArchive]:
        """Open an archive; `message` is the beginning of all its errors.

        Raises:
            RunError: if it is damaged, or not an archive.
        """
        with parser_errors(ZIP_ERRORS, message):
            archive = zipfile.ZipFile(file)
        # Outside of the guard: errors of the caller's block are not those of the archive.
        with archive:
            yield cls(archive, message)

    def names(self) -> list[str]:
        """Return the names of the members, in the order of the archive."""
        return self._archive.namelist()

    @contextmanager
    def member(self, name: str) -> Iterator[ZipMember]:
        """Open a member that is in `names()`.

        Raises:
            RunError: if it is damaged, encrypted, or its compression is not supported.
        """
        info = self._archive.getinfo(name)
        with parser_errors(ZIP_ERRORS, self._message):
            stream = self._archive.open(info)
        with stream:
            yield ZipMember(info.file_size, info.compress_size, stream, self._message)
