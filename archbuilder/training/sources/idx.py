"""Images and labels in the IDX format of MNIST, compressed or not.

A file is two zero bytes, the type of its numbers, how many axes there are, the length of each axis
as a big-endian 32-bit number, and the numbers.
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

from archbuilder.errors import RunError, shown
from archbuilder.parser_errors import GZIP_ERRORS, parser_errors
from archbuilder.recipe.sources import DataFile, Idx
from archbuilder.tables import plural
from archbuilder.training.columns import Column
from archbuilder.training.examples import ONLY, Examples, Feature, Known
from archbuilder.training.opening import Opener
from archbuilder.training.provenance import Origin
from archbuilder.training.sources.arrays import array_feature, trained_scale
from archbuilder.training.sources.gathering import Gathering, Store, check_example

_TYPES: Final = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
_GZIP: Final = b"\x1f\x8b"
_IMAGE_AXES: Final = (3, 4)
_AT_ONCE: Final = 2**22


def load_idx(source: Idx, opener: Opener, store: Store, like: Known | None = None) -> Examples:
    """The images and labels of two files, or of as many files of images as of labels.

    Raises:
        RunError: if a file is damaged, or holds something else.
    """
    feature = load_idx_images(source.images, source.scale, opener, store, like)
    labels = _column(source.labels, opener, store)
    name = shown(source.images.path, 200)
    if labels.shape:
        raise RunError(
            f"{shown(source.labels.path, 200)} has {len(labels.shape) + 1} axes, not one label each"
        )
    return Examples(name, {ONLY: feature}, {ONLY: labels}, target="the label of an image")


def load_idx_images(
    file: DataFile,
    scale: float | None,
    opener: Opener,
    store: Store,
    like: Known | None = None,
) -> Feature:
    """The images of a file, whose brightest value is `scale`; see `array_feature` for bytes.

    Raises:
        RunError: if it is damaged, or holds something else.
    """
    images = _column(file, opener, store)
    if len(images.shape) + 1 not in _IMAGE_AXES:
        name = shown(file.path, 200)
        axes = plural(len(images.shape) + 1, "axis", "axes")
        raise RunError(f"{name} has {axes}, which is not a list of images")
    origin = Origin.of_array(shown(file.path, 200))
    return replace(array_feature(images, scale, origin, trained_scale(like, ONLY)), image=True)


def _column(file: DataFile, opener: Opener, store: Store) -> Column:
    gathering = store.column(shown(file.path, 200))
    for each in opener.each(file):
        with opener.opened(each) as descriptor, os.fdopen(os.dup(descriptor), "rb") as raw:
            _read(raw, shown(each.path, 200), gathering, store)
    return gathering.column()


def _read(raw: BufferedReader, name: str, gathering: Gathering, store: Store) -> None:
    stream = _Stream(GzipFile(fileobj=raw) if raw.peek(2)[:2] == _GZIP else raw, name)
    dtype, shape = _header(stream)
    row = math.prod(shape[1:]) * dtype.itemsize
    wanted = shape[0] * row
    store.check(wanted, name)
    check_example(row, name)
    at_once = max(_AT_ONCE // row, 1) * row
    read = 0
    while read < wanted:
        data = stream.read(min(at_once, wanted - read))
        read += len(data)
        if len(data) % row or not data:
            break
        values = np.frombuffer(data, dtype).reshape(-1, *shape[1:])
        gathering.add(values.astype(dtype.newbyteorder("="), copy=False))
    # A byte behind its end tells a file that goes on.
    more = len(stream.read(1))
    if read != wanted or more:
        other = "more" if more else "less"
        raise RunError(f"{name} is damaged: it has {other} than the {wanted} bytes it announces")


@dataclass(frozen=True, slots=True)
class _Stream:
    """The content of a file, unpacked."""

    file: BufferedReader | GzipFile
    name: str

    def read(self, size: int) -> bytes:
        with parser_errors(GZIP_ERRORS, f"{self.name} is damaged"):
            return self.file.read(size)


def _header(stream: _Stream) -> tuple[np.dtype[np.generic], tuple[int, ...]]:
    magic = stream.read(4)
    if len(magic) < 4 or magic[:2] != b"\0\0" or magic[2] not in _TYPES or not magic[3]:
        raise RunError(
            f"{stream.name} is no IDX file: it begins with {magic.hex(' ') or 'nothing'}"
        )
    axes = magic[3]
    if axes > max(_IMAGE_AXES):
        raise RunError(f"{stream.name} has {axes} axes, which is not a list of images")
    lengths = stream.read(4 * axes)
    if len(lengths) < 4 * axes:
        raise RunError(f"{stream.name} is damaged: it ends within its head")
    shape = struct.unpack(f">{axes}I", lengths)
    if 0 in shape:
        raise RunError(f"{stream.name} has no numbers: its shape is {list(shape)}")
    return np.dtype(_TYPES[magic[2]]), shape
