"""Checks the parts of an HDF5 file in which damage hangs the library.

HDF5 1.14 walks the objects of a global heap, which has the texts of attributes, by their sizes, and
the free blocks of a local heap, which has the names of a group, by their offsets. A free object of
size 0 makes the one walk endless (https://github.com/HDFGroup/hdf5/issues/1707), a block that
follows itself the other, and no exception can interrupt them.
"""

from __future__ import annotations

import mmap
import struct
from typing import Final

_SIGNATURE: Final = b"\x89HDF\r\n\x1a\n"
_SIZE_OFFSETS: Final = {0: 13, 1: 13, 2: 9, 3: 9}
"""Where the superblock has the sizes of offsets and lengths, by its version."""
_GLOBAL_HEAP_SIGNATURE: Final = b"GCOL\x01"
"""How a global heap begins, in the one version that there is."""
_LOCAL_HEAP_SIGNATURE: Final = b"HEAP\x00\x00\x00\x00"
_END_OF_FREE_LIST: Final = 1
"""What stands in the place of an offset in the last free block of a local heap."""
_MAX_OBJECTS: Final = 1_000_000
"""In all heaps; Keras writes some for each layer."""
_HEADER_BYTES: Final = 16
"""The bytes in front of the objects of a heap, and in front of the content of each object."""


def find_damage(descriptor: int) -> str | None:
    """Return what is wrong with an open file; None where HDF5 can be trusted with it."""
    try:
        mapping = mmap.mmap(descriptor, 0, access=mmap.ACCESS_READ)
    except ValueError:
        return "it is empty"
    with mapping as content:
        # HDF5 would also look for it behind other content, which Keras does not write.
        if content[:8] != _SIGNATURE or len(content) < _HEADER_BYTES:
            return "it is not an HDF5 file"
        offset = _SIZE_OFFSETS.get(content[8])
        if offset is None or content[offset : offset + 2] != b"\x08\x08":
            return "it is of an unknown version of HDF5"
        remaining = _MAX_OBJECTS
        for signature, count in (
            (_GLOBAL_HEAP_SIGNATURE, _count_objects),
            (_LOCAL_HEAP_SIGNATURE, _count_free_blocks),
        ):
            heap = content.find(signature)
            while heap >= 0:
                objects = count(content, heap, remaining)
                if objects is None:
                    return f"its heap at byte {heap} is damaged"
                remaining -= objects
                heap = content.find(signature, heap + 1)
    return None


def _count_objects(content: mmap.mmap, heap: int, maximum: int) -> int | None:
    """Walk over the objects of a heap and count them; None if the walk does not come to an end.

    A heap that ends behind the file is refused by HDF5 itself, and may as well be a piece of a
    weight that looks like one.
    """
    offset = heap + _HEADER_BYTES
    end = heap + int.from_bytes(content[heap + 8 : offset], "little")
    if end > len(content):
        return 0
    for count in range(maximum):
        if offset + _HEADER_BYTES > end:
            return count
        index, size = struct.unpack_from("<H6xQ", content, offset)
        # The size of a free object, whose index is 0, includes its head.
        step = size if index == 0 else _HEADER_BYTES + (size + 7) // 8 * 8
        if step < _HEADER_BYTES or offset + step > end:
            return None
        offset += step
    return None


def _count_free_blocks(content: mmap.mmap, heap: int, maximum: int) -> int | None:
    """Walk over the free blocks of a local heap and count them; None if that has no end."""
    if heap + 4 * 8 > len(content):
        return 0
    size, offset, address = struct.unpack_from("<QQQ", content, heap + 8)
    for count in range(min(maximum, size // _HEADER_BYTES + 1)):
        # HDF5 refuses a block outside of its heap itself.
        if (
            offset == _END_OF_FREE_LIST
            or offset + _HEADER_BYTES > size
            or address + offset + 8 > len(content)
        ):
            return count
        (offset,) = struct.unpack_from("<Q", content, address + offset)
    return None
