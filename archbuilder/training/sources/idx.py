"""Images and labels in the IDX format of MNIST, compressed or not.

A file is two zero bytes, the type of its numbers, how many axes there are, the length of each axis
as a big-endian 32-bit number, and the numbers.
"""

from __future__ import annotations

import io
import math
import struct
import zlib
from gzip import BadGzipFile, GzipFile
from typing import Final

import numpy as np

from archbuilder.errors import RunError, shown
from archbuilder.recipe.spec import DataFile, Idx
from archbuilder.training.columns import Held, Numbers
from archbuilder.training.examples import ONLY, Examples, Feature
from archbuilder.training.opening import Opener, check_size

_TYPES: Final = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
_GZIP: Final = b"\x1f\x8b"
_IMAGE_AXES: Final = (3, 4)
_BRIGHTEST: Final = 255


def load_idx(source: Idx, opener: Opener) -> Examples:
    """The images and labels of two files.

    Raises:
        RunError: if a file is damaged, or holds something else.
    """
    feature = load_idx_images(source.images, source.scale, opener)
    labels = _read(source.labels, opener)
    name = shown(source.images.path, 200)
    if labels.ndim != 1:
        raise RunError(
            f"{shown(source.labels.path, 200)} has {labels.ndim} axes, not one label each"
        )
    return Examples(name, {ONLY: feature}, {ONLY: Held(labels)})


def load_idx_images(file: DataFile, scale: float | None, opener: Opener) -> Feature:
    """The images of a file, whose brightest value is `scale` or, of bytes, 255.

    Raises:
        RunError: if it is damaged, or holds something else.
    """
    images = _read(file, opener)
    if images.ndim not in _IMAGE_AXES:
        name = shown(file.path, 200)
        raise RunError(f"{name} has {images.ndim} axes, which is not a list of images")
    bright = _BRIGHTEST if images.dtype == np.uint8 else None
    return Feature(Held(images), scale=scale or bright, image=True)


def _read(file: DataFile, opener: Opener) -> Numbers:
    name = shown(file.path, 200)
    packed = opener.read(file)
    raw = io.BytesIO(packed)
    stream: io.BytesIO | GzipFile = GzipFile(fileobj=raw) if packed[:2] == _GZIP else raw
    try:
        kind, shape = _header(stream, name)
        dtype = np.dtype(_TYPES[kind])
        wanted = math.prod(shape) * dtype.itemsize
        check_size(wanted, name)
        # One byte more than announced tells a file that goes on behind its end.
        data = stream.read(wanted + 1)
    except (BadGzipFile, EOFError, zlib.error) as error:
        raise RunError(f"{name} is damaged: {error}") from error
    if len(data) != wanted:
        more = "more" if len(data) > wanted else "less"
        raise RunError(f"{name} is damaged: it has {more} than the {wanted} bytes it announces")
    array = np.frombuffer(data, dtype).reshape(shape)
    return array.astype(dtype.newbyteorder("="), copy=False)


def _header(stream: io.BytesIO | GzipFile, name: str) -> tuple[int, tuple[int, ...]]:
    magic = stream.read(4)
    if len(magic) < 4 or magic[:2] != b"\0\0" or magic[2] not in _TYPES or not magic[3]:
        raise RunError(f"{name} is no IDX file: it begins with {magic.hex(' ') or 'nothing'}")
    lengths = stream.read(4 * magic[3])
    if len(lengths) < 4 * magic[3]:
        raise RunError(f"{name} is damaged: it ends within its head")
    return magic[2], struct.unpack(f">{magic[3]}I", lengths)
