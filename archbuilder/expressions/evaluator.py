"""Evaluate templates: the number of operations and the size of every value are limited."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from typing import Final

from archbuilder.diagnostics.code import Code
from archbuilder.diagnostics.errors import Diagnostics, closest_match
from archbuilder.expressions import nodes
from archbuilder.expressions.functions import FUNCTIONS
from archbuilder.expressions.interpolation import Template
from archbuilder.expressions.nodes import Expression
from archbuilder.expressions.operators import OPERATORS, ORDERS
from archbuilder.expressions.parser import MAX_ABS_VALUE
from archbuilder.expressions.values import (
    ExpressionValueError,
    count_items,
    describe,
    is_equal,
    require_boolean,
    require_integer,
    require_list,
    require_number,
    to_text,
)
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
        # The names that comprehensions bind, which hide variables.
        self._bound: Mapping[str, PlainData] = {}
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
        for variables in (self._bound, self._variables):
            if expression.name in variables:
                return variables[expression.name]
        raise _EvaluationError(
            f"there is no parameter '{expression.name[:60]}' here",
            expression,
            "unknown-parameter",
            closest_match(expression.name, [*self._bound, *self._variables]),
        )

    def list_expr(self, expression: nodes.ListExpr) -> PlainData:
        items = [self.evaluate(item) for item in expression.items]
        self._charge(self._count_items(items, expression), expression)
        return items

    def list_comprehension(self, expression: nodes.ListComprehension) -> PlainData:
        values = self.evaluate(expression.iterable)
        outer = self._bound
        elements: list[PlainData] = []
        for value in require_list(values, "'for'"):
            self._bound = {**outer, **_bind_targets(expression.targets, value)}
            condition = expression.condition
            if condition is None or require_boolean(self.evaluate(condition), "'if'"):
                elements.append(self.evaluate(expression.element))
        self._bound = outer
        self._charge(self._count_items(elements, expression), expression)
        return elements

    def unary(self, expression: nodes.UnaryOp) -> PlainData:
        operand = self.evaluate(expression.operand)
        if expression.operator == "not":
            return not require_boolean(operand, "'not'")
        operand = require_number(operand, f"'{expression.operator}'")
        return -operand if expression.operator == "-" else operand

    def binary(self, expression: nodes.BinOp, left_value: PlainData) -> PlainData:
        context = f"'{expression.operator}'"
        if expression.operator in ("and", "or"):
            # The right operand is not evaluated if the left one decides, so that
            # `n > 0 and 8 / n > 1` does not divide by zero.
            left = require_boolean(left_value, context)
            if left is (expression.operator == "or"):
                return left
            return require_boolean(self.evaluate(expression.right), context)
        right_value = self.evaluate(expression.right)
        if expression.operator == "+":
            if isinstance(left_value, str) and isinstance(right_value, str):
                return left_value + right_value
            if isinstance(left_value, list) and isinstance(right_value, list):
                concatenated = left_value + right_value
                self._charge(self._count_items(concatenated, expression), expression)
                return concatenated
        left_number = require_number(left_value, context)
        right_number = require_number(right_value, context)
        if right_number == 0 and expression.operator in ("/", "//", "%"):
            raise ExpressionValueError("division by zero")
        return OPERATORS[expression.operator](left_number, right_number)

    def comparison(self, expression: nodes.Comparison) -> PlainData:
        left = self.evaluate(expression.first)
        for sign, operand in expression.rest:
            right = self.evaluate(operand)
            # Comparing visits at most the items of the right operand, but those of a list that it
            # contains twice are visited twice.
            if isinstance(right, list):
                self._charge(self._count_items(right, expression), expression)
            if sign in ("==", "!="):
                holds = is_equal(left, right) == (sign == "==")
            elif sign in ("in", "not in"):
                if not isinstance(right, list):
                    raise ExpressionValueError(
                        f"'{sign}' needs a list on the right, not {describe(right)}"
                    )
                holds = any(is_equal(left, item) for item in right) == (sign == "in")
            elif isinstance(left, str) and isinstance(right, str):
                # By code points; a string and a number have no order.
                holds = ORDERS[sign](left, right)
            else:
                numbers = (require_number(each, f"'{sign}'") for each in (left, right))
                holds = ORDERS[sign](*numbers)
            # A comparison that fails ends the chain; the operands after it are not evaluated.
            if not holds:
                return False
            left = right
        return True

    def if_exp(self, expression: nodes.IfExp) -> PlainData:
        condition = require_boolean(self.evaluate(expression.condition), "'if'")
        return self.evaluate(expression.then if condition else expression.otherwise)

    def index(self, expression: nodes.Index, operand: PlainData) -> PlainData:
        values = require_list(operand, "an index")
        position = require_integer(self.evaluate(expression.index), "an index")
        if not -len(values) <= position < len(values):
            message = f"index {position} is out of range for a list of {len(values)}"
            raise _EvaluationError(message, expression.index)
        return values[position]

    def slice(self, expression: nodes.SliceExpr, operand: PlainData) -> PlainData:
        values = require_list(operand, "a slice")
        first, last = (
            None if end is None else require_integer(self.evaluate(end), "an index")
            for end in (expression.first, expression.last)
        )
        self._charge(len(values), expression)
        return values[first:last]

    def call(self, expression: nodes.FunctionCall) -> PlainData:
        arguments = [self.evaluate(argument) for argument in expression.arguments]
        for argument in arguments:
            if isinstance(argument, list):
                # Most functions visit the items alone; some compare them, with the lists in them.
                self._charge(count_items(argument, 100 * self._remaining_operations), expression)
        if expression.function == "range":
            self._check_length_of_range(arguments, expression)
        result = FUNCTIONS[expression.function][0](*arguments)
        if isinstance(result, list):
            self._charge(self._count_items(result, expression), expression)
        return result

    def _check_length_of_range(
        self, arguments: list[PlainData], expression: nodes.FunctionCall
    ) -> None:
        """Check the length of a range before its list is allocated."""
        bounds = [argument for argument in arguments if type(argument) is int]
        # Invalid bounds are reported by `range` itself.
        if len(bounds) < len(arguments) or (len(bounds) == 3 and bounds[2] == 0):
            return
        # Not `len(range(...))`, which raises an OverflowError from 2**63 on.
        start, stop = bounds[:2] if len(bounds) > 1 else (0, bounds[0])
        step = bounds[2] if len(bounds) == 3 else 1
        if (stop - start) // step > self._limits.list_items:
            maximum = self._limits.list_items
            raise _EvaluationError(
                f"the result has more than {maximum} items", expression, "limit-exceeded"
            )

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


def _bind_targets(targets: tuple[str, ...], value: PlainData) -> dict[str, PlainData]:
    """Return the values of the names after `for` of a comprehension."""
    if len(targets) == 1:
        return {targets[0]: value}
    if not isinstance(value, list) or len(value) != len(targets):
        content = f"a list of {len(value)}" if isinstance(value, list) else describe(value)
        names = ", ".join(targets)
        raise ExpressionValueError(f"'for {names}' needs lists of {len(targets)}, not {content}")
    return dict(zip(targets, value, strict=True))


# The rules of binary operators, indices and slices also take the value of the first operand, which
# `evaluate` computes without recursion.
_RULES: Final[dict[type, Callable[..., PlainData]]] = {
    nodes.Literal: _ExpressionEvaluator.literal,
    nodes.Name: _ExpressionEvaluator.name,
    nodes.ListExpr: _ExpressionEvaluator.list_expr,
    nodes.ListComprehension: _ExpressionEvaluator.list_comprehension,
    nodes.UnaryOp: _ExpressionEvaluator.unary,
    nodes.BinOp: _ExpressionEvaluator.binary,
    nodes.Comparison: _ExpressionEvaluator.comparison,
    nodes.IfExp: _ExpressionEvaluator.if_exp,
    nodes.Index: _ExpressionEvaluator.index,
    nodes.SliceExpr: _ExpressionEvaluator.slice,
    nodes.FunctionCall: _ExpressionEvaluator.call,
}
