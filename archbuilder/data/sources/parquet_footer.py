"""Counts and sizes of the values in the row groups of a Parquet file, from its footer.

pyarrow has the same as `metadata.row_group(i).column(j).num_values`. But if a file has
damaged size statistics, that call aborts the process: ColumnChunkMetaData throws a C++ exception,
which pyarrow's Cython declaration (`ColumnChunk` in libparquet.pxd of pyarrow 26) does not catch.

The footer is the struct FileMetaData of parquet-format's `parquet.thrift`, in Thrift's compact
protocol.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, TypeAlias, cast

from archbuilder.files.parser_errors import ErrorTypes

FOOTER_ERRORS: Final[ErrorTypes] = (
    IndexError,
    KeyError,
    TypeError,
    AttributeError,
    UnicodeDecodeError,
    RecursionError,
)
"""Exceptions of `row_groups` for a damaged footer: fields are missing or have another type."""

_ThriftStruct: TypeAlias = dict[int, object]
_TAIL_BYTES: Final = 8
"""The length of the footer as four bytes, and the magic bytes `PAR1`."""


@dataclass(frozen=True, slots=True)
class ColumnChunk:
    """A column of a row group: its path, and the number and size of its values."""

    path: str
    num_values: int
    num_bytes: int
    """Size before compression."""


@dataclass(frozen=True, slots=True)
class RowGroup:
    """Number of rows of a group, and its columns."""

    rows: int
    columns: tuple[ColumnChunk, ...]


def row_groups(descriptor: int) -> Iterator[RowGroup]:
    """Yield the row groups of a file that pyarrow has opened.

    Raises:
        FOOTER_ERRORS: if the footer is damaged.
    """
    end = os.fstat(descriptor).st_size - _TAIL_BYTES
    length = int.from_bytes(os.pread(descriptor, 4, end), "little")
    footer = _CompactReader(os.pread(descriptor, length, max(end - length, 0))).read_struct()
    # Field ids of parquet.thrift: FileMetaData has 4 row_groups, RowGroup 1 columns and 3 num_rows,
    # ColumnChunk 3 meta_data, and ColumnMetaData 3 path_in_schema, 5 num_values and
    # 6 total_uncompressed_size.
    for group in cast(list[_ThriftStruct], footer.get(4, [])):
        columns = (cast(_ThriftStruct, column[3]) for column in cast(list[_ThriftStruct], group[1]))
        chunks = tuple(
            ColumnChunk(
                b".".join(cast(list[bytes], column[3])).decode(),
                cast(int, column[5]),
                cast(int, column[6]),
            )
            for column in columns
        )
        yield RowGroup(cast(int, group[3]), chunks)


@dataclass(slots=True)
class _CompactReader:
    """Sequential reader of Thrift's compact protocol (thrift-compact-protocol.md of Thrift)."""

    content: bytes
    offset: int = 0

    def read_struct(self) -> _ThriftStruct:
        """Read a struct as a mapping from field ids to values."""
        fields: _ThriftStruct = {}
        field_id = 0
        while header := self._read_byte():
            # The high four bits are the distance to the previous id; 0 means that the id follows.
            field_id = field_id + (header >> 4) if header >> 4 else self._read_integer()
            type_id = header & 15
            # A boolean field has its value in its type: 1 is true, 2 is false.
            fields[field_id] = type_id == 1 if type_id in (1, 2) else self._read_value(type_id)
        return fields

    def _read_value(self, type_id: int) -> object:
        match type_id:
            case 1 | 2 | 3:
                return self._read_byte()
            case 4 | 5 | 6:
                return self._read_integer()
            case 7:
                return self._read_bytes(8)
            case 8:
                return self._read_bytes(self._read_varint())
            case 9 | 10:
                header = self._read_byte()
                # The high four bits are the length; 15 means that it follows.
                count = self._read_varint() if header >> 4 == 15 else header >> 4
                return [self._read_value(header & 15) for _ in range(count)]
            case 12:
                return self.read_struct()
        raise TypeError(f"unknown type {type_id}")

    def _read_byte(self) -> int:
        self.offset += 1
        return self.content[self.offset - 1]

    def _read_bytes(self, length: int) -> bytes:
        self.offset += length
        return self.content[self.offset - length : self.offset]

    def _read_varint(self) -> int:
        """Read an unsigned LEB128 integer: seven bits per byte, lowest first."""
        number = shift = 0
        while (byte := self._read_byte()) > 127:
            number |= (byte & 127) << shift
            shift += 7
        return number | byte << shift

    def _read_integer(self) -> int:
        """Read a zigzag integer, whose lowest bit is the sign."""
        number = self._read_varint()
        return number >> 1 ^ -(number & 1)
