"""Arrays of a numpy archive (`numpy.savez`)."""

from __future__ import annotations

import io
import math
import zipfile
import zlib

import numpy as np

from archbuilder.errors import RunError, shown
from archbuilder.recipe.spec import Npz
from archbuilder.training.columns import Held, Numbers
from archbuilder.training.examples import Examples
from archbuilder.training.opening import Opener, check_size
from archbuilder.training.sources.arrays import array_feature, by_name, read_head


def load_npz(source: Npz, opener: Opener) -> Examples:
    """The arrays that the source names.

    Arrays of bytes with the axes of images are images: they are divided by 255 where the source
    does not say otherwise.

    Raises:
        RunError: if the file is damaged, lacks an array, or holds something else than numbers.
    """
    name = shown(source.file.path, 200)
    inputs = by_name(source.inputs)
    targets = by_name(source.targets)
    arrays = _read(opener.read(source.file), {*inputs.values(), *targets.values()}, name)
    features = {
        key: array_feature(Held(arrays[array]), source.scale) for key, array in inputs.items()
    }
    return Examples(name, features, {key: Held(arrays[array]) for key, array in targets.items()})


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
        head = read_head(member, what)
        data = member.read()
    if math.prod(head.shape) * head.dtype.itemsize != len(data):
        raise RunError(f"{what} is damaged: its size is not the one it announces")
    values = np.frombuffer(data, head.dtype)
    values = values.reshape(head.shape, order="F" if head.fortran else "C")
    return values.astype(head.dtype.newbyteorder("="), copy=False)
