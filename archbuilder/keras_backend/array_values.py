"""The numbers of `.npy` files of blueprints."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np

from archbuilder.diagnostics.errors import BlueprintError, quote
from archbuilder.files.array_files import ArrayFile
from archbuilder.keras_backend.keras_errors import BuildError

_Array: TypeAlias = np.ndarray[Any, Any]


def read_array(file: ArrayFile, dtype: object) -> _Array:
    """Return the array of a file for a `Constant` with this dtype, or None for its default.

    Raises:
        BuildError: if the file has changed since its header was read, or a number is out of the
            range of the dtype.
    """
    try:
        content = file.read()
    except BlueprintError as error:
        (diagnostic,) = error.diagnostics
        raise BuildError(diagnostic.code, diagnostic.message, file.span) from None
    order = ">" if file.is_big_endian else "<"
    flat: _Array = np.frombuffer(
        content, f"{order}{file.kind}{file.item_bytes}", file.size, file.data_offset
    )
    array = flat.reshape(file.shape, order="F" if file.is_fortran_order else "C")
    if file.kind != "b":
        _check_range(array, file, dtype)
    return array.astype(array.dtype.newbyteorder("="))


def _check_range(array: _Array, file: ArrayFile, dtype: object) -> None:
    """Check that the numbers that are finite are in the range of the dtype of a `Constant`."""
    name = str(dtype or ("float32" if file.kind == "f" else "int32"))
    # NumPy has no bfloat16, whose range is that of float32.
    is_integer = name.startswith(("int", "uint"))
    limits = np.iinfo(name) if is_integer else np.finfo(name.replace("bfloat16", "float32"))
    number = int if is_integer and file.kind != "f" else float
    finite = array[np.isfinite(array)]
    for value in (finite.min(initial=0), finite.max(initial=0)):
        # As numbers of Python: NumPy rounds one of two numbers of different dtypes.
        if not number(limits.min) <= number(value) <= number(limits.max):
            notes = ("write dtype: int64",) if is_integer and dtype is None else ()
            message = f"{value} in {quote(file.path_text)} is out of the range of the dtype {name}"
            raise BuildError("out-of-range", message, file.span, notes)
