"""Images and labels in the IDX format of MNIST, compressed or not.

A file is two zero bytes, the type of its numbers, how many axes there are, the length of each axis
as a big-endian 32-bit number, and the numbers.
"""

from __future__ import annotations

import math
import os
import struct
import zlib
from gzip import BadGzipFile, GzipFile
from io import BufferedReader
from typing import IO, Final

import numpy as np

from archbuilder.errors import RunError, shown
from archbuilder.recipe.sources import DataFile, Idx
from archbuilder.training.columns import Column
from archbuilder.training.examples import ONLY, Examples, Feature
from archbuilder.training.opening import Opener
from archbuilder.training.sources.gathering import Gathering, Store

_TYPES: Final = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
_GZIP: Final = b"\x1f\x8b"
_IMAGE_AXES: Final = (3, 4)
_BRIGHTEST: Final = 255
_AT_ONCE: Final = 2**22


def load_idx(source: Idx, opener: Opener, store: Store) -> Examples:
    """The images and labels of two files, or of as many files of images as of labels.

    Raises:
        RunError: if a file is damaged, or holds something else.
    """
    feature = load_idx_images(source.images, source.scale, opener, store)
    labels = _column(source.labels, opener, store)
    name = shown(source.images.path, 200)
    if labels.shape:
        raise RunError(
            f"{shown(source.labels.path, 200)} has {len(labels.shape) + 1} axes, not one label each"
        )
    return Examples(name, {ONLY: feature}, {ONLY: labels})


def load_idx_images(file: DataFile, scale: float | None, opener: Opener, store: Store) -> Feature:
    """The images of a file, whose brightest value is `scale` or, of bytes, 255.

    Raises:
        RunError: if it is damaged, or holds something else.
    """
    images = _column(file, opener, store)
    if len(images.shape) + 1 not in _IMAGE_AXES:
        name = shown(file.path, 200)
        raise RunError(f"{name} has {len(images.shape) + 1} axes, which is not a list of images")
    bright = _BRIGHTEST if images.dtype == np.uint8 else None
    return Feature(images, scale=scale or bright, image=True)


def _column(file: DataFile, opener: Opener, store: Store) -> Column:
    gathering = store.column(shown(file.path, 200))
    for each in opener.each(file):
        with opener.opened(each) as descriptor, os.fdopen(os.dup(descriptor), "rb") as raw:
            _read(raw, shown(each.path, 200), gathering, store)
    return gathering.column()


def _read(raw: BufferedReader, name: str, gathering: Gathering, store: Store) -> None:
    stream = GzipFile(fileobj=raw) if raw.peek(2)[:2] == _GZIP else raw
    try:
        kind, shape = _header(stream, name)
        dtype = np.dtype(_TYPES[kind])
        one = math.prod(shape[1:])
        wanted = shape[0] * one * dtype.itemsize
        store.check(wanted, name)
        read = 0
        while read < wanted:
            rows = max(_AT_ONCE // max(one * dtype.itemsize, 1), 1) * one * dtype.itemsize
            data = stream.read(min(rows, wanted - read))
            read += len(data)
            if len(data) % max(one * dtype.itemsize, 1) or not data:
                break
            values = np.frombuffer(data, dtype).reshape(-1, *shape[1:])
            gathering.add(values.astype(dtype.newbyteorder("="), copy=False))
        # A byte behind its end tells a file that goes on.
        more = len(stream.read(1))
    except (BadGzipFile, EOFError, zlib.error) as error:
        raise RunError(f"{name} is damaged: {error}") from error
    except OSError as error:
        raise RunError(f"cannot read {name}: {error.strerror or error}") from error
    if read != wanted or more:
        other = "more" if more else "less"
        raise RunError(f"{name} is damaged: it has {other} than the {wanted} bytes it announces")


def _header(stream: IO[bytes] | GzipFile, name: str) -> tuple[int, tuple[int, ...]]:
    magic = stream.read(4)
    if len(magic) < 4 or magic[:2] != b"\0\0" or magic[2] not in _TYPES or not magic[3]:
        raise RunError(f"{name} is no IDX file: it begins with {magic.hex(' ') or 'nothing'}")
    lengths = stream.read(4 * magic[3])
    if len(lengths) < 4 * magic[3]:
        raise RunError(f"{name} is damaged: it ends within its head")
    return magic[2], struct.unpack(f">{magic[3]}I", lengths)
