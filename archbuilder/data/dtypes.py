"""Conversions between dtypes that change no value without an error.

A column keeps the dtype of its file until the dtype of the network's input is known. Only then is
it converted. Fractions may be rounded, integers may not: an integer may be an id, and rounding
would make neighboring ids equal.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, TypeAlias, cast

import ml_dtypes
import numpy as np
from numpy.typing import NDArray

from archbuilder.data.columns import Array

DType: TypeAlias = np.dtype[np.generic]
Mask: TypeAlias = NDArray[np.bool_]

MAX_EXACT_INT: Final = 2**53
"""float64 represents every integer whose magnitude is below this."""
_INTEGER_KINDS: Final = "bui"
"""The kinds of dtypes whose values are integers: booleans, unsigned and signed ones."""


def is_integer(dtype: DType) -> bool:
    """Return whether values of a dtype are integers or booleans."""
    return dtype.kind in _INTEGER_KINDS


def common_dtype(dtypes: Iterable[DType]) -> DType:
    """Return the dtype of an array for values of all these dtypes.

    It may not represent every value exactly: see `unrepresentable`.
    """
    common, *remaining = dtypes
    for dtype in remaining:
        promoted = np.promote_types(common, dtype)
        # np.promote_types(int64, uint64) is float64, which rounds integers from 2**53 on.
        if is_integer(common) and is_integer(dtype) and not is_integer(promoted):
            promoted = np.dtype(np.uint64)
        common = promoted
    return common


def unrepresentable(values: Array, dtype: DType, integer_mask: Mask | None = None) -> Mask:
    """Return a mask of the values that a dtype cannot represent.

    For integer dtypes these are fractions and values out of range. For floating dtypes these are
    values that overflow to infinity, and integers that would be rounded. If the array itself is of
    floats, `integer_mask` is a mask of the positions of an example that hold integers.
    """
    if dtype.kind == "b":
        return (values != 0) & (values != 1)
    if dtype.kind in _INTEGER_KINDS:
        limits = np.iinfo(cast("np.dtype[np.integer]", dtype))
        if values.dtype.kind == "b":
            return np.zeros(values.shape, bool)
        if is_integer(values.dtype):
            # numpy 2 compares an array with a Python int exactly, even if its dtype lacks that
            # value.
            numbers = cast("NDArray[np.int64]", values)
            return (numbers < limits.min) | (numbers > limits.max)
        floats = values.astype(np.float64)
        # float64 has no 2**63 - 1: float() rounds it up to 2**63, which is out of range. Hence `<`,
        # and `+ 1` for the smaller dtypes, whose largest value is exact.
        in_range = (floats >= float(limits.min)) & (floats < float(limits.max) + 1)
        return ~(in_range & (floats == np.floor(floats)))
    if is_integer(values.dtype):
        return _would_round(values, dtype)
    # Overflow is what is looked for, not worth numpy's warning.
    with np.errstate(over="ignore"):
        converted = values.astype(dtype).astype(np.float64)
    is_finite = np.isfinite(values)
    invalid: Mask = is_finite & ~np.isfinite(converted)
    if integer_mask is not None:
        # Compared as floats: an integer of a float column may be too large for int64 and uint64.
        invalid |= is_finite & integer_mask & (converted != values)
    return invalid


def _would_round(values: Array, dtype: DType) -> Mask:
    """Return a mask of the integers that a floating dtype would round or overflow.

    An integer is exact if its odd part, without trailing zero bits, fits in the significand.
    """
    limits = ml_dtypes.finfo(dtype)
    max_exact = 2 ** (limits.nmant + 1)
    if values.dtype.kind == "b" or not values.size:
        return np.zeros(values.shape, bool)
    # The common case, without temporary arrays.
    if -max_exact <= int(values.min()) and int(values.max()) <= min(max_exact, float(limits.max)):
        return np.zeros(values.shape, bool)
    # np.abs overflows for the smallest int64; the negation in uint64 gives its magnitude.
    bits = values.astype(np.uint64)
    negative = cast("NDArray[np.int64]", values) < 0
    magnitudes = np.where(negative, np.uint64(0) - bits, bits)
    # The lowest set bit, x & -x; at least 1, since 0 has none to divide by.
    lowest_bits = np.maximum(magnitudes & (np.uint64(0) - magnitudes), np.uint64(1))
    too_large = magnitudes.astype(np.float64) > float(limits.max)
    return cast(Mask, (magnitudes // lowest_bits > max_exact) | too_large)


def always_fits(source: DType, dtype: DType) -> bool:
    """Return whether a dtype represents all values of another one, so that no check is needed."""
    if source == dtype or source.kind == "b":
        return True
    if is_integer(source) and dtype.kind not in _INTEGER_KINDS:
        limits = np.iinfo(cast("np.dtype[np.integer]", source))
        max_magnitude = max(-int(limits.min), int(limits.max))
        finfo = ml_dtypes.finfo(dtype)
        return max_magnitude <= min(2 ** (finfo.nmant + 1), float(finfo.max))
    # np.can_cast calls int64 to float64 safe, which rounds; that is decided above.
    return is_integer(source) == is_integer(dtype) and bool(np.can_cast(source, dtype, "safe"))
