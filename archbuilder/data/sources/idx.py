"""Images and labels in the IDX format of MNIST, with or without gzip compression.

A file consists of two zero bytes, a byte for the dtype, a byte for the number of axes, the length
of each axis as a big-endian 32-bit integer, and the values in C order.
"""

from __future__ import annotations

import math
import os
import struct
from dataclasses import dataclass, replace
from gzip import GzipFile
from io import BufferedReader
from typing import Final

import numpy as np

from archbuilder.config.sources import DataPath, Idx
from archbuilder.data.columns import Column
from archbuilder.data.provenance import ColumnOrigin
from archbuilder.data.source_dataset import UNNAMED, SourceDataset
from archbuilder.data.sources.disk_columns import check_example_size
from archbuilder.data.sources.load_context import LoadContext
from archbuilder.data.sources.npy_header import array_feature, lookup_scale
from archbuilder.diagnostics.errors import RunError, quote
from archbuilder.files.parser_errors import GZIP_ERRORS, parser_errors
from archbuilder.formatting import plural

# The codes of the format, https://yann.lecun.com/exdb/mnist. Values are big-endian.
_DTYPES: Final = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
_GZIP_MAGIC: Final = b"\x1f\x8b"
# With the axis of examples: gray images, and images with channels.
_IMAGE_RANKS: Final = (3, 4)
_CHUNK_BYTES: Final = 2**22


def load_idx(source: Idx, context: LoadContext) -> SourceDataset:
    """Load images and their labels. Each path may be a pattern that matches several files.

    Raises:
        RunError: if a file is damaged, or does not contain images or labels.
    """
    name = quote(source.images.path, 200)
    images = _read_column(source.images, context)
    if len(images.shape) + 1 not in _IMAGE_RANKS:
        axes = plural(len(images.shape) + 1, "axis", "axes")
        raise RunError(f"{name} has {axes}, which is not a list of images")
    feature = array_feature(
        images,
        source.divide_by,
        ColumnOrigin.for_array(name),
        lookup_scale(context.fitted, UNNAMED),
    )
    targets: dict[str, Column] = {}
    if source.labels is not None:
        targets[UNNAMED] = labels = _read_column(source.labels, context)
        if labels.shape:
            raise RunError(
                f"{quote(source.labels.path, 200)} has {len(labels.shape) + 1} axes, not one label"
                " each"
            )
    return SourceDataset(
        name,
        {UNNAMED: replace(feature, image=True)},
        targets,
        target_description="the label of an image",
    )


def _read_column(file: DataPath, context: LoadContext) -> Column:
    """Read the files that a path matches into one column, in alphabetical order."""
    opener, writer = context.opener, context.store.create_writer(quote(file.path, 200))
    for data_file in opener.match_files(file):
        # A duplicate, since the file object closes its descriptor and the opener closes its own.
        with opener.open_file(data_file) as descriptor, os.fdopen(os.dup(descriptor), "rb") as raw:
            # By content and not by name: MNIST is distributed both as `.gz` and unpacked.
            content = GzipFile(fileobj=raw) if raw.peek(2)[:2] == _GZIP_MAGIC else raw
            name = quote(data_file.path, 200)
            stream = _Stream(content, name)
            dtype, shape = _read_header(stream)
            row_bytes = math.prod(shape[1:]) * dtype.itemsize
            total_bytes = shape[0] * row_bytes
            # The header decides how much is read: check its numbers before any memory is allocated.
            context.store.check_free_space(total_bytes, name)
            check_example_size(row_bytes, name)
            chunk_bytes = max(_CHUNK_BYTES // row_bytes, 1) * row_bytes
            bytes_read = 0
            while bytes_read < total_bytes:
                data = stream.read(min(chunk_bytes, total_bytes - bytes_read))
                bytes_read += len(data)
                if len(data) % row_bytes or not data:
                    break
                # Native byte order: for numpy, `>f4` and `<f4` are different dtypes.
                values = np.frombuffer(data, dtype).reshape(-1, *shape[1:])
                writer.add(values.astype(dtype.newbyteorder("="), copy=False))
            # One more byte shows whether the file continues. At the end, it also makes gzip verify
            # its CRC.
            trailing = len(stream.read(1))
            if bytes_read != total_bytes or trailing:
                comparison = "more" if trailing else "less"
                raise RunError(
                    f"{name} is damaged: it has {comparison} than the {total_bytes} bytes in its"
                    " header"
                )
    return writer.to_column()


@dataclass(frozen=True, slots=True)
class _Stream:
    """The decompressed content of a file."""

    file: BufferedReader | GzipFile
    name: str

    def read(self, size: int) -> bytes:
        with parser_errors(GZIP_ERRORS, f"{self.name} is damaged"):
            return self.file.read(size)


def _read_header(stream: _Stream) -> tuple[np.dtype[np.generic], tuple[int, ...]]:
    magic = stream.read(4)
    if len(magic) < 4 or magic[:2] != b"\0\0" or magic[2] not in _DTYPES or not magic[3]:
        raise RunError(
            f"{stream.name} is not an IDX file: it starts with {magic.hex(' ') or 'nothing'}"
        )
    axes = magic[3]
    if axes > max(_IMAGE_RANKS):
        raise RunError(f"{stream.name} has {axes} axes, which is not a list of images")
    lengths = stream.read(4 * axes)
    if len(lengths) < 4 * axes:
        raise RunError(f"{stream.name} is damaged: it ends within its header")
    shape = struct.unpack(f">{axes}I", lengths)
    if 0 in shape:
        raise RunError(f"{stream.name} is empty: its shape is {list(shape)}")
    return np.dtype(_DTYPES[magic[2]]), shape
