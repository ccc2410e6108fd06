"""Arrays in `.npy` files (`numpy.save`), memory-mapped and read on demand."""

from __future__ import annotations

import math
import mmap
import os

import numpy as np

from archbuilder.config.sources import DataPath, Npy
from archbuilder.data.columns import Array, LazyColumn, RowIndices
from archbuilder.data.file_access import DataFileOpener
from archbuilder.data.source_dataset import SourceDataset, SourceKeys
from archbuilder.data.sources.disk_columns import concat_columns
from archbuilder.data.sources.load_context import LoadContext
from archbuilder.data.sources.npy_header import (
    array_feature,
    as_mapping,
    lookup_scale,
    read_npy_header,
)
from archbuilder.diagnostics.errors import RunError, quote


def load_npy(source: Npy, context: LoadContext) -> SourceDataset:
    """Load one array per file; see `array_feature` for which of them are images.

    Raises:
        RunError: if a file is damaged, or does not contain numbers.
    """
    inputs, targets, weights = (
        {
            name: concat_columns(
                [_map_column(each, context.opener) for each in context.opener.match_files(file)],
                quote(file.path, 200),
            )
            for name, file in as_mapping(files).items()
        }
        for files in (source.inputs, source.targets, source.sample_weight or {})
    )
    features = {
        name: array_feature(
            column, source.divide_by, fitted_scale=lookup_scale(context.fitted, name)
        )
        for name, column in inputs.items()
    }
    source_name = ", ".join(
        dict.fromkeys(each.name for each in (*inputs.values(), *targets.values()))
    )
    return SourceDataset(
        source_name, features, targets, sample_weights=weights, source_keys=SourceKeys()
    )


def _map_column(file: DataPath, opener: DataFileOpener) -> LazyColumn:
    """Map the array of a file. Not with `numpy.load`, which wants a path and trusts the header."""
    name = quote(file.path, 200)
    with opener.open_file(file) as descriptor:
        with os.fdopen(os.dup(descriptor), "rb") as stream:
            header = read_npy_header(stream, name)
            data_offset = stream.tell()
        count = math.prod(header.shape)
        file_size = data_offset + count * header.dtype.itemsize
        if os.fstat(descriptor).st_size != file_size:
            raise RunError(f"{name} is damaged: its size does not match its header")
        # The mapping outlives the descriptor.
        mapped = mmap.mmap(descriptor, 0, access=mmap.ACCESS_READ)
    flat: Array = np.frombuffer(mapped, header.dtype, count, data_offset)
    values = flat.reshape(header.shape, order="F" if header.fortran_order else "C")
    native = header.dtype.newbyteorder("=")

    def read(rows: RowIndices) -> Array:
        # A read beyond the end of a mapped file kills the process with SIGBUS.
        if mapped.size() < file_size:
            raise RunError(f"{name} was truncated while it was in use")
        return values[rows].astype(native, copy=False)

    return LazyColumn(name, len(values), values.shape[1:], native, read)
