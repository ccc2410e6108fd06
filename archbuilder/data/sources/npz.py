"""Arrays of numpy archives (`numpy.savez`)."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Final

import numpy as np
from numpy.lib.format import MAGIC_PREFIX

from archbuilder.config.sources import DEFAULT_TARGET, DataPath, Npz
from archbuilder.data.columns import ArrayColumn, Column
from archbuilder.data.file_access import DataFileOpener, check_fits_in_memory
from archbuilder.data.source_dataset import KeyColumn, SourceDataset, SourceKeys, check_lengths
from archbuilder.data.sources.disk_columns import ColumnStore, ColumnWriter, check_example_size
from archbuilder.data.sources.load_context import LoadContext
from archbuilder.data.sources.npy_header import (
    array_feature,
    as_mapping,
    lookup_scale,
    read_npy_header,
)
from archbuilder.diagnostics.errors import RunError, quote, quote_list
from archbuilder.files.zip_archive import ZipArchive, ZipMember

_CHUNK_BYTES: Final = 2**22
_SUFFIX: Final = ".npy"
_ZIP_START: Final = b"PK"


def load_npz(source: Npz, context: LoadContext) -> SourceDataset:
    """Load the arrays that the source names, concatenated over all archives.

    Arrays of bytes with the rank of images are images: see `array_feature`.

    Raises:
        RunError: if a file is damaged, lacks an array, or has an array that is not numbers.
    """
    name, store = quote(source.file.path, 200), context.store
    inputs, targets = as_mapping(source.inputs), as_mapping(source.targets)
    weights = as_mapping(source.sample_weight or {})
    keys = context.key_columns
    array_names = {*inputs.values(), *targets.values(), *weights.values(), *keys}
    # Sorted, since the order of a set of strings differs between processes.
    writers = {
        each: store.create_writer(f"the array {quote(each)} of {name}")
        for each in sorted(array_names)
    }
    members: list[str] = []
    for file in context.opener.match_files(source.file):
        members = _read_archive(file, context.opener, writers, store)
    columns = {each: writer.to_column() for each, writer in writers.items()}
    return SourceDataset(
        name,
        {
            key: array_feature(
                columns[array],
                source.divide_by,
                writers[array].origin,
                lookup_scale(context.fitted, key),
            )
            for key, array in inputs.items()
        },
        {key: columns[array] for key, array in targets.items()},
        sample_weights={key: columns[array] for key, array in weights.items()},
        key_columns={each: _key_column(columns[each], writers[each]) for each in keys},
        source_keys=SourceKeys(unused=tuple(each for each in members if each not in array_names)),
    )


def _key_column(column: Column, writer: ColumnWriter) -> KeyColumn:
    """Return an array of integers as a key.

    Raises:
        RunError: if it has other values, or several per example.
    """
    if column.shape or column.dtype.kind not in "bui":
        raise RunError(
            f"{writer.name} has {column.dtype} of the shape {list(column.shape)} per example; a"
            " column to split by has one integer"
        )
    categories, codes = np.unique(column.numpy(np.arange(column.count)), return_inverse=True)
    return KeyColumn(
        writer.name, ArrayColumn(codes), tuple(map(str, categories.tolist())), writer.origin
    )


@contextmanager
def _open_archive(file: DataPath, opener: DataFileOpener, name: str) -> Iterator[ZipArchive]:
    """Open an archive.

    Raises:
        RunError: if the file is another one, or is damaged.
    """
    with opener.open_file(file) as descriptor, os.fdopen(os.dup(descriptor), "rb") as raw:
        start = raw.read(len(MAGIC_PREFIX))
        if start == MAGIC_PREFIX:
            raise RunError(
                f"{name} is not a NumPy archive but a single array, as numpy.save writes it: name"
                " it under the source 'npy', or write an archive with numpy.savez"
            )
        if not start.startswith(_ZIP_START):
            raise RunError(f"{name} is not a NumPy archive, as numpy.savez writes it")
        raw.seek(0)
        with ZipArchive.open_archive(
            raw, f"{name} is not a NumPy archive, or is damaged"
        ) as archive:
            yield archive


def _read_archive(
    file: DataPath, opener: DataFileOpener, writers: Mapping[str, ColumnWriter], store: ColumnStore
) -> list[str]:
    """Read arrays of an archive, and return the names of all arrays in it.

    Not with `numpy.load`, which reads whole arrays into memory and trusts their headers.
    """
    name = quote(file.path, 200)
    with _open_archive(file, opener, name) as archive:
        # `numpy.savez` stores an array `x` as the member `x.npy`.
        members = [each.removesuffix(_SUFFIX) for each in archive.names() if each.endswith(_SUFFIX)]
        missing = next((array for array in writers if array not in members), None)
        if missing is not None:
            hint = "; write 'targets: {}' without targets" if missing == DEFAULT_TARGET else ""
            raise RunError(
                f"{name} has no array {quote(missing)}; it has {quote_list(members)}{hint}"
            )
        # All shapes are checked before any array is read, which may take minutes.
        lengths: list[tuple[str, int]] = []
        for array, writer in writers.items():
            with archive.member(f"{array}{_SUFFIX}") as member:
                header = read_npy_header(member, f"the array {quote(array)} of {name}")
            writer.check_shape(header.shape[1:])
            lengths.append((array, header.shape[0]))
        check_lengths(lengths, name)
        for array, writer in writers.items():
            with archive.member(f"{array}{_SUFFIX}") as member:
                _read_member(member, f"the array {quote(array)} of {name}", writer, store)
    return members


def _read_member(
    member: ZipMember, description: str, writer: ColumnWriter, store: ColumnStore
) -> None:
    """Append the examples of an array to a column, some at a time.

    Raises:
        RunError: if the array is damaged, or there is no room for it.
    """
    header = read_npy_header(member, description)
    num_bytes = math.prod(header.shape) * header.dtype.itemsize
    # Both numbers come from the file, but zipfile never reads more than `size` bytes.
    if num_bytes > member.size:
        raise RunError(f"{description} is damaged: its size does not match its header")
    store.check_free_space(num_bytes, description)
    check_example_size(num_bytes // max(header.shape[0], 1), description)
    chunk_rows = max(_CHUNK_BYTES // max(num_bytes // max(header.shape[0], 1), 1), 1)
    if header.fortran_order and len(header.shape) > 1:
        # The first axis varies fastest, so that an example is spread over the whole file.
        check_fits_in_memory(num_bytes, description)
        chunk_rows = header.shape[0]
    remaining = header.shape[0]
    while remaining:
        shape = (min(chunk_rows, remaining), *header.shape[1:])
        data = member.read(math.prod(shape) * header.dtype.itemsize)
        if len(data) != math.prod(shape) * header.dtype.itemsize:
            raise RunError(f"{description} is damaged: its size does not match its header")
        values = np.frombuffer(data, header.dtype).reshape(
            shape, order="F" if header.fortran_order else "C"
        )
        writer.add(values.astype(header.dtype.newbyteorder("="), copy=False))
        remaining -= shape[0]
    # One more byte shows whether the array is longer than its header says.
    if member.read(1):
        raise RunError(f"{description} is damaged: its size does not match its header")
