"""Evaluates templates: every operation counts, and every value stays within bounds."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Iterable, Mapping
from typing import Final

from archbuilder.errors import Diagnostics, nearest
from archbuilder.expressions import nodes
from archbuilder.expressions.functions import (
    FUNCTIONS,
    ValueMistakeError,
    as_text,
    described,
    number,
    whole,
)
from archbuilder.expressions.nodes import Expression
from archbuilder.expressions.template import Template
from archbuilder.limits import Limits
from archbuilder.tree import Plain

LARGEST: Final = 2**63


class Failed:
    """The type of `FAILED`."""


FAILED: Final = Failed()
"""What an evaluation gives after a mistake, which it has reported."""


class _MistakeError(Exception):
    def __init__(
        self, message: str, at: Expression, code: str = "expression-error", hint: str | None = None
    ) -> None:
        super().__init__(message)
        self.message, self.at, self.code, self.hint = message, at, code, hint


def evaluate(
    template: Template, variables: Mapping[str, Plain], limits: Limits, diagnostics: Diagnostics
) -> Plain | Failed:
    """The value of a template; `FAILED` after reporting a mistake.

    A template that is just one expression keeps its type, a longer one gives text.
    """
    only = template.pieces[0]
    if template.whole and isinstance(only, nodes.Name) and only.name in variables:
        return variables[only.name]
    evaluation = _Evaluation(variables, limits)
    try:
        if template.whole and not isinstance(only, str):
            return evaluation.value(only)
        return evaluation.joined(template.pieces)
    except _MistakeError as mistake:
        diagnostics.error(
            mistake.code,
            mistake.message,
            template.place(mistake.at.start, mistake.at.length),
            suggestion=mistake.hint,
        )
        return FAILED


class _Evaluation:
    """One evaluation with its count of operations."""

    def __init__(self, variables: Mapping[str, Plain], limits: Limits) -> None:
        self._variables = variables
        self._limits = limits
        self._left = limits.expression_operations

    def joined(self, pieces: Iterable[str | Expression]) -> str:
        """The text that pieces make one behind the other."""
        text = ""
        for piece in pieces:
            text += self.text(piece)
            if not isinstance(piece, str):
                self._bounded(text, piece)
        return text

    def text(self, piece: str | Expression) -> str:
        if isinstance(piece, str):
            return piece
        try:
            text = as_text(self.value(piece))
        except ValueMistakeError as mistake:
            raise _MistakeError(str(mistake), piece) from None
        return str(self._bounded(text, piece))

    def value(self, expression: Expression) -> Plain:
        self._left -= 1
        if self._left < 0:
            most = self._limits.expression_operations
            raise _MistakeError(
                f"the expression takes more than {most} operations", expression, "limit"
            )
        try:
            return self._bounded(_RULES[type(expression)](self, expression), expression)
        except ValueMistakeError as mistake:
            raise _MistakeError(str(mistake), expression) from None

    def _bounded(self, value: Plain, at: Expression) -> Plain:
        if type(value) is int and not -LARGEST < value < LARGEST:
            raise _MistakeError("the result is larger than 2**63", at)
        if type(value) is float and not math.isfinite(value):
            raise _MistakeError("the result is no finite number", at)
        if isinstance(value, str | list) and len(value) > self._limits.list_items:
            most = self._limits.list_items
            raise _MistakeError(f"the result has more than {most} items", at, "limit")
        return value

    def literal(self, expression: nodes.Literal) -> Plain:
        return expression.value

    def name(self, expression: nodes.Name) -> Plain:
        if expression.name in self._variables:
            return self._variables[expression.name]
        raise _MistakeError(
            f"there is no parameter '{expression.name[:60]}' here",
            expression,
            "unknown-parameter",
            nearest(expression.name, self._variables),
        )

    def list_of(self, expression: nodes.ListOf) -> Plain:
        items = [self.value(item) for item in expression.items]
        self._pay(self._size(items, expression), expression)
        return items

    def unary(self, expression: nodes.Unary) -> Plain:
        operand = self.value(expression.operand)
        if expression.operator == "not":
            return not _truth(operand, "not")
        operand = number(operand, f"'{expression.operator}'")
        return -operand if expression.operator == "-" else operand

    def binary(self, expression: nodes.Binary) -> Plain:
        if expression.operator in ("and", "or"):
            left = _truth(self.value(expression.left), expression.operator)
            if left is (expression.operator == "or"):
                return left
            return _truth(self.value(expression.right), expression.operator)
        left_value, right_value = self.value(expression.left), self.value(expression.right)
        if expression.operator == "+":
            joined = self._join(left_value, right_value, expression)
            if joined is not None:
                return joined
        what = f"'{expression.operator}'"
        return _OPERATORS[expression.operator](number(left_value, what), number(right_value, what))

    def _join(self, left: Plain, right: Plain, at: Expression) -> Plain:
        """Texts and lists one behind the other; None where they are something else."""
        if isinstance(left, str) and isinstance(right, str):
            return left + right
        if isinstance(left, list) and isinstance(right, list):
            joined = left + right
            self._pay(self._size(joined, at), at)
            return joined
        return None

    def comparison(self, expression: nodes.Comparison) -> Plain:
        left = self.value(expression.first)
        for sign, other in expression.rest:
            right = self.value(other)
            if isinstance(right, list):
                self._pay(self._size(right, expression), expression)
            if not _compare(sign, left, right):
                return False
            left = right
        return True

    def choice(self, expression: nodes.Choice) -> Plain:
        chosen = _truth(self.value(expression.condition), "if")
        return self.value(expression.then if chosen else expression.otherwise)

    def index(self, expression: nodes.Index) -> Plain:
        values = _items(self.value(expression.operand))
        place = whole(self.value(expression.index), "an index")
        if not -len(values) <= place < len(values):
            message = f"there is no item {place} in a list of {len(values)}"
            raise _MistakeError(message, expression.index)
        return values[place]

    def slice(self, expression: nodes.Slice) -> Plain:
        values = _items(self.value(expression.operand))
        first, last = (
            None if end is None else whole(self.value(end), "an index")
            for end in (expression.first, expression.last)
        )
        self._pay(len(values), expression)
        return values[first:last]

    def call(self, expression: nodes.Call) -> Plain:
        function, fewest, most = FUNCTIONS[expression.function]
        arguments = [self.value(argument) for argument in expression.arguments]
        if not fewest <= len(arguments) <= most:
            takes = f"{fewest}" if fewest == most else f"{fewest} to {most}"
            raise ValueMistakeError(
                f"{expression.function} takes {takes} values, not {len(arguments)}"
            )
        for argument in arguments:
            if isinstance(argument, list):
                self._pay(len(argument), expression)
        if expression.function == "range":
            self._check_range(arguments, expression)
        return function(*arguments)

    def _check_range(self, arguments: list[Plain], at: Expression) -> None:
        ends = [argument for argument in arguments if type(argument) is int]
        if len(ends) < len(arguments) or (len(ends) == 3 and ends[2] == 0):
            return
        # Python cannot take the length of a range beyond its own integers.
        start, stop = ends[:2] if len(ends) > 1 else (0, ends[0])
        step = ends[2] if len(ends) == 3 else 1
        if (stop - start) // step > self._limits.list_items:
            most = self._limits.list_items
            raise _MistakeError(f"the result has more than {most} items", at, "limit")

    def _size(self, values: list[Plain], at: Expression) -> int:
        """How many values a list has, those of the lists in it as well, which may share items."""
        size = 0
        level = [values]
        for _ in range(self._limits.depth):
            size += sum(map(len, level))
            if size > self._limits.list_items:
                most = self._limits.list_items
                raise _MistakeError(f"the list has more than {most} items", at, "limit")
            level = [item for each in level for item in each if isinstance(item, list)]
            if not level:
                return size
        most = self._limits.depth
        raise _MistakeError(f"lists are nested {most} deep at most", at, "limit")

    def _pay(self, operations: int, at: Expression) -> None:
        """Count what a list costs: a hundred items as one operation."""
        self._left -= operations // 100
        if self._left < 0:
            most = self._limits.expression_operations
            raise _MistakeError(f"the expression takes more than {most} operations", at, "limit")


def _items(value: Plain) -> list[Plain]:
    if not isinstance(value, list):
        raise ValueMistakeError(f"only lists have items, not {described(value)}")
    return value


def _truth(value: Plain, what: str) -> bool:
    if isinstance(value, bool):
        return value
    raise ValueMistakeError(f"'{what}' takes true or false, not {described(value)}")


def _same(left: Plain, right: Plain) -> bool:
    """Equality that tells true from 1."""
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(map(_same, left, right))
    return isinstance(left, bool) == isinstance(right, bool) and left == right


def _compare(sign: str, left: Plain, right: Plain) -> bool:
    if sign in ("==", "!="):
        return _same(left, right) == (sign == "==")
    if sign in ("in", "not in"):
        if not isinstance(right, list):
            raise ValueMistakeError(f"'{sign}' looks into lists, not into {described(right)}")
        return any(_same(left, item) for item in right) == (sign == "in")
    order = _ORDERS[sign]
    if isinstance(left, str) and isinstance(right, str):
        return order(left, right)
    return order(number(left, f"'{sign}'"), number(right, f"'{sign}'"))


def _divide(left: float, right: float) -> Plain:
    if right == 0:
        raise ValueMistakeError("division by zero")
    return left / right


def _floor_divide(left: float, right: float) -> Plain:
    if right == 0:
        raise ValueMistakeError("division by zero")
    return left // right


def _modulo(left: float, right: float) -> Plain:
    if right == 0:
        raise ValueMistakeError("division by zero")
    return left % right


def _power(left: float, right: float) -> Plain:
    if left == 0 and right < 0:
        raise ValueMistakeError("division by zero")
    if left < 0 and not float(right).is_integer():
        raise ValueMistakeError("a power of a negative number has a whole exponent")
    if abs(left) > 1 and right * math.log2(abs(left)) > 1023:
        raise ValueMistakeError("the result is larger than 2**63")
    if isinstance(left, int) and isinstance(right, int) and right * math.log2(abs(left) or 1) > 63:
        raise ValueMistakeError("the result is larger than 2**63")
    try:
        result = left**right
    except OverflowError:
        raise ValueMistakeError("the result is no finite number") from None
    return result if isinstance(result, int) else float(result)


_ORDERS: Final[dict[str, Callable[..., bool]]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_OPERATORS: Final[dict[str, Callable[[float, float], Plain]]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": _divide,
    "//": _floor_divide,
    "%": _modulo,
    "**": _power,
}
_RULES: Final[dict[type, Callable[..., Plain]]] = {
    nodes.Literal: _Evaluation.literal,
    nodes.Name: _Evaluation.name,
    nodes.ListOf: _Evaluation.list_of,
    nodes.Unary: _Evaluation.unary,
    nodes.Binary: _Evaluation.binary,
    nodes.Comparison: _Evaluation.comparison,
    nodes.Choice: _Evaluation.choice,
    nodes.Index: _Evaluation.index,
    nodes.Slice: _Evaluation.slice,
    nodes.Call: _Evaluation.call,
}
