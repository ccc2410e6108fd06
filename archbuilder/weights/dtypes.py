"""Conversion of weights from the dtype of a file to that of a model.

Floats are rounded to the dtype of the variable, as Keras does. Integers are converted to integers,
exactly. There are no other conversions: integers, booleans or complex numbers in place of floats
are a sign that the weights belong to another variable.
"""

from __future__ import annotations

from typing import Final

import keras
import numpy as np

_FLOATS: Final = ("float16", "bfloat16", "float32", "float64")
_INTEGERS: Final = frozenset(f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64))


def is_convertible(source_dtype: str, target_dtype: str) -> bool:
    """Return whether values of `source_dtype` in a file fit a variable of `target_dtype`."""
    if keras.backend.is_float_dtype(target_dtype):
        return source_dtype in _FLOATS
    return source_dtype == target_dtype or (source_dtype in _INTEGERS and target_dtype in _INTEGERS)


def is_rounded(source_dtype: str, target_dtype: str) -> bool:
    """Return whether the conversion rounds floats."""
    return source_dtype in _FLOATS and not np.can_cast(
        np.dtype(source_dtype), np.dtype(target_dtype)
    )


def convert(values: np.ndarray, target_dtype: str) -> tuple[np.ndarray, int]:
    """Convert values to the dtype of a variable, and count those that are invalid.

    Invalid are NaN and infinity, floats that overflow, and integers that are out of range.
    """
    dtype = np.dtype(target_dtype)
    # Overflow is counted below; numpy would also print a warning.
    with np.errstate(over="ignore", invalid="ignore"):
        result = values.astype(dtype)
        if keras.backend.is_float_dtype(target_dtype):
            # `np.isfinite` is not defined for some dtypes of ml_dtypes.
            return result, int(np.sum(~np.isfinite(result.astype(np.float64))))
    # An integer out of range wraps around and so differs from the original.
    return result, int(np.sum(result != values))
