"""Check the heaps of an HDF5 file, in which damage makes the library hang.

A global heap stores the texts of attributes, and HDF5 1.14 walks its objects by their sizes. An
object of size 0 makes this walk endless (https://github.com/HDFGroup/hdf5/issues/1707). A local
heap stores the names in a group, and HDF5 walks its free blocks by their offsets. A block that is
its own successor makes that walk endless. No exception or Python signal handler can interrupt them.
"""

from __future__ import annotations

import mmap
import struct
from typing import Final

_SIGNATURE: Final = b"\x89HDF\r\n\x1a\n"
_SIZE_OFFSETS: Final = {0: 13, 1: 13, 2: 9, 3: 9}
"""Position in the superblock of the sizes of offsets and lengths, by superblock version."""
_GLOBAL_HEAP_SIGNATURE: Final = b"GCOL\x01"
"""Signature and version of a global heap; there is only one version."""
_LOCAL_HEAP_SIGNATURE: Final = b"HEAP\x00\x00\x00\x00"
_END_OF_FREE_LIST: Final = 1
"""Next offset in the last free block of a local heap."""
_MAX_OBJECTS: Final = 1_000_000
"""Maximum number of objects in all heaps; Keras writes a few for each layer."""
_HEADER_BYTES: Final = 16
"""Size of the header of a global heap, of each object in it, and of a free block."""


def find_damage(descriptor: int) -> str | None:
    """Return what is wrong with an open file, or None if it is safe to open with HDF5."""
    try:
        mapping = mmap.mmap(descriptor, 0, access=mmap.ACCESS_READ)
    except ValueError:
        return "it is empty"
    with mapping as content:
        # HDF5 also accepts files in which a user block precedes the signature. Keras writes none.
        if content[:8] != _SIGNATURE or len(content) < _HEADER_BYTES:
            return "it is not an HDF5 file"
        offset = _SIZE_OFFSETS.get(content[8])
        # Offsets and lengths of 8 bytes, as Keras writes them; the formats below depend on it.
        if offset is None or content[offset : offset + 2] != b"\x08\x08":
            return "its version of HDF5 is unknown"
        # Heaps are found by their signatures, without parsing the structure of the file. The values
        # of a weight may contain a signature by chance, so that only clear damage is an error.
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
    """Count the objects of a global heap; None if the walk over them would not end."""
    offset = heap + _HEADER_BYTES
    end = heap + int.from_bytes(content[heap + 8 : offset], "little")
    # HDF5 itself rejects a heap that ends after the file. Or it is part of a weight.
    if end > len(content):
        return 0
    for count in range(maximum):
        if offset + _HEADER_BYTES > end:
            return count
        index, size = struct.unpack_from("<H6xQ", content, offset)
        # The size of the free object (index 0) includes its header. Those of the others do not, and
        # their content is padded to a multiple of 8 bytes.
        step = size if index == 0 else _HEADER_BYTES + (size + 7) // 8 * 8
        if step < _HEADER_BYTES or offset + step > end:
            return None
        offset += step
    return None


def _count_free_blocks(content: mmap.mmap, heap: int, maximum: int) -> int | None:
    """Count the free blocks of a local heap; None if the walk over them would not end."""
    if heap + 4 * 8 > len(content):
        return 0
    size, offset, address = struct.unpack_from("<QQQ", content, heap + 8)
    # A heap has no more blocks than fit into it, unless they form a loop.
    for count in range(min(maximum, size // _HEADER_BYTES + 1)):
        # HDF5 itself rejects a block outside of its heap.
        if (
            offset == _END_OF_FREE_LIST
            or offset + _HEADER_BYTES > size
            or address + offset + 8 > len(content)
        ):
            return count
        (offset,) = struct.unpack_from("<Q", content, address + offset)
    return None
