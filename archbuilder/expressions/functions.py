"""Functions that expressions can call: pure functions of numbers, strings and lists."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from typing import Final

from archbuilder.expressions.values import (
    ExpressionValueError,
    describe,
    identity,
    is_equal,
    require_boolean,
    require_integer,
    require_list,
    require_number,
    to_text,
)
from archbuilder.plain_data import PlainData


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
    return sum(require_number(value, "sum") for value in require_list(values, "sum"))


def _len(values: PlainData) -> PlainData:
    if isinstance(values, list | dict | str):
        return len(values)
    raise ExpressionValueError(f"len needs a list, a mapping or a string, not {describe(values)}")


def _keys(value: PlainData) -> PlainData:
    if isinstance(value, dict):
        return [*value]
    raise ExpressionValueError(f"keys needs a mapping, not {describe(value)}")


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


def _log(x: PlainData, base: PlainData = math.e) -> PlainData:
    number, divisor = require_number(x, "log"), require_number(base, "log")
    if number <= 0:
        raise ExpressionValueError(f"log needs a number above 0, not {number}")
    if divisor <= 0 or divisor == 1:
        raise ExpressionValueError(f"the base of log must be above 0 and not 1, not {divisor}")
    # `math.log(number, math.e)` divides, and is less exact.
    return math.log(number) if divisor == math.e else math.log(number, divisor)


def _exp(x: PlainData) -> PlainData:
    try:
        return math.exp(require_number(x, "exp"))
    except OverflowError:
        raise ExpressionValueError("the result is not a finite number") from None


def _sqrt(x: PlainData) -> PlainData:
    number = require_number(x, "sqrt")
    if number < 0:
        raise ExpressionValueError(f"sqrt needs a number of at least 0, not {number}")
    return math.sqrt(number)


def _sorted(values: PlainData) -> PlainData:
    items = require_list(values, "sorted")
    texts = [item for item in items if isinstance(item, str)]
    if texts and len(texts) == len(items):
        return [*sorted(texts)]
    return [*sorted(require_number(item, "sorted") for item in items)]


def _unique(values: PlainData) -> PlainData:
    # The first of equal values, in the order of the list.
    by_identity: dict[object, PlainData] = {}
    for value in require_list(values, "unique"):
        by_identity.setdefault(identity(value), value)
    return list(by_identity.values())


def _count(values: PlainData, value: PlainData) -> PlainData:
    return sum(is_equal(each, value) for each in require_list(values, "count"))


def _index(values: PlainData, value: PlainData) -> PlainData:
    for position, item in enumerate(require_list(values, "index")):
        if is_equal(item, value):
            return position
    raise ExpressionValueError(f"the list of index does not contain {describe(value)}")


def _zip(*lists: PlainData) -> PlainData:
    columns = [require_list(values, "zip") for values in lists]
    lengths = [len(column) for column in columns]
    if len(set(lengths)) > 1:
        # As the lists of a `for` in a step.
        text = ", ".join(map(str, lengths))
        raise ExpressionValueError(f"zip needs lists of the same length, not of {text}")
    return [list(row) for row in zip(*columns, strict=True)]


def _enumerate(values: PlainData) -> PlainData:
    return [[index, value] for index, value in enumerate(require_list(values, "enumerate"))]


def _require_booleans(values: PlainData, context: str) -> list[bool]:
    return [require_boolean(value, context) for value in require_list(values, context)]


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
    "sqrt": (_sqrt, 1, 1),
    "exp": (_exp, 1, 1),
    "log": (_log, 1, 2),
    "cos": (lambda x: math.cos(require_number(x, "cos")), 1, 1),
    "len": (_len, 1, 1),
    "sum": (_sum, 1, 1),
    "range": (_range, 1, 3),
    "enumerate": (_enumerate, 1, 1),
    "zip": (_zip, 1, 64),
    "sorted": (_sorted, 1, 1),
    "reversed": (lambda values: require_list(values, "reversed")[::-1], 1, 1),
    "unique": (_unique, 1, 1),
    "count": (_count, 2, 2),
    "index": (_index, 2, 2),
    "keys": (_keys, 1, 1),
    "any": (lambda values: any(_require_booleans(values, "any")), 1, 1),
    "all": (lambda values: all(_require_booleans(values, "all")), 1, 1),
    "int": (_int, 1, 1),
    "float": (_float, 1, 1),
    "str": (to_text, 1, 1),
    "divisible": (make_divisible, 2, 2),
}
"""Each function with its minimum and maximum number of arguments."""
