"""Arrays of a numpy archive (`numpy.savez`)."""

from __future__ import annotations

import io
import math
import zipfile
import zlib
from collections.abc import Mapping
from typing import IO, Final

import numpy as np

from archbuilder.errors import RunError, shown
from archbuilder.recipe.spec import Arrays, Npz
from archbuilder.training.examples import ONLY, Examples, Feature, Numbers
from archbuilder.training.opening import Opener, check_size

_IMAGE_AXES: Final = (3, 4)
_BRIGHTEST: Final = 255
_KINDS: Final = "buif"
"""Truth values, whole numbers and floats: what numpy calls b, u, i and f."""


def load_npz(source: Npz, opener: Opener) -> Examples:
    """The arrays that the source names.

    Arrays of bytes with the axes of images are images: they are divided by 255 where the source
    does not say otherwise.

    Raises:
        RunError: if the file is damaged, lacks an array, or holds something else than numbers.
    """
    name = shown(source.file.path, 200)
    inputs = _names(source.inputs)
    targets = _names(source.targets)
    arrays = _read(opener.read(source.file), {*inputs.values(), *targets.values()}, name)
    features = {key: _feature(arrays[array], source.scale) for key, array in inputs.items()}
    return Examples(name, features, {key: arrays[array] for key, array in targets.items()})


def _names(arrays: Arrays) -> Mapping[str, str]:
    return {ONLY: arrays} if isinstance(arrays, str) else arrays


def _feature(values: Numbers, scale: float | None) -> Feature:
    image = values.dtype == np.uint8 and values.ndim in _IMAGE_AXES
    return Feature(values, scale=scale or (_BRIGHTEST if image else None), image=image)


def _read(content: bytes, wanted: set[str], name: str) -> dict[str, Numbers]:
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            sizes = {info.filename: info.file_size for info in archive.infolist()}
            known = [member.removesuffix(".npy") for member in sizes]
            for array in sorted(wanted):
                if array not in known:
                    has = ", ".join(shown(each) for each in known) or "nothing"
                    raise RunError(f"{name} has no array {shown(array)}; it has {has}")
            check_size(sum(sizes[f"{array}.npy"] for array in wanted), name)
            return {array: _array(archive, array, name) for array in wanted}
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError) as error:
        raise RunError(f"{name} is no numpy archive, or damaged: {error}") from error


def _array(archive: zipfile.ZipFile, array: str, name: str) -> Numbers:
    what = f"the array {shown(array)} of {name}"
    with archive.open(f"{array}.npy") as member:
        # numpy's own reader takes the memory that the head announces before it reads on.
        shape, fortran, dtype = _header(member, what)
        data = member.read()
    if dtype.kind not in _KINDS:
        raise RunError(f"{what} holds {dtype}, not numbers")
    if math.prod(shape) * dtype.itemsize != len(data):
        raise RunError(f"{what} is damaged: its size is not the one it announces")
    if not shape:
        raise RunError(f"{what} is a single number")
    values = np.frombuffer(data, dtype).reshape(shape, order="F" if fortran else "C")
    return values.astype(dtype.newbyteorder("="), copy=False)


def _header(member: IO[bytes], what: str) -> tuple[tuple[int, ...], bool, np.dtype[np.generic]]:
    try:
        version = np.lib.format.read_magic(member)
        if version == (1, 0):
            return np.lib.format.read_array_header_1_0(member)
        if version == (2, 0):
            return np.lib.format.read_array_header_2_0(member)
    except ValueError as error:
        raise RunError(f"{what} cannot be read: {error}") from error
    raise RunError(f"{what} has version {version} of numpy's format, which holds no numbers")
