"""Read the lengths of the texts of an HDF5 attribute, before HDF5 allocates memory for them.

The value of an attribute of variable-length texts is a list of descriptors: the length of a text,
and its position in a global heap. HDF5 1.14 allocates and clears a buffer of that length, up to
4 GiB, before it looks at the heap (`H5T__conv_vlen`). It has no function that returns the lengths
of an attribute, so that they are read here from the object header that contains it.

Source: HDF5 File Format Specification Version 3.0, sections II.A, IV.A.1 and IV.A.2
(https://support.hdfgroup.org/documentation/hdf5/latest/_f_m_t3.html).
"""

from __future__ import annotations

import mmap
import struct
from collections.abc import Iterator
from typing import Final

_BASE_ADDRESS_OFFSETS: Final = {0: 24, 1: 28, 2: 12, 3: 12}
"""Position in the superblock of the address that all others are relative to, by its version."""
_EXTENSION_OFFSET: Final = 20
"""Position of the address of the superblock extension, from version 2 on."""
_UNDEFINED_ADDRESS: Final = b"\xff" * 8
_MAX_MESSAGES: Final = 1000
"""Maximum number of messages in an object header; Keras writes about ten."""
_CONTINUATION: Final = 0x10
_ATTRIBUTE: Final = 0x0C
_ATTRIBUTE_INFO: Final = 0x15
_IS_SHARED: Final = 0x02
"""Flag of a message that is stored elsewhere."""
_DATATYPE: Final = struct.Struct("<BB2xIB3xI")
"""Class (9), kind (1: text) and size of a variable-length type; class (0: integer) and size of its
elements."""
_DESCRIPTOR: Final = struct.Struct("<I12x")
"""The length of a text; its position in the heap follows."""


def count_text_bytes(descriptor: int, header: int, attribute: str) -> int | None:
    """Return the total length of the texts of an attribute, as the file declares it.

    `header` is the address of an object header in an open file. The result is None if the header
    is damaged, or if HDF5 might find the attribute elsewhere: Keras uses no dense storage of
    attributes, no shared messages or datatypes, and no extension of the superblock, which can
    contain other versions of headers (a "cache image").
    """
    with mmap.mmap(descriptor, 0, access=mmap.ACCESS_READ) as content:
        try:
            # Addresses have to be positions in the file, and no header may have a second version.
            version = content[8]
            base = _BASE_ADDRESS_OFFSETS[version]
            extension = content[_EXTENSION_OFFSET : _EXTENSION_OFFSET + 8]
            if content[base : base + 8] != bytes(8):
                return None
            if version >= 2 and extension != _UNDEFINED_ADDRESS:
                return None
            values = list(_find_values(content, header, attribute.encode()))
        except (struct.error, ValueError):
            return None
    if not values:
        return None
    # HDF5 uses the first attribute of a name. There is only one in a file that is not damaged.
    return sum(length for value in values for (length,) in _DESCRIPTOR.iter_unpack(value))


def _find_values(content: mmap.mmap, header: int, name: bytes) -> Iterator[bytes]:
    """Yield the descriptors of all attributes of a name; ValueError if they are not texts."""
    for message_type, flags, data in _iter_messages(content, header):
        if message_type == _ATTRIBUTE_INFO:
            # Attributes in dense storage are in the fractal heap at this address.
            (has_order,) = struct.unpack_from("<xB", data)
            start = 4 if has_order & 1 else 2
            if data[start : start + 8] != _UNDEFINED_ADDRESS:
                raise ValueError("dense storage")
        elif message_type == _ATTRIBUTE:
            if flags & _IS_SHARED:
                raise ValueError("a shared message")
            version, shared_parts, *sizes = struct.unpack_from("<BBHHH", data)
            if version not in (1, 2, 3):
                raise ValueError("an unknown version")
            # Version 3 has the encoding of the name here. Version 1 pads each part to 8 bytes.
            start, alignment = (9 if version == 3 else 8), (8 if version == 1 else 1)
            parts = []
            for size in sizes:
                parts.append(data[start : start + size])
                start += -(-size // alignment) * alignment
            if parts[0].partition(b"\0")[0] == name:
                # Variable-length text with characters of one byte. The upper halves of these bytes
                # are versions, and the padding of the text.
                type_class, kind, size, element, element_size = _DATATYPE.unpack_from(parts[1])
                classes = (type_class & 15, kind & 15, element & 15)
                is_text = classes == (9, 1, 0) and (size, element_size) == (_DESCRIPTOR.size, 1)
                if shared_parts or not is_text:
                    raise ValueError("not a text")
                # The padding behind the last descriptor is shorter than a descriptor.
                value = data[start:]
                yield value[: len(value) // _DESCRIPTOR.size * _DESCRIPTOR.size]


def _iter_messages(content: mmap.mmap, header: int) -> Iterator[tuple[int, int, bytes]]:
    """Yield the type, the flags and the data of each message of an object header.

    Raises:
        ValueError, struct.error: if the header is damaged.
    """
    is_version_2 = content[header : header + 4] == b"OHDR"
    if is_version_2:
        version, flags = struct.unpack_from("<BB", content, header + 4)
        # Optional fields: four times, and the numbers of attributes at which their storage changes.
        start = header + 6 + (16 if flags & 0x20 else 0) + (4 if flags & 0x10 else 0)
        size_bytes = 1 << (flags & 3)
        first_size = int.from_bytes(content[start : start + size_bytes], "little")
        chunks = [(start + size_bytes, first_size)]
        # With bit 2, each message has its position in the order of creation.
        head = struct.Struct("<BHB2x" if flags & 4 else "<BHB")
    else:
        version, first_size = struct.unpack_from("<B7xI4x", content, header)
        chunks = [(header + 16, first_size)]
        head = struct.Struct("<HHB3x")
    if version != (2 if is_version_2 else 1):
        raise ValueError("an unknown version")
    remaining = _MAX_MESSAGES
    # The list grows in the loop.
    for chunk, size in chunks:
        position, end = chunk, chunk + size
        if size < 0 or end > len(content):
            raise ValueError("outside of the file")
        # Version 2 may leave a gap at the end that is too small for a message.
        while position + head.size <= end:
            message_type, length, flags = head.unpack_from(content, position)
            position += head.size + length
            remaining -= 1
            if position > end or remaining == 0:
                raise ValueError("a message too long, or one too many")
            data = content[position - length : position]
            if message_type == _CONTINUATION:
                address, bytes_there = struct.unpack_from("<QQ", data)
                # Version 2 has a signature and a checksum around the messages.
                chunks.append(
                    (address + 4, bytes_there - 8) if is_version_2 else (address, bytes_there)
                )
            yield message_type, flags, data
