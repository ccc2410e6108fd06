"""Which types of numbers in a file become which in a model, and the conversion itself.

Floats become floats, rounded to the type that the model declares, as Keras does. Integers become
integers, exactly. Nothing else is converted: integers, booleans and complex numbers in the place of
floats belong to another variable.
"""

from __future__ import annotations

from typing import Final

import keras
import numpy as np

_FLOATS: Final = ("float16", "bfloat16", "float32", "float64")
_INTEGERS: Final = frozenset(f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64))


def is_convertible(source_dtype: str, target_dtype: str) -> bool:
    """Tell whether numbers of the type `stored` in a file can become those of a variable."""
    if keras.backend.is_float_dtype(target_dtype):
        return source_dtype in _FLOATS
    return source_dtype == target_dtype or (source_dtype in _INTEGERS and target_dtype in _INTEGERS)


def is_rounded(source_dtype: str, target_dtype: str) -> bool:
    """Tell whether the conversion of floats loses digits."""
    return source_dtype in _FLOATS and not np.can_cast(
        np.dtype(source_dtype), np.dtype(target_dtype)
    )


def convert(values: np.ndarray, target_dtype: str) -> tuple[np.ndarray, int]:
    """Return values in the type of a variable, and how many of them it cannot hold.

    Those are NaN and infinity, floats that become infinite, and integers that are out of range.
    """
    dtype = np.dtype(target_dtype)
    with np.errstate(over="ignore", invalid="ignore"):
        result = values.astype(dtype)
        if keras.backend.is_float_dtype(target_dtype):
            # numpy has no isfinite for some of the types of ml_dtypes.
            return result, int(np.sum(~np.isfinite(result.astype(np.float64))))
    return result, int(np.sum(result != values))
