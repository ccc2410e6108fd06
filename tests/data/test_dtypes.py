"""Which values dtypes represent: for every pair of them, by exact arithmetic."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise, product

import ml_dtypes
import numpy as np
import pytest

from archbuilder.data.dtypes import always_fits, common_dtype, unrepresentable

INTEGERS = ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64")
FLOATS = ("float16", "bfloat16", "float32", "float64")
POWERS = (0, 7, 8, 11, 15, 16, 24, 25, 31, 32, 53, 54, 62, 63, 64)
NUMBERS = sorted(
    {sign * (2**power + offset) for power in POWERS for offset in (-1, 0, 1) for sign in (-1, 1)}
)


def numpy_dtype(name: str) -> np.dtype:
    return np.dtype(ml_dtypes.bfloat16 if name == "bfloat16" else name)


def integers(name: str) -> np.ndarray:
    limits = np.iinfo(name)
    return np.array([each for each in NUMBERS if limits.min <= each <= limits.max], name)


@pytest.mark.parametrize(("source", "target"), [*product(INTEGERS, (*INTEGERS, *FLOATS))])
def test_integers_to_integer_dtypes(source: str, target: str):
    """They are in the range of a type of integers, and floats have all of their digits."""
    values, dtype = integers(source), numpy_dtype(target)
    wrong = unrepresentable(values, dtype).tolist()
    for value, mismatch in zip(values.tolist(), wrong, strict=True):
        if target in INTEGERS:
            right = np.iinfo(target).min <= value <= np.iinfo(target).max
        else:
            with np.errstate(over="ignore"):
                rounded = float(np.array(value, np.longdouble).astype(np.float64).astype(dtype))
            exact = np.isfinite(rounded) and Fraction(rounded) == value
            right = exact and Fraction(float(value)) == value
        assert mismatch == (not right), value
    assert not (always_fits(np.dtype(source), dtype) and any(wrong))


@pytest.mark.parametrize("target", [*INTEGERS, "bool"])
def test_floats_to_integer_dtypes(target: str):
    """Whole ones in the range are integers; fractions, infinity and NaN are not."""
    values = np.array([0.0, 1, -1, 0.7, 127, 128, 2**31, 2**63, -(2.0**63), np.inf, np.nan, 1e300])
    wrong = unrepresentable(values, np.dtype(target)).tolist()
    for value, mismatch in zip(values.tolist(), wrong, strict=True):
        low, high = (0, 1) if target == "bool" else (np.iinfo(target).min, np.iinfo(target).max)
        right = np.isfinite(value) and value == int(value) and low <= int(value) <= high
        assert mismatch == (not right), value


def test_floats_to_narrower_floats():
    """Rounding is normal, infinity is not; integers among them keep their digits."""
    values = np.array([[0.1, 2**24 + 1], [1e300, 3]])
    single = np.dtype(np.float32)
    assert unrepresentable(values, single).tolist() == [[False, False], [True, False]]
    second = np.array([False, True])
    assert unrepresentable(values, single, second).tolist() == [[False, True], [True, False]]
    assert not unrepresentable(values, np.dtype(np.float64), second).any()


@pytest.mark.parametrize("sign", [1, -1])
def test_integers_to_float_dtypes(sign: int):
    """They are unrepresentable where the dtype has fewer digits; fractions may be rounded."""
    values = sign * np.array([2.0**63, 2.0**63 + 2**11, 2.0**24 + 1, 0.7])
    integers = np.array([True, True, True, False])
    wrong = unrepresentable(values, np.dtype(np.float32), integers)
    assert wrong.tolist() == [False, True, True, False]


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("target", ["float32", "float16", "bfloat16"])
@pytest.mark.parametrize("sign", [1, -1])
def test_large_integers_to_float_dtypes(sign: int, target: str):
    """They are exact or not in a narrower dtype as smaller ones are; infinity and NaN pass."""
    values = sign * np.array([2.0**64, 2.0**64 + 2**12, 2.0**70 + 2**20, 2.0**100, np.inf, np.nan])
    wrong = unrepresentable(values, numpy_dtype(target), np.ones((), bool))
    exact = target != "float16"
    assert wrong.tolist() == [not exact, True, True, not exact, False, False]


def test_common_dtypes():
    """Integers stay integers."""
    pairs = [("int64", "uint64"), ("uint8", "int8"), ("int16", "float32"), ("int64", "float32")]
    dtypes = [common_dtype(map(np.dtype, pair)) for pair in pairs]
    assert dtypes == ["uint64", "int16", "float32", "float64"]
    assert all(always_fits(*pair) for pair in pairwise(map(np.dtype, ("uint8", "uint16", "int32"))))
