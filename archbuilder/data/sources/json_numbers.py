"""Numbers and nested lists of numbers, as JSON has them."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from archbuilder.data.columns import Array
from archbuilder.diagnostics.errors import RunError


def parse_numbers(value: object, description: str) -> Array:
    """Return a number, or nested lists of numbers of one shape, as an array of finite numbers.

    Raises:
        RunError: if the value is something else; `description` begins the message.
    """
    # numpy raises ValueError for ragged lists, and makes an object array of integers that do not
    # fit 64 bits.
    try:
        array = np.array(value)
        # For a list of integers below and above 2**63, numpy chooses float64.
        if array.dtype.kind == "f" and all(
            isinstance(each, int) and each >= 0 for each in flatten(value)
        ):
            array = np.array(value, np.uint64)
    except ValueError:
        raise RunError(f"{description} is a list of lists of different lengths") from None
    if array.dtype.kind == "O" and all(isinstance(each, int | float) for each in flatten(value)):
        raise RunError(f"{description} has an integer of more than 64 bits")
    # JSON has strings, null and objects, of which numpy makes arrays as well.
    if array.dtype.kind not in "biuf":
        raise RunError(f"{description} has values of a type other than numbers")
    # Python's json module reads NaN, Infinity and 1e999.
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        raise RunError(f"{description} is not finite")
    return array


def flatten(value: object) -> Iterator[object]:
    """Yield the items of nested lists."""
    if isinstance(value, list):
        for item in value:
            yield from flatten(item)
    else:
        yield value
