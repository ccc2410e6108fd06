"""Headers of numpy arrays, and the inputs made of them: which arrays are images."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol, TypeVar

import numpy as np

from archbuilder.config.data_schema import Scale
from archbuilder.data.columns import Array, Column, RowIndices
from archbuilder.data.provenance import ColumnOrigin
from archbuilder.data.source_dataset import UNNAMED, Feature, FittedPreprocessing
from archbuilder.diagnostics.errors import RunError, quote
from archbuilder.files.parser_errors import NPY_HEADER_ERRORS, parser_errors

# Without the axis of examples: gray images, and images with channels.
_IMAGE_RANKS: Final = (2, 3)
_MAX_PIXEL: Final = 255
_CHUNK_BYTES: Final = 2**24
_DTYPE_KINDS: Final = "buif"
"""Kinds of dtypes that are numbers: boolean, unsigned, integer and floating."""
_MAX_ITEM_BYTES: Final = 8
"""Size of TensorFlow's largest integer and floating dtypes: numpy's longdouble has no match."""
# The limit of numpy 1; numpy 2 has 64.
_MAX_RANK: Final = 32
_MAX_ENTRIES: Final = 2**59
"""Largest number of values; more would overflow a 64-bit size in bytes."""
# Version 3 exists only for names of structured dtypes, which are not numbers.
_HEADER_READERS: Final[Mapping[tuple[int, int], Callable[..., tuple[Any, ...]]]] = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
}

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class NpyHeader:
    """The header of an array."""

    shape: tuple[int, ...]
    fortran_order: bool
    dtype: np.dtype[np.generic]


class Readable(Protocol):
    """A file, as far as `read_npy_header` uses it."""

    def read(self, size: int = -1, /) -> bytes:
        """Return up to `size` bytes."""


_VALUE_NAMES: Final = {"O": "Python objects", "S": "byte strings", "U": "strings", "V": "records"}
"""Names of the values of NumPy's kinds of dtypes."""


def read_npy_header(file: Readable, description: str) -> NpyHeader:
    """Read the header of an array of numbers with at least one axis.

    Raises:
        RunError: if the header is damaged, or the array contains something else, such as Python
            objects, which could run code when they are unpickled.
    """
    with parser_errors(NPY_HEADER_ERRORS, f"{description} cannot be read"):
        version = np.lib.format.read_magic(file)
    if version not in _HEADER_READERS:
        raise RunError(
            f"{description} has version {version} of the NumPy format, which is not supported"
        )
    with parser_errors(NPY_HEADER_ERRORS, f"{description} cannot be read"):
        header = NpyHeader(*_HEADER_READERS[version](file))
    if header.dtype.kind not in _DTYPE_KINDS or header.dtype.itemsize > _MAX_ITEM_BYTES:
        values = _VALUE_NAMES.get(header.dtype.kind, header.dtype)
        hint = ": write dates and times as numbers" if header.dtype.kind in "mM" else ""
        raise RunError(f"{description} contains {values}, not numbers{hint}")
    if not header.shape:
        raise RunError(f"{description} is a single number, not an array")
    # numpy accepts negative axes here, and huge ones beside an axis of 0, with which no array can
    # be created.
    entries = math.prod(max(axis, 1) for axis in header.shape)
    if len(header.shape) > _MAX_RANK or min(header.shape) < 0 or entries > _MAX_ENTRIES:
        raise RunError(f"{description} is damaged: it has the shape {quote(list(header.shape))}")
    return header


def array_feature(
    column: Column,
    divide_by: float | None,
    origin: ColumnOrigin | None = None,
    fitted_scale: Scale | None = None,
) -> Feature:
    """Return an input. Arrays of bytes with the rank of images are images.

    Images are divided by `divide_by`, or as the training data was. If neither is known, they are
    divided by 255, unless all values are 0 and 1: masks and one-hot rows stay as they are.

    Raises:
        RunError: if values in memory are out of the range of the training data.
    """
    # The divisor is decided once, from the training data, and recorded: one dark image in the data
    # for prediction would else get another one.
    is_image = column.dtype == np.uint8 and len(column.shape) in _IMAGE_RANKS
    if not is_image or divide_by is not None:
        return Feature(column, divide_by, image=is_image, origin=origin)
    if fitted_scale is None:
        # In chunks, of which the first shows it for images.
        chunk_rows = max(_CHUNK_BYTES // max(math.prod(column.shape), 1), 1)
        exceeds_one = any(
            column.numpy(np.arange(start, min(start + chunk_rows, column.count))).max(initial=0) > 1
            for start in range(0, column.count, chunk_rows)
        )
        max_value = _MAX_PIXEL if exceeds_one else 1
        return Feature(column, max_value, image=True, max_value=max_value, origin=origin)
    if fitted_scale.max_value < _MAX_PIXEL:
        value_origin = origin or ColumnOrigin.for_array(column.name)

        def check_range(values: Array, rows: RowIndices) -> None:
            flat = values.reshape(len(values), -1)
            out_of_range = flat.max(axis=1, initial=0) > fitted_scale.max_value
            if out_of_range.any():
                example = int(out_of_range.argmax())
                position = int(flat[example].argmax())
                text = value_origin.describe_value(
                    int(rows[example]), position, flat[example, position]
                )
                raise RunError(
                    f"{text}, but the network was trained on 0 to {fitted_scale.max_value}, divided"
                    f" by {fitted_scale.divisor:g}: convert it to that range, or set 'divide_by' in"
                    " the recipe and train again"
                )

        column = column.with_check(check_range)
    return Feature(
        column, fitted_scale.divisor, image=True, max_value=fitted_scale.max_value, origin=origin
    )


def lookup_scale(fitted: FittedPreprocessing | None, name: str) -> Scale | None:
    """Return the scale of an input in the training data, or None."""
    return fitted.schema.scale_for(name) if fitted else None


def as_mapping(value: _T | Mapping[str, _T]) -> Mapping[str, _T]:
    """Return a mapping by input or output; a single value belongs to the unnamed one."""
    return value if isinstance(value, Mapping) else {UNNAMED: value}
