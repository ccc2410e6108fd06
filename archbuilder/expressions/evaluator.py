"""Evaluate templates: the number of operations and the size of every value are limited."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Iterable, Mapping
from typing import Final

from archbuilder.diagnostics.code import Code
from archbuilder.diagnostics.errors import Diagnostics, closest_match
from archbuilder.expressions import nodes
from archbuilder.expressions.functions import (
    FUNCTIONS,
    ExpressionValueError,
    describe,
    require_integer,
    require_number,
    to_text,
)
from archbuilder.expressions.interpolation import Template
from archbuilder.expressions.nodes import Expression
from archbuilder.expressions.parser import MAX_ABS_VALUE
from archbuilder.limits import Limits
from archbuilder.plain_data import PlainData


class EvaluationFailed:
    """The type of `EVALUATION_FAILED`."""


# Not None, which is the value of a template like $(null).
EVALUATION_FAILED: Final = EvaluationFailed()
"""The result of an evaluation that failed and has reported its error."""


class _EvaluationError(Exception):
    def __init__(
        self,
        message: str,
        node: Expression,
        code: Code = "expression-error",
        suggestion: str | None = None,
    ) -> None:
        super().__init__(message)
        self.message, self.node, self.code, self.suggestion = message, node, code, suggestion


def evaluate(
    template: Template, variables: Mapping[str, PlainData], limits: Limits, diagnostics: Diagnostics
) -> PlainData | EvaluationFailed:
    """Return the value of a template, or `EVALUATION_FAILED` after reporting an error.

    The value of a single expression keeps its type; that of a longer template is a string.
    """
    first_piece = template.pieces[0]
    # `$name` alone, the most common template: it needs no evaluator, and the value of a parameter
    # is returned as it is, without the limits on results.
    if (
        template.is_single_expression
        and isinstance(first_piece, nodes.Name)
        and first_piece.name in variables
    ):
        return variables[first_piece.name]
    evaluator = _ExpressionEvaluator(variables, limits)
    try:
        if template.is_single_expression and not isinstance(first_piece, str):
            return evaluator.evaluate(first_piece)
        return evaluator.join_pieces(template.pieces)
    except _EvaluationError as error:
        diagnostics.error(
            error.code,
            error.message,
            template.subspan(error.node.start, error.node.length),
            suggestion=error.suggestion,
        )
        return EVALUATION_FAILED


class _ExpressionEvaluator:
    """An evaluation of a template, with the number of operations that it has left."""

    def __init__(self, variables: Mapping[str, PlainData], limits: Limits) -> None:
        self._variables = variables
        self._limits = limits
        self._remaining_operations = limits.expression_operations

    def join_pieces(self, pieces: Iterable[str | Expression]) -> str:
        """Return the concatenated pieces."""
        text = ""
        for piece in pieces:
            text += self.render_piece(piece)
            # After every piece, before the string becomes large: each value is within the limit,
            # but a template may repeat one.
            if not isinstance(piece, str):
                self._check_bounds(text, piece)
        return text

    def render_piece(self, piece: str | Expression) -> str:
        if isinstance(piece, str):
            return piece
        try:
            text = to_text(self.evaluate(piece))
        except ExpressionValueError as error:
            raise _EvaluationError(str(error), piece) from None
        return str(self._check_bounds(text, piece))

    def evaluate(self, expression: Expression) -> PlainData:
        # The node of `a + b + c` has that of `a + b` as its first operand, and so on. A loop
        # follows these: with `--limit expression_tokens`, a chain may be longer than Python's
        # recursion limit allows.
        first = expression
        chain = [first]
        while isinstance(first, nodes.BinOp | nodes.Index | nodes.SliceExpr):
            first = first.left if isinstance(first, nodes.BinOp) else first.operand
            chain.append(first)
        self._remaining_operations -= len(chain)
        if self._remaining_operations < 0:
            maximum = self._limits.expression_operations
            raise _EvaluationError(
                f"the expression needs more than {maximum} operations",
                chain[self._remaining_operations],
                "limit-exceeded",
            )
        operands: tuple[PlainData, ...] = ()
        for node in reversed(chain):
            try:
                value = _RULES[type(node)](self, node, *operands)
                operands = (self._check_bounds(value, node),)
            except ExpressionValueError as error:
                raise _EvaluationError(str(error), node) from None
        return operands[0]

    def _check_bounds(self, value: PlainData, node: Expression) -> PlainData:
        # `type` instead of `isinstance`: booleans are not numbers.
        if type(value) is int and not -MAX_ABS_VALUE < value < MAX_ABS_VALUE:
            raise _EvaluationError("the result is larger than 2**63", node)
        if type(value) is float and not math.isfinite(value):
            raise _EvaluationError("the result is not a finite number", node)
        if isinstance(value, str | list) and len(value) > self._limits.list_items:
            maximum = self._limits.list_items
            raise _EvaluationError(
                f"the result has more than {maximum} items", node, "limit-exceeded"
            )
        return value

    def literal(self, expression: nodes.Literal) -> PlainData:
        return expression.value

    def name(self, expression: nodes.Name) -> PlainData:
        if expression.name in self._variables:
            return self._variables[expression.name]
        raise _EvaluationError(
            f"there is no parameter '{expression.name[:60]}' here",
            expression,
            "unknown-parameter",
            closest_match(expression.name, self._variables),
        )

    def list_expr(self, expression: nodes.ListExpr) -> PlainData:
        items = [self.evaluate(item) for item in expression.items]
        self._charge(self._count_items(items, expression), expression)
        return items

    def unary(self, expression: nodes.UnaryOp) -> PlainData:
        operand = self.evaluate(expression.operand)
        if expression.operator == "not":
            return not _require_bool(operand, "not")
        operand = require_number(operand, f"'{expression.operator}'")
        return -operand if expression.operator == "-" else operand

    def binary(self, expression: nodes.BinOp, left_value: PlainData) -> PlainData:
        if expression.operator in ("and", "or"):
            # The right operand is not evaluated if the left one decides, so that
            # `n > 0 and 8 / n > 1` does not divide by zero.
            left = _require_bool(left_value, expression.operator)
            if left is (expression.operator == "or"):
                return left
            return _require_bool(self.evaluate(expression.right), expression.operator)
        right_value = self.evaluate(expression.right)
        if expression.operator == "+":
            if isinstance(left_value, str) and isinstance(right_value, str):
                return left_value + right_value
            if isinstance(left_value, list) and isinstance(right_value, list):
                concatenated = left_value + right_value
                self._charge(self._count_items(concatenated, expression), expression)
                return concatenated
        context = f"'{expression.operator}'"
        left_number = require_number(left_value, context)
        right_number = require_number(right_value, context)
        if right_number == 0 and expression.operator in ("/", "//", "%"):
            raise ExpressionValueError("division by zero")
        return _OPERATORS[expression.operator](left_number, right_number)

    def comparison(self, expression: nodes.Comparison) -> PlainData:
        left = self.evaluate(expression.first)
        for sign, operand in expression.rest:
            right = self.evaluate(operand)
            # Comparing visits at most the items of the right operand, but those of a list that it
            # contains twice are visited twice.
            if isinstance(right, list):
                self._charge(self._count_items(right, expression), expression)
            if sign in ("==", "!="):
                holds = _is_equal(left, right) == (sign == "==")
            elif sign in ("in", "not in"):
                if not isinstance(right, list):
                    raise ExpressionValueError(
                        f"'{sign}' needs a list on the right, not {describe(right)}"
                    )
                holds = any(_is_equal(left, item) for item in right) == (sign == "in")
            elif isinstance(left, str) and isinstance(right, str):
                # By code points; a string and a number have no order.
                holds = _ORDERS[sign](left, right)
            else:
                numbers = (require_number(each, f"'{sign}'") for each in (left, right))
                holds = _ORDERS[sign](*numbers)
            # A comparison that fails ends the chain; the operands after it are not evaluated.
            if not holds:
                return False
            left = right
        return True

    def if_exp(self, expression: nodes.IfExp) -> PlainData:
        condition = _require_bool(self.evaluate(expression.condition), "if")
        return self.evaluate(expression.then if condition else expression.otherwise)

    def index(self, expression: nodes.Index, operand: PlainData) -> PlainData:
        values = _require_list(operand)
        position = require_integer(self.evaluate(expression.index), "an index")
        if not -len(values) <= position < len(values):
            message = f"index {position} is out of range for a list of {len(values)}"
            raise _EvaluationError(message, expression.index)
        return values[position]

    def slice(self, expression: nodes.SliceExpr, operand: PlainData) -> PlainData:
        values = _require_list(operand)
        first, last = (
            None if end is None else require_integer(self.evaluate(end), "an index")
            for end in (expression.first, expression.last)
        )
        self._charge(len(values), expression)
        return values[first:last]

    def call(self, expression: nodes.FunctionCall) -> PlainData:
        function, min_arguments, max_arguments = FUNCTIONS[expression.function]
        arguments = [self.evaluate(argument) for argument in expression.arguments]
        if not min_arguments <= len(arguments) <= max_arguments:
            expected = (
                f"{min_arguments}"
                if min_arguments == max_arguments
                else f"{min_arguments} to {max_arguments}"
            )
            raise ExpressionValueError(
                f"{expression.function} takes {expected} arguments, not {len(arguments)}"
            )
        for argument in arguments:
            if isinstance(argument, list):
                self._charge(len(argument), expression)
        bounds = [argument for argument in arguments if type(argument) is int]
        # Before the list of a range is allocated. Invalid bounds are reported by `range` itself.
        if (
            expression.function == "range"
            and len(bounds) == len(arguments)
            and (len(bounds) < 3 or bounds[2] != 0)
        ):
            # Not `len(range(...))`, which raises an OverflowError from 2**63 on.
            start, stop = bounds[:2] if len(bounds) > 1 else (0, bounds[0])
            step = bounds[2] if len(bounds) == 3 else 1
            if (stop - start) // step > self._limits.list_items:
                maximum = self._limits.list_items
                raise _EvaluationError(
                    f"the result has more than {maximum} items", expression, "limit-exceeded"
                )
        return function(*arguments)

    def _count_items(self, values: list[PlainData], node: Expression) -> int:
        """Return the number of values in a list and in the lists within it."""
        # Level by level, and stopped at the limit: lists can share items, so that every step of a
        # chain b = [a, a], c = [b, b], ... doubles the number of values.
        count = 0
        level = [values]
        for _ in range(self._limits.depth):
            count += sum(map(len, level))
            if count > self._limits.list_items:
                maximum = self._limits.list_items
                raise _EvaluationError(
                    f"the list has more than {maximum} items", node, "limit-exceeded"
                )
            level = [item for each in level for item in each if isinstance(item, list)]
            if not level:
                return count
        maximum = self._limits.depth
        raise _EvaluationError(
            f"lists can be nested at most {maximum} deep", node, "limit-exceeded"
        )

    def _charge(self, operations: int, node: Expression) -> None:
        """Charge for an operation on a list: one operation per hundred items."""
        self._remaining_operations -= operations // 100
        if self._remaining_operations < 0:
            maximum = self._limits.expression_operations
            raise _EvaluationError(
                f"the expression needs more than {maximum} operations", node, "limit-exceeded"
            )


def _require_list(value: PlainData) -> list[PlainData]:
    if not isinstance(value, list):
        raise ExpressionValueError(f"only lists can be indexed, not {describe(value)}")
    return value


def _require_bool(value: PlainData, context: str) -> bool:
    if isinstance(value, bool):
        return value
    raise ExpressionValueError(f"'{context}' needs true or false, not {describe(value)}")


def _is_equal(left: PlainData, right: PlainData) -> bool:
    """Whether two values are equal; unlike in Python, true is not equal to 1."""
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(map(_is_equal, left, right))
    return isinstance(left, bool) == isinstance(right, bool) and left == right


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


_ORDERS: Final[dict[str, Callable[..., bool]]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_OPERATORS: Final[dict[str, Callable[[float, float], PlainData]]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
    "//": operator.floordiv,
    "%": operator.mod,
    "**": _power,
}
# The rules of binary operators, indices and slices also take the value of the first operand, which
# `evaluate` computes without recursion.
_RULES: Final[dict[type, Callable[..., PlainData]]] = {
    nodes.Literal: _ExpressionEvaluator.literal,
    nodes.Name: _ExpressionEvaluator.name,
    nodes.ListExpr: _ExpressionEvaluator.list_expr,
    nodes.UnaryOp: _ExpressionEvaluator.unary,
    nodes.BinOp: _ExpressionEvaluator.binary,
    nodes.Comparison: _ExpressionEvaluator.comparison,
    nodes.IfExp: _ExpressionEvaluator.if_exp,
    nodes.Index: _ExpressionEvaluator.index,
    nodes.SliceExpr: _ExpressionEvaluator.slice,
    nodes.FunctionCall: _ExpressionEvaluator.call,
}
