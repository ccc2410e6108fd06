"""Arrays of a numpy archive (`numpy.savez`)."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from typing import Final

import numpy as np

from archbuilder.errors import RunError, listed, shown
from archbuilder.recipe.sources import DataFile, Npz
from archbuilder.training.columns import Numbers
from archbuilder.training.examples import Examples, Known, Naming, check_lengths
from archbuilder.training.opening import Opener, check_size
from archbuilder.training.sources.arrays import (
    Head,
    array_feature,
    by_name,
    read_head,
    trained_scale,
)
from archbuilder.training.sources.gathering import Gathering, Store, check_example
from archbuilder.zip_archive import ZipArchive, ZipMember

_AT_ONCE: Final = 2**22
_SUFFIX: Final = ".npy"


def load_npz(source: Npz, opener: Opener, store: Store, like: Known | None = None) -> Examples:
    """The arrays that the source names, of several archives one behind the other.

    Arrays of bytes with the axes of images are images: see `array_feature`.

    Raises:
        RunError: if a file is damaged, lacks an array, or holds something else than numbers.
    """
    name = shown(source.file.path, 200)
    inputs, targets = by_name(source.inputs), by_name(source.targets)
    weights = by_name(source.weights or {})
    wanted = {*inputs.values(), *targets.values(), *weights.values()}
    arrays = {each: store.column(f"the array {shown(each)} of {name}") for each in sorted(wanted)}
    members: list[str] = []
    for file in opener.each(source.file):
        members = _read(file, opener, arrays, store)
    columns = {each: gathering.column() for each, gathering in arrays.items()}
    return Examples(
        name,
        {
            key: array_feature(
                columns[array], source.scale, arrays[array].origin, trained_scale(like, key)
            )
            for key, array in inputs.items()
        },
        {key: columns[array] for key, array in targets.items()},
        weights={key: columns[array] for key, array in weights.items()},
        naming=Naming(unused=tuple(each for each in members if each not in wanted)),
    )


def _read(
    file: DataFile, opener: Opener, arrays: Mapping[str, Gathering], store: Store
) -> list[str]:
    """Read arrays of an archive, and return the names of all arrays in it."""
    name = shown(file.path, 200)
    with (
        opener.opened(file) as descriptor,
        os.fdopen(os.dup(descriptor), "rb") as raw,
        ZipArchive.opened(raw, f"{name} is no numpy archive, or damaged") as archive,
    ):
        members = [each.removesuffix(_SUFFIX) for each in archive.names() if each.endswith(_SUFFIX)]
        missing = next((array for array in arrays if array not in members), None)
        if missing is not None:
            raise RunError(f"{name} has no array {shown(missing)}; it has {listed(members)}")
        _check_heads(archive, arrays, name)
        for array, gathering in arrays.items():
            with archive.member(f"{array}{_SUFFIX}") as member:
                _take(member, f"the array {shown(array)} of {name}", gathering, store)
    return members


def _check_heads(archive: ZipArchive, arrays: Mapping[str, Gathering], name: str) -> None:
    """Check the shapes of arrays before any of them is read."""
    lengths: list[int] = []
    for array, gathering in arrays.items():
        with archive.member(f"{array}{_SUFFIX}") as member:
            head = read_head(member, f"the array {shown(array)} of {name}")
        gathering.check_shape(head.shape[1:])
        lengths.append(head.shape[0])
    check_lengths(lengths, name)


def _take(member: ZipMember, what: str, gathering: Gathering, store: Store) -> None:
    head = read_head(member, what)
    needed = math.prod(head.shape) * head.dtype.itemsize
    if needed > member.size:
        raise RunError(f"{what} is damaged: its size is not the one it announces")
    store.check(needed, what)
    check_example(needed // max(head.shape[0], 1), what)
    rows = max(_AT_ONCE // max(needed // max(head.shape[0], 1), 1), 1)
    if head.fortran and len(head.shape) > 1:
        # Its first axis is the last in the file, so that only the whole can be turned.
        check_size(needed, what)
        rows = head.shape[0]
    left = head.shape[0]
    while left:
        gathering.add(_rows(member, head, min(rows, left), what))
        left -= min(rows, left)
    if member.read(1):
        raise RunError(f"{what} is damaged: its size is not the one it announces")


def _rows(member: ZipMember, head: Head, count: int, what: str) -> Numbers:
    shape = (count, *head.shape[1:])
    data = member.read(math.prod(shape) * head.dtype.itemsize)
    if len(data) != math.prod(shape) * head.dtype.itemsize:
        raise RunError(f"{what} is damaged: its size is not the one it announces")
    values = np.frombuffer(data, head.dtype).reshape(shape, order="F" if head.fortran else "C")
    return values.astype(head.dtype.newbyteorder("="), copy=False)
