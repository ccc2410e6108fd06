"""The functions of expressions: a table of pure functions of numbers, texts and lists."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from typing import Final

from archbuilder.diagnostics.errors import quote
from archbuilder.plain_data import PlainData


class ExpressionValueError(Exception):
    """A value that an operation does not take, in words for the user."""


def require_number(value: PlainData, context: str) -> int | float:
    """The value if it is a number; booleans are none.

    Raises:
        ValueMistakeError: otherwise.
    """
    if type(value) in (int, float):
        return value  # type: ignore[return-value]
    raise ExpressionValueError(f"{context} takes numbers, not {describe(value)}")


def require_integer(value: PlainData, context: str) -> int:
    """The value if it is a whole number.

    Raises:
        ValueMistakeError: otherwise.
    """
    if type(value) is int:
        return value
    raise ExpressionValueError(f"{context} takes whole numbers, not {describe(value)}")


def describe(value: PlainData) -> str:
    """A value as messages name it."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return f"the text {quote(value[:40])}"
    if isinstance(value, list):
        return "a list"
    return "null" if value is None else str(value)


def to_text(value: PlainData) -> str:
    """A value within a longer text.

    Raises:
        ValueMistakeError: for a list or null.
    """
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return value
    if isinstance(value, int | float):
        return str(value)
    raise ExpressionValueError(f"{describe(value)} cannot stand within a text")


def make_divisible(x: PlainData, divisor: PlainData) -> int:
    """The multiple of `by` nearest to `x`, at least `by` and never below 90% of `x`.

    So MobileNet rounds the number of channels (Sandler et al. 2018, and the authors' code).
    """
    size, step = require_number(x, "divisible"), require_integer(divisor, "divisible")
    if step <= 0:
        raise ExpressionValueError(f"divisible rounds to multiples of a number above 0, not {step}")
    multiple = max(step, int(size + step / 2) // step * step)
    return multiple + step if multiple < 0.9 * size else multiple


def _require_numbers(arguments: Sequence[PlainData], context: str) -> list[int | float]:
    values = arguments
    if len(arguments) == 1 and isinstance(arguments[0], list):
        values = arguments[0]
    if not values:
        raise ExpressionValueError(f"{context} takes at least one number")
    return [require_number(value, context) for value in values]


def _min(*arguments: PlainData) -> PlainData:
    return min(_require_numbers(arguments, "min"))


def _max(*arguments: PlainData) -> PlainData:
    return max(_require_numbers(arguments, "max"))


def _sum(values: PlainData) -> PlainData:
    if not isinstance(values, list):
        raise ExpressionValueError(f"sum takes a list, not {describe(values)}")
    return sum(require_number(value, "sum") for value in values)


def _len(values: PlainData) -> PlainData:
    if isinstance(values, list | str):
        return len(values)
    raise ExpressionValueError(f"len takes a list or a text, not {describe(values)}")


def _round(x: PlainData, digits: PlainData = None) -> PlainData:
    if digits is None:
        return round(require_number(x, "round"))
    ndigits = require_integer(digits, "round")
    if not -15 <= ndigits <= 15:
        raise ExpressionValueError("round takes -15 to 15 digits")
    return round(require_number(x, "round"), ndigits)


def _range(*arguments: PlainData) -> PlainData:
    bounds = [require_integer(argument, "range") for argument in arguments]
    if len(bounds) == 3 and bounds[2] == 0:
        raise ExpressionValueError("the step of range cannot be 0")
    return list(range(*bounds))


_INTEGER_TEXT: Final = re.compile("[-+]?[0-9]{1,19}")
_FLOAT_TEXT: Final = re.compile("[-+.0-9eE]{1,40}")


def _int(value: PlainData) -> PlainData:
    if isinstance(value, str):
        if not _INTEGER_TEXT.fullmatch(value):
            raise ExpressionValueError(f"{describe(value)} is no whole number")
        return int(value)
    return int(value) if isinstance(value, bool) else int(require_number(value, "int"))


def _float(value: PlainData) -> PlainData:
    if isinstance(value, str):
        try:
            result = float(value) if _FLOAT_TEXT.fullmatch(value) else math.nan
        except ValueError:
            result = math.nan
        if not math.isfinite(result):
            raise ExpressionValueError(f"{describe(value)} is no number")
        return result
    return float(require_number(value, "float"))


FUNCTIONS: Final[dict[str, tuple[Callable[..., PlainData], int, int]]] = {
    "min": (_min, 1, 64),
    "max": (_max, 1, 64),
    "abs": (lambda x: abs(require_number(x, "abs")), 1, 1),
    "round": (_round, 1, 2),
    "floor": (lambda x: math.floor(require_number(x, "floor")), 1, 1),
    "ceil": (lambda x: math.ceil(require_number(x, "ceil")), 1, 1),
    "len": (_len, 1, 1),
    "sum": (_sum, 1, 1),
    "range": (_range, 1, 3),
    "int": (_int, 1, 1),
    "float": (_float, 1, 1),
    "str": (to_text, 1, 1),
    "divisible": (make_divisible, 2, 2),
}
"""Each function with the fewest and the most arguments that it takes."""
