"""Open weight files and list their weights without loading the values.

A weight file may come from an untrusted source, as a blueprint may; `hdf5.py` says what is
rejected. Values are read only once their shape matches, so that a file takes no more memory than
the model. No objects are deserialized: of a `.keras` file, only the weights are opened.
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

from archbuilder.diagnostics.errors import RunError, UsageError, quote
from archbuilder.files.parser_errors import ErrorTypes, parser_errors
from archbuilder.files.sandbox import SandboxPath, cannot_read, open_regular_file
from archbuilder.files.zip_archive import ZipArchive
from archbuilder.formatting import format_bytes
from archbuilder.weights.entries import (
    FileFormat,
    FileWeight,
    WeightPosition,
    keras3_position,
    unordered_position,
)
from archbuilder.weights.hdf5 import Hdf5Array, Hdf5Group, open_hdf5

_WEIGHTS_MEMBER: Final = "model.weights.h5"
"""Name of the weights within a `.keras` archive."""
_COPY_BYTES: Final = 2**24
_RATIO_CHECK_BYTES: Final = 2**30
"""Unpacked size up to which the compression ratio does not matter."""
_MAX_COMPRESSION_RATIO: Final = 100
"""Keras does not compress, and weights hardly compress; a zip bomb reaches 1,000."""
_VARIABLES: Final = "vars"
_SAFETENSORS_ERRORS: Final[ErrorTypes] = (
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
    """An open weight file."""

    file_format: FileFormat
    weights: tuple[FileWeight, ...]


@contextmanager
def open_weights(file: Path | SandboxPath) -> Iterator[WeightsFile]:
    """Open a `.weights.h5`, `.h5`, `.keras` or `.safetensors` file and list its weights.

    Values can be read while the context is open. A `Path` comes from the user and may be a link; a
    `SandboxPath` may not.

    Raises:
        UsageError: if there is no such file or its format is unknown.
        RunError: if it is damaged or refers to other files.
    """
    path = file.path if isinstance(file, SandboxPath) else file
    with ExitStack() as stack:
        try:
            if isinstance(file, SandboxPath):
                # The sandbox closes its descriptor, and so does the file object below.
                descriptor = os.dup(stack.enter_context(file.open_descriptor()))
            else:
                descriptor = open_regular_file(file)
        except OSError as error:
            raise UsageError(cannot_read(path, error)) from None
        content = stack.enter_context(os.fdopen(descriptor, "rb"))
        yield stack.enter_context(read_weights(content, path.name))


@contextmanager
def read_weights(content: IO[bytes], file_name: str) -> Iterator[WeightsFile]:
    """List the weights of an open file; values can be read while the context is open.

    Raises:
        UsageError: if the suffix of its name is not that of a weights file.
        RunError: if it is damaged or refers to other files.
    """
    name, path = quote(file_name), Path(file_name)
    with ExitStack() as stack:
        if path.suffix == ".safetensors":
            weights = tuple(_read_safetensors(content, name, stack))
            yield WeightsFile(FileFormat.SAFETENSORS, weights)
        elif path.suffix in (".h5", ".hdf5"):
            yield _read_hdf5(stack.enter_context(open_hdf5(content, name)))
        elif path.suffix == ".keras":
            unpacked = stack.enter_context(_unpack_keras_archive(content, name))
            yield _read_hdf5(stack.enter_context(open_hdf5(unpacked, name)))
        else:
            raise UsageError(
                f"{name} is not a weights file: its suffix must be .weights.h5, .h5, .keras or"
                " .safetensors"
            )


@contextmanager
def _unpack_keras_archive(file: IO[bytes], name: str) -> Iterator[IO[bytes]]:
    """Unpack the weights of a `.keras` archive into a temporary file without a name."""
    # HDF5 needs random access, which a compressed member of an archive does not offer. Unpacking
    # also verifies the checksum before anything else is read.
    message = f"the weights in {name} cannot be read"
    with ZipArchive.open_archive(file, message) as archive:
        if _WEIGHTS_MEMBER not in archive.names():
            raise RunError(f"{message}: it has no member {_WEIGHTS_MEMBER}")
        with archive.member(_WEIGHTS_MEMBER) as member, tempfile.TemporaryFile() as weights_file:
            is_bomb = member.size > _MAX_COMPRESSION_RATIO * member.compressed_size
            if member.size > _RATIO_CHECK_BYTES and is_bomb:
                raise RunError(
                    f"{message}: {format_bytes(member.compressed_size)} would be unpacked to"
                    f" {format_bytes(member.size)}"
                )
            free_bytes = shutil.disk_usage(tempfile.gettempdir()).free
            if member.size > free_bytes:
                raise RunError(
                    f"{message}: they need {format_bytes(member.size)}, but"
                    f" {tempfile.gettempdir()} has only {format_bytes(free_bytes)} of free space"
                )
            while block := member.read(_COPY_BYTES):
                with parser_errors((OSError,), f"{name} cannot be unpacked"):
                    weights_file.write(block)
            with parser_errors((OSError,), f"{name} cannot be unpacked"):
                weights_file.flush()
            yield weights_file


def _read_hdf5(file: Hdf5Group) -> WeightsFile:
    """List the weights of an HDF5 file of Keras 2 or 3."""
    # `model.save` of Keras 2 has its weights in a group, `save_weights` at the root.
    root = file.group("model_weights") if "model_weights" in file else file
    if root.has_strings("layer_names"):
        return WeightsFile(FileFormat.KERAS_2, tuple(_read_keras2(root)))
    return WeightsFile(FileFormat.KERAS_3, tuple(_read_keras3(root)))


def _read_keras3(root: Hdf5Group) -> Iterator[FileWeight]:
    """Yield the weights of a Keras 3 file.

    It has a group for each layer, named after its class and a number, with the name of the layer as
    an attribute of its variables.
    """
    if "layers" not in root:
        return
    layers = root.group("layers")
    for group_name in layers.names():
        layer = layers.group(group_name)
        layer_name = layer.group(_VARIABLES).read_string("name") if _VARIABLES in layer else None
        for inner, array in _iter_variables(layer):
            yield _file_weight(
                f"{layer_name or group_name}/{inner}", keras3_position(group_name, inner), array
            )


def _iter_variables(group: Hdf5Group) -> Iterator[tuple[str, Hdf5Array]]:
    """Yield the arrays of a layer and of the layers nested in it, with paths within the layer."""
    for name in group.names():
        inner = group.group(name)
        if name == _VARIABLES:
            for number in inner.names():
                yield f"{name}/{number}", inner.array(number)
        else:
            for path, array in _iter_variables(inner):
                yield f"{name}/{path}", array


def _read_keras2(root: Hdf5Group) -> Iterator[FileWeight]:
    """Yield the weights of a Keras 2 file: a group per layer, in the order of an attribute."""
    weight_number = 0
    for layer in root.read_strings("layer_names"):
        group = root.group(layer)
        for index, name in enumerate(group.read_strings("weight_names")):
            parent, _, array_name = name.rpartition("/")
            parent_group = group
            for group_name in filter(None, parent.split("/")):
                parent_group = parent_group.group(group_name)
            yield _file_weight(
                f"{layer}/{index}",
                WeightPosition("", weight_number),
                parent_group.array(array_name),
            )
            weight_number += 1


def _file_weight(path: str, position: WeightPosition, array: Hdf5Array) -> FileWeight:
    dtype = "not numbers" if array.dtype is None else array.dtype.name
    return FileWeight(path, position, array.shape, dtype, array.read)


def _read_safetensors(raw: IO[bytes], file_name: str, stack: ExitStack) -> Iterator[FileWeight]:
    """Yield the weights of a safetensors file, sorted by name."""
    message = f"the weights in {file_name} cannot be read"
    with parser_errors(_SAFETENSORS_ERRORS, message):
        # The library opens files by path only. The path of the open descriptor makes sure that it
        # is the file that was checked, even if another one has taken its name.
        path = f"/dev/fd/{raw.fileno()}"
        file = stack.enter_context(safe_open(path, framework="numpy"))
        names = sorted(file.keys())
    for name in names:
        with parser_errors(_SAFETENSORS_ERRORS, message):
            tensor = file.get_slice(name)
            shape, dtype_code = tuple(tensor.get_shape()), str(tensor.get_dtype())

        # The default argument binds the name of this iteration.
        def read(name: str = name) -> np.ndarray:
            with parser_errors(_SAFETENSORS_ERRORS, message):
                return np.asarray(file.get_tensor(name))

        dtype = _SAFETENSORS_DTYPES.get(dtype_code, dtype_code)
        weight_path = name.replace(".", "/")
        yield FileWeight(weight_path, unordered_position(weight_path), shape, dtype, read)
