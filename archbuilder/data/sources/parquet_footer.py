"""Counts the values in the row groups of a Parquet file, from its footer.

pyarrow gives the same counts as `metadata.row_group(i).column(j).num_values`. But where a file has
damaged size statistics, that call ends the process: ColumnChunkMetaData throws a C++ exception, and
pyarrow's Cython declaration (`ColumnChunk` in libparquet.pxd of pyarrow 26) lets none through.

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
"""What `row_groups` raises for a damaged footer: a missing field, or one of another type."""

_ThriftStruct: TypeAlias = dict[int, object]
_TAIL_BYTES: Final = 8
"""The length of the footer in four bytes, and PAR1."""


@dataclass(frozen=True, slots=True)
class RowGroup:
    """The rows of a group, and the values in each of its columns by the column's path."""

    rows: int
    values: tuple[tuple[str, int], ...]


def row_groups(descriptor: int) -> Iterator[RowGroup]:
    """List the row groups of a file that pyarrow could open.

    Raises:
        FOOTER_ERRORS: if the footer is damaged.
    """
    end = os.fstat(descriptor).st_size - _TAIL_BYTES
    length = int.from_bytes(os.pread(descriptor, 4, end), "little")
    footer = _CompactReader(os.pread(descriptor, length, max(end - length, 0))).read_struct()
    for group in cast(list[_ThriftStruct], footer.get(4, [])):
        columns = (cast(_ThriftStruct, column[3]) for column in cast(list[_ThriftStruct], group[1]))
        values = tuple(
            (b".".join(cast(list[bytes], column[3])).decode(), cast(int, column[5]))
            for column in columns
        )
        yield RowGroup(cast(int, group[3]), values)


@dataclass(slots=True)
class _CompactReader:
    """Reads values in Thrift's compact protocol, one behind the other."""

    content: bytes
    offset: int = 0

    def read_struct(self) -> _ThriftStruct:
        """Fields by their numbers, each with a byte of its number and its type in front."""
        fields: _ThriftStruct = {}
        field_id = 0
        while header := self._read_byte():
            field_id = field_id + (header >> 4) if header >> 4 else self._read_integer()
            type_id = header & 15
            # A field of a boolean has its value in the place of its type.
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
        """An unsigned integer, seven bits a byte and the lowest first."""
        number = shift = 0
        while (byte := self._read_byte()) > 127:
            number |= (byte & 127) << shift
            shift += 7
        return number | byte << shift

    def _read_integer(self) -> int:
        """A signed integer, whose sign is the lowest bit."""
        number = self._read_varint()
        return number >> 1 ^ -(number & 1)
