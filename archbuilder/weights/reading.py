"""Opens files of weights and lists what they hold, without bringing values into memory.

A file of weights may come from a stranger as a blueprint may: `hdf5.py` says what is refused.
Values are read only when their shape is known to fit, so that a file takes no more memory than the
model has. Nothing is deserialised but numbers: of a `.keras` file, only the weights are opened.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

import ml_dtypes  # noqa: F401 - numpy knows bfloat16 by name once this is imported
import numpy as np
from safetensors import SafetensorError, safe_open

from archbuilder.errors import RunError, UsageError, shown
from archbuilder.parser_errors import Errors, parser_errors
from archbuilder.places import Place as FilePlace
from archbuilder.places import open_named, reason
from archbuilder.tables import size
from archbuilder.weights.hdf5 import Hdf5Array, Hdf5Group, open_hdf5
from archbuilder.weights.stored import Kind, Place, Stored, keras_3_place, place_without_order
from archbuilder.zip_archive import ZipArchive, ZipMember

_MEMBER: Final = "model.weights.h5"
"""Where a `.keras` file has its weights."""
_BLOCK: Final = 2**24
_UNSUSPICIOUS: Final = 2**30
_LARGEST_RATIO: Final = 100
"""Keras does not compress, and nothing compresses weights so far; 1,000 is possible for a bomb."""
_VARIABLES: Final = "vars"
_SAFETENSORS_ERRORS: Final[Errors] = (
    SafetensorError,
    OSError,
    ValueError,
    TypeError,  # types that numpy has no equivalent of
    OverflowError,
)
_SAFETENSORS_DTYPES: Final = {
    "BOOL": "bool",
    **{f"I{bits}": f"int{bits}" for bits in (8, 16, 32, 64)},
    **{f"U{bits}": f"uint{bits}" for bits in (8, 16, 32, 64)},
    **{f"F{bits}": f"float{bits}" for bits in (16, 32, 64)},
    "BF16": "bfloat16",
    "C64": "complex64",
}


@dataclass(frozen=True, slots=True)
class WeightsFile:
    """An open file of weights."""

    kind: Kind
    weights: tuple[Stored, ...]


@contextmanager
def open_weights(file: Path | FilePlace) -> Iterator[WeightsFile]:
    """What a `.weights.h5`, `.h5`, `.keras` or `.safetensors` file holds, while it is open.

    A path is the user's own word, and may be a link; a place below a folder may not.

    Raises:
        UsageError: when there is no such file, or it is of another kind.
        RunError: when it is damaged, or points into other files.
    """
    path = file.path if isinstance(file, FilePlace) else file
    name = shown(path.name)
    with ExitStack() as opened:
        content = opened.enter_context(_content(file, name))
        yield _open(content, path.suffix, name, opened)


@contextmanager
def _content(file: Path | FilePlace, name: str) -> Iterator[IO[bytes]]:
    with ExitStack() as stack:
        try:
            if isinstance(file, FilePlace):
                descriptor = os.dup(stack.enter_context(file.opened()))
            else:
                descriptor = open_named(file)
        except FileNotFoundError:
            raise UsageError(f"there is no file {name}") from None
        except OSError as error:
            raise RunError(f"the weights in {name} cannot be read: {reason(error)}") from error
        yield stack.enter_context(os.fdopen(descriptor, "rb"))


def _open(file: IO[bytes], suffix: str, name: str, opened: ExitStack) -> WeightsFile:
    if suffix == ".safetensors":
        return WeightsFile(Kind.SAFETENSORS, tuple(_from_safetensors(file, name, opened)))
    if suffix in (".h5", ".hdf5"):
        return _from_hdf5(opened.enter_context(open_hdf5(file, name)))
    if suffix == ".keras":
        unpacked = opened.enter_context(_unpacked(file, name))
        return _from_hdf5(opened.enter_context(open_hdf5(unpacked, name)))
    raise UsageError(
        f"{name} is no file of weights: those end in .weights.h5, .h5, .keras or .safetensors"
    )


@contextmanager
def _unpacked(file: IO[bytes], name: str) -> Iterator[IO[bytes]]:
    """The weights of a `.keras` file, unpacked into a file without a name.

    HDF5 is read in any order, and a member of an archive from its beginning alone. And its checksum
    is verified before anything of it is looked at.
    """
    message = f"the weights in {name} cannot be read"
    with ZipArchive.opened(file, message) as archive:
        if _MEMBER not in archive.names():
            raise RunError(f"{message}: it has no member {_MEMBER}")
        with archive.member(_MEMBER) as member, tempfile.TemporaryFile() as unpacked:
            _check_unpacked_size(member, message)
            while block := member.read(_BLOCK):
                with parser_errors((OSError,), f"{name} cannot be unpacked"):
                    unpacked.write(block)
            with parser_errors((OSError,), f"{name} cannot be unpacked"):
                unpacked.flush()
            yield unpacked


def _check_unpacked_size(member: ZipMember, message: str) -> None:
    bomb = member.size > _LARGEST_RATIO * member.packed_size
    if member.size > _UNSUSPICIOUS and bomb:
        raise RunError(f"{message}: {size(member.packed_size)} would become {size(member.size)}")
    free = shutil.disk_usage(tempfile.gettempdir()).free
    if member.size > free:
        raise RunError(
            f"{message}: they are {size(member.size)}, and {tempfile.gettempdir()} has room for"
            f" {size(free)}"
        )


def _from_hdf5(file: Hdf5Group) -> WeightsFile:
    root = file.group("model_weights") if "model_weights" in file else file
    if root.has_texts("layer_names"):
        return WeightsFile(Kind.KERAS_2, tuple(_from_keras_2(root)))
    return WeightsFile(Kind.KERAS_3, tuple(_from_keras_3(root)))


def _from_keras_3(root: Hdf5Group) -> Iterator[Stored]:
    """Groups named by class and number, with the layer's own name beside its variables."""
    if "layers" not in root:
        return
    layers = root.group("layers")
    for place in layers.names():
        layer = layers.group(place)
        own = layer.group(_VARIABLES).text("name") if _VARIABLES in layer else None
        for inner, array in _variables(layer):
            yield _stored(f"{own or place}/{inner}", keras_3_place(place, inner), array)


def _variables(group: Hdf5Group) -> Iterator[tuple[str, Hdf5Array]]:
    for name in group.names():
        inner = group.group(name)
        if name == _VARIABLES:
            for number in inner.names():
                yield f"{name}/{number}", inner.array(number)
        else:
            for path, array in _variables(inner):
                yield f"{name}/{path}", array


def _from_keras_2(root: Hdf5Group) -> Iterator[Stored]:
    """Groups named by layer, in the order that an attribute tells."""
    before = 0
    for layer in root.texts("layer_names"):
        group = root.group(layer)
        for index, name in enumerate(group.texts("weight_names")):
            parent, _, last = name.rpartition("/")
            holder = group
            for part in filter(None, parent.split("/")):
                holder = holder.group(part)
            yield _stored(f"{layer}/{index}", Place("", before), holder.array(last))
            before += 1


def _stored(path: str, place: Place, array: Hdf5Array) -> Stored:
    dtype = "not numbers" if array.dtype is None else array.dtype.name
    return Stored(path, place, array.shape, dtype, array.read)


def _from_safetensors(raw: IO[bytes], called: str, opened: ExitStack) -> Iterator[Stored]:
    message = f"the weights in {called} cannot be read"
    with parser_errors(_SAFETENSORS_ERRORS, message):
        # The library opens files by their path alone.
        path = f"/dev/fd/{raw.fileno()}"
        file = opened.enter_context(safe_open(path, framework="numpy"))
        names = sorted(file.keys())
    for name in names:
        with parser_errors(_SAFETENSORS_ERRORS, message):
            tensor = file.get_slice(name)
            shape, kind = tuple(tensor.get_shape()), str(tensor.get_dtype())

        def read(name: str = name) -> np.ndarray:
            with parser_errors(_SAFETENSORS_ERRORS, message):
                return np.asarray(file.get_tensor(name))

        dtype = _SAFETENSORS_DTYPES.get(kind, kind)
        weight_path = name.replace(".", "/")
        yield Stored(weight_path, place_without_order(weight_path), shape, dtype, read)
