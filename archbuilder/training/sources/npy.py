"""Arrays in files of their own (`numpy.save`), mapped into memory and read as they are needed."""

from __future__ import annotations

import math
import mmap
import os

import numpy as np

from archbuilder.errors import RunError, shown
from archbuilder.recipe.sources import DataFile, Npy
from archbuilder.training.columns import Numbers, Read, Rows
from archbuilder.training.examples import Examples, Known, Naming
from archbuilder.training.opening import Opener
from archbuilder.training.sources.arrays import array_feature, by_name, read_head, trained_scale
from archbuilder.training.sources.gathering import joined


def load_npy(source: Npy, opener: Opener, like: Known | None = None) -> Examples:
    """The arrays of the files; see `load_npz` for which of them are images.

    Raises:
        RunError: if a file is damaged, or holds something else than numbers.
    """
    inputs, targets, weights = (
        {name: _columns(file, opener) for name, file in by_name(files).items()}
        for files in (source.inputs, source.targets, source.weights or {})
    )
    features = {
        name: array_feature(column, source.scale, trained=trained_scale(like, name))
        for name, column in inputs.items()
    }
    origin = ", ".join(dict.fromkeys(each.name for each in (*inputs.values(), *targets.values())))
    return Examples(origin, features, targets, weights=weights, naming=Naming())


def _columns(file: DataFile, opener: Opener) -> Read:
    """The array of a file, or those of several one behind the other."""
    parts = [_column(each, opener) for each in opener.each(file)]
    return parts[0] if len(parts) == 1 else joined(parts, shown(file.path, 200))


def _column(file: DataFile, opener: Opener) -> Read:
    name = shown(file.path, 200)
    with opener.opened(file) as descriptor:
        with os.fdopen(os.dup(descriptor), "rb") as stream:
            head = read_head(stream, name)
            begin = stream.tell()
        count = math.prod(head.shape)
        needed = begin + count * head.dtype.itemsize
        if os.fstat(descriptor).st_size != needed:
            raise RunError(f"{name} is damaged: its size is not the one it announces")
        # The mapping stays when the file is closed.
        mapped = mmap.mmap(descriptor, 0, access=mmap.ACCESS_READ)
    flat: Numbers = np.frombuffer(mapped, head.dtype, count, begin)
    values = flat.reshape(head.shape, order="F" if head.fortran else "C")
    native = head.dtype.newbyteorder("=")

    def read(rows: Rows) -> Numbers:
        # To read on behind the end of a mapped file would end the process.
        if mapped.size() < needed:
            raise RunError(f"{name} was cut while it was in use")
        return values[rows].astype(native, copy=False)

    return Read(name, len(values), values.shape[1:], native, read)
