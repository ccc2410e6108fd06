"""Functions that expressions can call: pure functions of numbers, strings and lists."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from typing import Final

from archbuilder.diagnostics.errors import quote
from archbuilder.plain_data import PlainData


class ExpressionValueError(Exception):
    """An operand or argument of the wrong type or out of range; the message is for the user.

    It has no location. The evaluator adds that of the expression.
    """


def require_number(value: PlainData, context: str) -> int | float:
    """Return the value if it is a number; booleans are not.

    Raises:
        ExpressionValueError: otherwise.
    """
    # Not `isinstance`: `bool` is a subclass of `int`, and `true + 1` would be 2.
    if type(value) in (int, float):
        return value  # type: ignore[return-value]
    raise ExpressionValueError(f"{context} needs numbers, not {describe(value)}")


def require_integer(value: PlainData, context: str) -> int:
    """Return the value if it is an integer; floats such as 2.0 are not.

    Raises:
        ExpressionValueError: otherwise.
    """
    if type(value) is int:
        return value
    raise ExpressionValueError(f"{context} needs integers, not {describe(value)}")


def describe(value: PlainData) -> str:
    """Return a value as messages show it: `true`, `the string 'relu'`, `a list`."""
    # As YAML spells it, not as Python does.
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return f"the string {quote(value[:40])}"
    if isinstance(value, list):
        return "a list"
    if isinstance(value, dict):
        return "a mapping"
    return "null" if value is None else str(value)


def to_text(value: PlainData) -> str:
    """Convert a value that is inserted into a string.

    Raises:
        ExpressionValueError: for a list, a mapping or null.
    """
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return value
    if isinstance(value, int | float):
        return str(value)
    raise ExpressionValueError(f"{describe(value)} cannot be inserted into a string")


def make_divisible(x: PlainData, divisor: PlainData) -> int:
    """Return the multiple of `divisor` nearest to `x`, at least `divisor` and 90% of `x`.

    MobileNet rounds its numbers of channels in this way (`_make_divisible` in the code of Sandler
    et al. 2018).
    """
    size, step = require_number(x, "divisible"), require_integer(divisor, "divisible")
    if step <= 0:
        raise ExpressionValueError(f"divisible rounds to multiples of a number above 0, not {step}")
    # Halves are rounded up; `round` would round them to even.
    multiple = max(step, int(size + step / 2) // step * step)
    return multiple + step if multiple < 0.9 * size else multiple


def _require_numbers(arguments: Sequence[PlainData], context: str) -> list[int | float]:
    values = arguments
    # As in Python: min(a, b) or min(list).
    if len(arguments) == 1 and isinstance(arguments[0], list):
        values = arguments[0]
    if not values:
        raise ExpressionValueError(f"{context} needs at least one number")
    return [require_number(value, context) for value in values]


def _sum(values: PlainData) -> PlainData:
    if not isinstance(values, list):
        raise ExpressionValueError(f"sum needs a list, not {describe(values)}")
    return sum(require_number(value, "sum") for value in values)


def _len(values: PlainData) -> PlainData:
    if isinstance(values, list | str):
        return len(values)
    raise ExpressionValueError(f"len needs a list or a string, not {describe(values)}")


def _round(x: PlainData, digits: PlainData = None) -> PlainData:
    if digits is None:
        return round(require_number(x, "round"))
    ndigits = require_integer(digits, "round")
    # Integers are rounded as well; Python computes 10**-ndigits for them, of any size.
    if not -15 <= ndigits <= 15:
        raise ExpressionValueError("round needs -15 to 15 digits")
    return round(require_number(x, "round"), ndigits)


def _range(*arguments: PlainData) -> PlainData:
    bounds = [require_integer(argument, "range") for argument in arguments]
    if len(bounds) == 3 and bounds[2] == 0:
        raise ExpressionValueError("the step of range cannot be 0")
    # The evaluator has checked the length, before the list is allocated.
    return list(range(*bounds))


# `int` and `float` also accept spaces, underscores, digits of all scripts, and names of values that
# are not finite.
_INTEGER_TEXT: Final = re.compile("[-+]?[0-9]{1,19}")
_FLOAT_TEXT: Final = re.compile("[-+.0-9eE]{1,40}")


def _int(value: PlainData) -> PlainData:
    if isinstance(value, str):
        if not _INTEGER_TEXT.fullmatch(value):
            raise ExpressionValueError(f"{describe(value)} is not an integer")
        return int(value)
    # An explicit conversion, so that booleans are accepted here, unlike in arithmetic.
    return int(value) if isinstance(value, bool) else int(require_number(value, "int"))


def _float(value: PlainData) -> PlainData:
    if isinstance(value, str):
        try:
            result = float(value) if _FLOAT_TEXT.fullmatch(value) else math.nan
        # The pattern is looser than the syntax of numbers: it matches "1.2.3".
        except ValueError:
            result = math.nan
        if not math.isfinite(result):
            raise ExpressionValueError(f"{describe(value)} is not a number")
        return result
    return float(require_number(value, "float"))


FUNCTIONS: Final[dict[str, tuple[Callable[..., PlainData], int, int]]] = {
    "min": (lambda *values: min(_require_numbers(values, "min")), 1, 64),
    "max": (lambda *values: max(_require_numbers(values, "max")), 1, 64),
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
"""Each function with its minimum and maximum number of arguments."""
