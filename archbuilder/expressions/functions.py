"""The functions of expressions: a table of pure functions of numbers, texts and lists."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from typing import Final

from archbuilder.errors import shown
from archbuilder.tree import Plain


class ValueMistakeError(Exception):
    """A value that an operation does not take, in words for the user."""


def number(value: Plain, what: str) -> int | float:
    """The value if it is a number; booleans are none.

    Raises:
        ValueMistakeError: otherwise.
    """
    if type(value) in (int, float):
        return value  # type: ignore[return-value]
    raise ValueMistakeError(f"{what} takes numbers, not {described(value)}")


def whole(value: Plain, what: str) -> int:
    """The value if it is a whole number.

    Raises:
        ValueMistakeError: otherwise.
    """
    if type(value) is int:
        return value
    raise ValueMistakeError(f"{what} takes whole numbers, not {described(value)}")


def described(value: Plain) -> str:
    """A value as messages name it."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return f"the text {shown(value[:40])}"
    if isinstance(value, list):
        return "a list"
    return "null" if value is None else str(value)


def as_text(value: Plain) -> str:
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
    raise ValueMistakeError(f"{described(value)} cannot stand within a text")


def divisible(x: Plain, by: Plain) -> int:
    """The multiple of `by` nearest to `x`, at least `by` and never below 90% of `x`.

    So MobileNet rounds the number of channels (Sandler et al. 2018, and the authors' code).
    """
    size, step = number(x, "divisible"), whole(by, "divisible")
    if step <= 0:
        raise ValueMistakeError(f"divisible rounds to multiples of a number above 0, not {step}")
    rounded = max(step, int(size + step / 2) // step * step)
    return rounded + step if rounded < 0.9 * size else rounded


def _numbers(arguments: Sequence[Plain], what: str) -> list[int | float]:
    values = arguments
    if len(arguments) == 1 and isinstance(arguments[0], list):
        values = arguments[0]
    if not values:
        raise ValueMistakeError(f"{what} takes at least one number")
    return [number(value, what) for value in values]


def _min(*arguments: Plain) -> Plain:
    return min(_numbers(arguments, "min"))


def _max(*arguments: Plain) -> Plain:
    return max(_numbers(arguments, "max"))


def _sum(values: Plain) -> Plain:
    if not isinstance(values, list):
        raise ValueMistakeError(f"sum takes a list, not {described(values)}")
    return sum(number(value, "sum") for value in values)


def _len(values: Plain) -> Plain:
    if isinstance(values, list | str):
        return len(values)
    raise ValueMistakeError(f"len takes a list or a text, not {described(values)}")


def _round(x: Plain, digits: Plain = None) -> Plain:
    if digits is None:
        return round(number(x, "round"))
    places = whole(digits, "round")
    if not -15 <= places <= 15:
        raise ValueMistakeError("round takes -15 to 15 digits")
    return round(number(x, "round"), places)


def _range(*arguments: Plain) -> Plain:
    ends = [whole(argument, "range") for argument in arguments]
    if len(ends) == 3 and ends[2] == 0:
        raise ValueMistakeError("the step of range cannot be 0")
    return list(range(*ends))


_WHOLE: Final = re.compile("[-+]?[0-9]{1,19}")
_WRITTEN: Final = re.compile("[-+.0-9eE]{1,40}")


def _int(value: Plain) -> Plain:
    if isinstance(value, str):
        if not _WHOLE.fullmatch(value):
            raise ValueMistakeError(f"{described(value)} is no whole number")
        return int(value)
    return int(value) if isinstance(value, bool) else int(number(value, "int"))


def _float(value: Plain) -> Plain:
    if isinstance(value, str):
        try:
            found = float(value) if _WRITTEN.fullmatch(value) else math.nan
        except ValueError:
            found = math.nan
        if not math.isfinite(found):
            raise ValueMistakeError(f"{described(value)} is no number")
        return found
    return float(number(value, "float"))


FUNCTIONS: Final[dict[str, tuple[Callable[..., Plain], int, int]]] = {
    "min": (_min, 1, 64),
    "max": (_max, 1, 64),
    "abs": (lambda x: abs(number(x, "abs")), 1, 1),
    "round": (_round, 1, 2),
    "floor": (lambda x: math.floor(number(x, "floor")), 1, 1),
    "ceil": (lambda x: math.ceil(number(x, "ceil")), 1, 1),
    "len": (_len, 1, 1),
    "sum": (_sum, 1, 1),
    "range": (_range, 1, 3),
    "int": (_int, 1, 1),
    "float": (_float, 1, 1),
    "str": (as_text, 1, 1),
    "divisible": (divisible, 2, 2),
}
"""Each function with the fewest and the most arguments that it takes."""
