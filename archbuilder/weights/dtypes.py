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


def is_convertible(stored: str, wanted: str) -> bool:
    """Tell whether numbers of the type `stored` in a file can become those of a variable."""
    if keras.backend.is_float_dtype(wanted):
        return stored in _FLOATS
    return stored == wanted or (stored in _INTEGERS and wanted in _INTEGERS)


def is_rounded(stored: str, wanted: str) -> bool:
    """Tell whether the conversion of floats loses digits."""
    return stored in _FLOATS and not np.can_cast(np.dtype(stored), np.dtype(wanted))


def convert(values: np.ndarray, wanted: str) -> tuple[np.ndarray, int]:
    """Return values in the type of a variable, and how many of them it cannot hold.

    Those are NaN and infinity, floats that become infinite, and integers that are out of range.
    """
    dtype = np.dtype(wanted)
    with np.errstate(over="ignore", invalid="ignore"):
        converted = values.astype(dtype)
        if keras.backend.is_float_dtype(wanted):
            # numpy has no isfinite for some of the types of ml_dtypes.
            return converted, int(np.sum(~np.isfinite(converted.astype(np.float64))))
    return converted, int(np.sum(converted != values))
