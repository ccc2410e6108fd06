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

from archbuilder.parser_errors import Errors

FOOTER_ERRORS: Final[Errors] = (
    IndexError,
    KeyError,
    TypeError,
    AttributeError,
    UnicodeDecodeError,
    RecursionError,
)
"""What `row_groups` raises for a damaged footer: a missing field, or one of another type."""

_Fields: TypeAlias = dict[int, object]
_TAIL: Final = 8
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
    end = os.fstat(descriptor).st_size - _TAIL
    length = int.from_bytes(os.pread(descriptor, 4, end), "little")
    footer = _Compact(os.pread(descriptor, length, max(end - length, 0))).struct()
    for group in cast(list[_Fields], footer.get(4, [])):
        columns = (cast(_Fields, column[3]) for column in cast(list[_Fields], group[1]))
        values = tuple(
            (b".".join(cast(list[bytes], column[3])).decode(), cast(int, column[5]))
            for column in columns
        )
        yield RowGroup(cast(int, group[3]), values)


@dataclass(slots=True)
class _Compact:
    """Reads values in Thrift's compact protocol, one behind the other."""

    content: bytes
    place: int = 0

    def struct(self) -> _Fields:
        """Fields by their numbers, each with a byte of its number and its type in front."""
        fields: _Fields = {}
        number = 0
        while head := self._byte():
            number = number + (head >> 4) if head >> 4 else self._integer()
            kind = head & 15
            # A field of a boolean has its value in the place of its type.
            fields[number] = kind == 1 if kind in (1, 2) else self._value(kind)
        return fields

    def _value(self, kind: int) -> object:
        match kind:
            case 1 | 2 | 3:
                return self._byte()
            case 4 | 5 | 6:
                return self._integer()
            case 7:
                return self._bytes(8)
            case 8:
                return self._bytes(self._varint())
            case 9 | 10:
                head = self._byte()
                count = self._varint() if head >> 4 == 15 else head >> 4
                return [self._value(head & 15) for _ in range(count)]
            case 12:
                return self.struct()
        raise TypeError(f"unknown type {kind}")

    def _byte(self) -> int:
        self.place += 1
        return self.content[self.place - 1]

    def _bytes(self, length: int) -> bytes:
        self.place += length
        return self.content[self.place - length : self.place]

    def _varint(self) -> int:
        """An unsigned integer, seven bits a byte and the lowest first."""
        number = shift = 0
        while (byte := self._byte()) > 127:
            number |= (byte & 127) << shift
            shift += 7
        return number | byte << shift

    def _integer(self) -> int:
        """A signed integer, whose sign is the lowest bit."""
        number = self._varint()
        return number >> 1 ^ -(number & 1)
