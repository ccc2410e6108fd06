"""Arrays of numbers in `.npy` files of blueprints (`numpy.save`): their headers, without numpy.

A header is the text of a dictionary of Python. Only the three entries that numpy writes are read
from it; nothing is evaluated or unpickled.
"""

from __future__ import annotations

import hashlib
import math
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, TypeAlias

from archbuilder.diagnostics.errors import BlueprintError, Diagnostics, quote
from archbuilder.diagnostics.span import Span
from archbuilder.files.blueprint_files import file_error, resolve_within
from archbuilder.files.sandbox import SandboxPath, read_at_most

ArrayKind: TypeAlias = Literal["b", "i", "u", "f"]
"""Booleans, integers, unsigned integers, or floating numbers."""

_MAGIC: Final = b"\x93NUMPY"
# Version 3 exists only for names of structured dtypes, which are not numbers.
_LENGTH_BYTES: Final = {1: 2, 2: 4}
"""The bytes of the length of the header, by the version of the format."""
_MAX_HEADER_BYTES: Final = 10_000
"""As numpy allows."""
_MAX_RANK: Final = 15
_DTYPE: Final = re.compile(r"'descr'\s*:\s*'([<>|])([a-zA-Z]\d{0,9})[^']{0,64}'")
_ORDER: Final = re.compile(r"'fortran_order'\s*:\s*(True|False)")
_SHAPE: Final = re.compile(r"'shape'\s*:\s*\(([0-9, ]{0,1024})\)")
_RUN_DIR_FOLDER: Final = "constants"
"""Directory for arrays in a run directory."""
_MAX_AXIS: Final = 2**59
"""Far more than fits into memory; Python converts integers of any length."""
_DTYPES: Final[Mapping[str, tuple[ArrayKind, int]]] = {
    "b1": ("b", 1),
    "f2": ("f", 2),
    "f4": ("f", 4),
    "f8": ("f", 8),
    **{f"i{size}": ("i", size) for size in (1, 2, 4, 8)},
    **{f"u{size}": ("u", size) for size in (1, 2, 4, 8)},
}
"""The kind and the bytes of the numbers of each dtype."""


@dataclass(frozen=True, slots=True)
class ArrayFile:
    """An array in a file whose header was read.

    Attributes:
        file: The file, which is opened without following links.
        path_text: The path as the blueprint writes it.
        span: Where the blueprint writes it.
        shape: The shape of the array.
        kind: The kind of its numbers.
        item_bytes: The bytes of a number.
        is_big_endian: Whether the first byte of a number is the highest.
        is_fortran_order: Whether the first axis varies fastest.
        data_offset: The number of bytes before the numbers.
    """

    file: SandboxPath
    path_text: str
    span: Span
    shape: tuple[int, ...]
    kind: ArrayKind
    item_bytes: int
    is_big_endian: bool
    is_fortran_order: bool
    data_offset: int

    @property
    def size(self) -> int:
        """Number of numbers."""
        return math.prod(self.shape)

    def read(self) -> bytes:
        """Return the content of the file, header included.

        Raises:
            BlueprintError: if it cannot be read, or is not what it was when its header was read.
        """
        file_bytes = self.data_offset + self.size * self.item_bytes
        try:
            content = self.file.read(file_bytes)
        except OSError as error:
            raise file_error(error, self.file.path, self.path_text, self.span) from None
        if self != _parse_header(self.file, self.path_text, self.span, content, len(content)):
            raise _array_error(self.path_text, "was changed while it was read", self.span)
        return content

    def digest(self) -> str:
        """Return a name for the content of the file: the first digits of its SHA-256."""
        return hashlib.sha256(self.read()).hexdigest()[:32]

    def recorded_path(self) -> str:
        """Return the path of a copy of the file in a run directory.

        It follows from the content, so that a changed array is a changed blueprint.
        """
        return f"{_RUN_DIR_FOLDER}/{self.digest()}.npy"


def open_array(
    directory: SandboxPath, path_text: str, span: Span, allow_dirs: Sequence[Path]
) -> ArrayFile:
    """Read the header of a file that a blueprint names, below `directory`.

    Raises:
        BlueprintError: if the path leads elsewhere, the file cannot be read, or it is not an array
            of numbers.
    """
    file = resolve_within(directory, path_text, span, allow_dirs=allow_dirs)
    try:
        with file.open_descriptor() as descriptor:
            start = read_at_most(descriptor, _MAX_HEADER_BYTES + 12)
            file_bytes = os.fstat(descriptor).st_size
    except OSError as error:
        raise file_error(error, file.path, path_text, span) from None
    return _parse_header(file, path_text, span, start, file_bytes)


def _parse_header(
    file: SandboxPath, path_text: str, span: Span, start: bytes, file_bytes: int
) -> ArrayFile:
    """Parse the beginning of a file of `file_bytes`."""
    length_bytes = _LENGTH_BYTES.get(start[6]) if len(start) > 6 else None
    if not start.startswith(_MAGIC) or length_bytes is None:
        raise _array_error(path_text, "is not an array of numbers (.npy)", span)
    header_start = 8 + length_bytes
    header_length = int.from_bytes(start[8:header_start], "little")
    header = start[header_start : header_start + header_length].decode("latin-1")
    dtype, order, shape = (each.search(header) for each in (_DTYPE, _ORDER, _SHAPE))
    if header_length > _MAX_HEADER_BYTES or dtype is None or order is None or shape is None:
        raise _array_error(path_text, "is not an array of numbers (.npy)", span)
    if dtype[2] not in _DTYPES:
        raise _array_error(path_text, f"contains values of the dtype {dtype[2]}", span)
    kind, item_bytes = _DTYPES[dtype[2]]
    sizes = tuple(int(each) for each in shape[1].replace(",", " ").split())
    if len(sizes) > _MAX_RANK or max(sizes, default=0) > _MAX_AXIS or 0 in sizes:
        raise _array_error(path_text, f"has the shape {quote(list(sizes))}", span)
    array = ArrayFile(
        file=file,
        path_text=path_text,
        span=span,
        shape=sizes,
        kind=kind,
        item_bytes=item_bytes,
        is_big_endian=dtype[1] == ">",
        is_fortran_order=order[1] == "True",
        data_offset=header_start + header_length,
    )
    if file_bytes != array.data_offset + array.size * item_bytes:
        raise _array_error(path_text, "is damaged: its size does not match its header", span)
    return array


def _array_error(path_text: str, reason: str, span: Span) -> BlueprintError:
    diagnostics = Diagnostics()
    note = "write it with numpy.save; the numbers are booleans, integers or floating numbers"
    diagnostics.error("file-error", f"{quote(path_text)} {reason}", span, notes=(note,))
    return BlueprintError(diagnostics)
