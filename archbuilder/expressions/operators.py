"""Operators of expressions on values: order and arithmetic."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from typing import Final

from archbuilder.expressions.values import ExpressionValueError
from archbuilder.plain_data import PlainData


def _power(left: float, right: float) -> PlainData:
    if left == 0 and right < 0:
        raise ExpressionValueError("division by zero")
    # Python would return a complex number.
    if left < 0 and not float(right).is_integer():
        raise ExpressionValueError("a power of a negative number needs an integer exponent")
    # The size is estimated from logarithms before the power is computed: with integers, 9**9**9
    # alone would take minutes. Powers of floats take no longer than others.
    if isinstance(left, int) and isinstance(right, int) and right * math.log2(abs(left) or 1) > 63:
        raise ExpressionValueError("the result is larger than 2**63")
    try:
        result = left**right
    except OverflowError:
        raise ExpressionValueError("the result is not a finite number") from None
    return result if isinstance(result, int) else float(result)


ORDERS: Final[dict[str, Callable[..., bool]]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
OPERATORS: Final[dict[str, Callable[[float, float], PlainData]]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
    "//": operator.floordiv,
    "%": operator.mod,
    "**": _power,
}
