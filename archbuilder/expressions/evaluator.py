"""Evaluate templates: the number of operations and the size of every value are limited."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final

from archbuilder.diagnostics.errors import Diagnostics, ExpansionFrame, closest_match
from archbuilder.expressions import nodes
from archbuilder.expressions.budget import EvaluationBudget, TotalBudget
from archbuilder.expressions.failures import (
    EvaluationError,
    ReportedError,
    UnknownOperandError,
    bind_targets,
    item_of_mapping,
)
from archbuilder.expressions.functions import FUNCTIONS
from archbuilder.expressions.nodes import Expression
from archbuilder.expressions.opaque import OpaqueValue
from archbuilder.expressions.operators import OPERATORS, ORDERS
from archbuilder.expressions.shapes import SHAPE_FUNCTIONS, ShapeLookup, describe_shape
from archbuilder.expressions.template import Template
from archbuilder.expressions.values import (
    ExpressionValueError,
    describe,
    is_equal,
    require_boolean,
    require_integer,
    require_list,
    require_number,
    to_text,
)
from archbuilder.limits import Limits
from archbuilder.plain_data import UNKNOWN, PlainData, UnknownValue


class EvaluationFailed:
    """The type of `EVALUATION_FAILED`."""


# Not None, which is the value of a template like $(null).
EVALUATION_FAILED: Final = EvaluationFailed()
"""The result of an evaluation that failed and has reported its error."""


MAX_NESTING: Final = 100
"""How deep the operations of an expression can be nested, with those of the functions that it
calls. The evaluator recurses with up to three frames a level, on top of those of the expansion, and
Python's recursion limit is 1000."""


def evaluate(
    template: Template,
    variables: Mapping[str, PlainData | OpaqueValue],
    limits: Limits,
    diagnostics: Diagnostics,
    shapes: ShapeLookup | None = None,
    total: TotalBudget | None = None,
) -> PlainData | EvaluationFailed:
    """Return the value of a template, or `EVALUATION_FAILED` after reporting an error.

    The value of a single expression keeps its type; that of a longer template is a string. It is
    `UNKNOWN` if it depends on a variable or a shape that is; without `shapes`, all shapes are.
    """
    first_piece = template.pieces[0]
    # `$name` alone, the most common template: it needs no evaluator, and the value of a parameter
    # is returned as it is, without the limits on results.
    if (
        template.is_single_expression
        and isinstance(first_piece, nodes.Name)
        and first_piece.name in variables
    ):
        value = variables[first_piece.name]
        if not isinstance(value, OpaqueValue):
            return value
    total = total or TotalBudget(limits)
    evaluator = _ExpressionEvaluator(template, variables, EvaluationBudget(limits, total), shapes)
    try:
        value = evaluator.evaluate_template(template)
    except UnknownOperandError:
        return UNKNOWN
    except ReportedError:
        return EVALUATION_FAILED
    except EvaluationError as error:
        frame = diagnostics.frame
        for name, span in reversed(error.calls):
            frame = ExpansionFrame("function", name, span, frame)
        span = (error.template or template).subspan(error.node.start, error.node.length)
        with diagnostics.within(frame):
            notes = tuple(evaluator.shape_notes)
            suggestion = error.suggestion
            diagnostics.error(error.code, error.message, span, suggestion=suggestion, notes=notes)
        return EVALUATION_FAILED
    if template.tensors:
        # Not every value may be null, and whether this one may is checked elsewhere.
        has_null = value is None or (isinstance(value, list) and None in value)
        diagnostics.explain(template.span, tuple(evaluator.shape_notes) if has_null else ())
    return value


class _ExpressionEvaluator:
    """An evaluation of a template, with the number of operations that it has left."""

    def __init__(
        self,
        template: Template,
        variables: Mapping[str, PlainData | OpaqueValue],
        budget: EvaluationBudget,
        shapes: ShapeLookup | None,
    ) -> None:
        self.shape_notes: dict[str, None] = {}
        """Notes on the shapes that were read, in order."""
        self._shapes = shapes
        # Those of the function, while one is called.
        self._template = template
        self._variables = variables
        # The names that comprehensions bind, which hide variables.
        self._bound: Mapping[str, PlainData] = {}
        self._budget = budget
        self._nesting = 0

    def evaluate_template(self, template: Template) -> PlainData:
        first_piece = template.pieces[0]
        if template.is_single_expression and not isinstance(first_piece, str):
            return self.evaluate(first_piece)
        return self.join_pieces(template.pieces)

    def join_pieces(self, pieces: Iterable[str | Expression]) -> str:
        """Return the concatenated pieces."""
        text = ""
        for piece in pieces:
            if isinstance(piece, str):
                text += piece
                continue
            try:
                text += to_text(self.evaluate(piece))
                # After every piece, before the string becomes large: each value is within the
                # limit, but a template may repeat one.
                self._budget.check_bounds(text)
            except ExpressionValueError as error:
                raise EvaluationError(str(error), piece, error.code) from None
        return text

    def evaluate(self, expression: Expression) -> PlainData:
        # The node of `a + b + c` has that of `a + b` as its first operand, and so on. A loop
        # follows these: with `--limit expression_tokens`, a chain may be longer than Python's
        # recursion limit allows.
        first = expression
        chain = [first]
        while isinstance(first, nodes.BinOp | nodes.Index | nodes.SliceExpr):
            first = first.left if isinstance(first, nodes.BinOp) else first.operand
            chain.append(first)
        try:
            self._budget.charge(len(chain))
        except ExpressionValueError as error:
            # At the first operation beyond the limit: `remaining_operations` is below 0, unless the
            # limit is that of all expressions.
            node = chain[min(self._budget.remaining_operations, -1)]
            raise EvaluationError(str(error), node, error.code) from None
        if self._nesting >= MAX_NESTING:
            message = f"expressions and functions can be nested at most {MAX_NESTING} deep"
            raise EvaluationError(message, expression, "limit-exceeded")
        self._nesting += 1
        operands: tuple[PlainData, ...] = ()
        for node in reversed(chain):
            try:
                value = _RULES[type(node)](self, node, *operands)
                if value is UNKNOWN:
                    raise UnknownOperandError
                operands = (self._budget.check_bounds(value),)
            except ExpressionValueError as error:
                raise EvaluationError(str(error), node, error.code) from None
        self._nesting -= 1
        return operands[0]

    def literal(self, expression: nodes.Literal) -> PlainData:
        return expression.value

    def name(self, expression: nodes.Name) -> PlainData:
        for variables in (self._bound, self._variables):
            if expression.name in variables:
                value = variables[expression.name]
                if isinstance(value, OpaqueValue):
                    raise ExpressionValueError(
                        f"'{expression.name}' is a block, which can only be compared with null:"
                        f" {expression.name} != null"
                    )
                return value
        raise EvaluationError(
            f"there is no parameter '{expression.name[:60]}' here",
            expression,
            "unknown-parameter",
            closest_match(expression.name, [*self._bound, *self._variables]),
        )

    def path(self, expression: nodes.Path) -> PlainData:
        value = self.name(nodes.Name(expression.name, expression.start, expression.length))
        keys = list(expression.keys)
        start = expression.start + expression.length
        while keys and isinstance(value, dict):
            key = keys.pop(0)
            value = item_of_mapping(value, key, nodes.Literal(key, start + 1, len(key)))
            start += 1 + len(key)
        return ".".join([to_text(value), *keys]) if keys else value

    def list_expr(self, expression: nodes.ListExpr) -> PlainData:
        return self._budget.charge_list(self._evaluate_all(expression.items))

    def list_comprehension(self, expression: nodes.ListComprehension) -> PlainData:
        values = self.evaluate(expression.iterable)
        outer = self._bound
        elements: list[PlainData] = []
        for value in require_list(values, "'for'"):
            self._bound = {**outer, **bind_targets(expression.targets, value)}
            condition = expression.condition
            if condition is None or require_boolean(self.evaluate(condition), "'if'"):
                elements.append(self.evaluate(expression.element))
        self._bound = outer
        return self._budget.charge_list(elements)

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
                return self._budget.charge_text(left_value + right_value)
            if isinstance(left_value, list) and isinstance(right_value, list):
                return self._budget.charge_list(left_value + right_value)
        left_number = require_number(left_value, context)
        right_number = require_number(right_value, context)
        if right_number == 0 and expression.operator in ("/", "//", "%"):
            raise ExpressionValueError("division by zero")
        return OPERATORS[expression.operator](left_number, right_number)

    def comparison(self, expression: nodes.Comparison) -> PlainData:
        if self._compares_block_with_null(expression):
            return expression.rest[0][0] == "!="
        left = self.evaluate(expression.first)
        for sign, operand in expression.rest:
            right = self.evaluate(operand)
            # Comparing visits at most the items of the right operand, but those of a list that it
            # contains twice are visited twice.
            self._budget.charge_visit(right)
            if sign in ("==", "!="):
                holds = is_equal(left, right) == (sign == "==")
            elif sign in ("in", "not in"):
                if not isinstance(right, list | dict):
                    raise ExpressionValueError(
                        f"'{sign}' needs a list or a mapping on the right, not {describe(right)}"
                    )
                # Of a mapping, the keys.
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

    def _compares_block_with_null(self, expression: nodes.Comparison) -> bool:
        if len(expression.rest) > 1 or not isinstance(expression.first, nodes.Name):
            return False
        name = expression.first.name
        if name in self._bound:
            return False
        sign, right = expression.rest[0]
        is_null = isinstance(right, nodes.Literal) and right.value is None
        is_block = isinstance(self._variables.get(name), OpaqueValue)
        return is_block and is_null and sign in ("==", "!=")

    def if_exp(self, expression: nodes.IfExp) -> PlainData:
        condition = require_boolean(self.evaluate(expression.condition), "'if'")
        return self.evaluate(expression.then if condition else expression.otherwise)

    def index(self, expression: nodes.Index, operand: PlainData) -> PlainData:
        key = self.evaluate(expression.index)
        if isinstance(operand, dict) or isinstance(key, str):
            return item_of_mapping(operand, key, expression.index)
        values = require_list(operand, "an index")
        position = require_integer(key, "an index")
        if not -len(values) <= position < len(values):
            message = f"index {position} is out of range for a list of {len(values)}"
            raise EvaluationError(message, expression.index)
        return values[position]

    def slice(self, expression: nodes.SliceExpr, operand: PlainData) -> PlainData:
        values = require_list(operand, "a slice")
        first, last = (
            None if end is None else require_integer(self.evaluate(end), "an index")
            for end in (expression.first, expression.last)
        )
        return self._budget.charge_list(values[first:last])

    def call(self, expression: nodes.FunctionCall) -> PlainData:
        arguments = self._evaluate_all(expression.arguments)
        if expression.function in self._template.functions.signatures:
            return self._call_file_function(expression, arguments)
        for argument in arguments:
            # Most functions visit the items alone; some compare them, with the lists in them.
            self._budget.charge_visit(argument)
        if expression.function == "range":
            self._budget.check_range(arguments)
        result = FUNCTIONS[expression.function][0](*arguments)
        return self._budget.charge_list(result) if isinstance(result, list) else result

    def shape_call(self, expression: nodes.ShapeCall) -> PlainData:
        tensor = expression.tensor
        name = self.join_pieces(tensor.pieces)
        # After an error, which is reported there, the shape is unknown as well.
        span = self._template.subspan(tensor.start, tensor.length)
        shape = UNKNOWN if self._shapes is None else self._shapes.find_shape(name, span)
        if isinstance(shape, UnknownValue):
            raise UnknownOperandError
        self.shape_notes[describe_shape(name, shape)] = None
        return SHAPE_FUNCTIONS[expression.function](name, shape)

    def _call_file_function(
        self, expression: nodes.FunctionCall, arguments: list[PlainData]
    ) -> PlainData:
        functions = self._template.functions
        signature = functions.signatures[expression.function]
        body = functions.values.get(signature.name)
        if body is None:
            raise ReportedError
        caller, caller_scope = self._template, (self._variables, self._bound)
        self._template = body
        self._variables, self._bound = dict(zip(signature.arguments, arguments, strict=True)), {}
        # The call itself is a level too: it takes as many frames.
        self._nesting += 1
        try:
            value = self.evaluate_template(body)
        except EvaluationError as error:
            if error.template is None:
                error.template = body
            call = caller.subspan(expression.start, expression.length)
            error.calls.append((signature.name, call))
            raise
        self._nesting -= 1
        self._template = caller
        self._variables, self._bound = caller_scope
        return value

    def _evaluate_all(self, expressions: Sequence[Expression]) -> list[PlainData]:
        # Not a comprehension, which would be a third frame for each level of the recursion.
        values: list[PlainData] = []
        for expression in expressions:
            values.append(self.evaluate(expression))  # noqa: PERF401
        return values


# The rules of binary operators, indices and slices also take the value of the first operand, which
# `evaluate` computes without recursion.
_RULES: Final[dict[type, Callable[..., PlainData]]] = {
    nodes.Literal: _ExpressionEvaluator.literal,
    nodes.Name: _ExpressionEvaluator.name,
    nodes.Path: _ExpressionEvaluator.path,
    nodes.ListExpr: _ExpressionEvaluator.list_expr,
    nodes.ListComprehension: _ExpressionEvaluator.list_comprehension,
    nodes.UnaryOp: _ExpressionEvaluator.unary,
    nodes.BinOp: _ExpressionEvaluator.binary,
    nodes.Comparison: _ExpressionEvaluator.comparison,
    nodes.IfExp: _ExpressionEvaluator.if_exp,
    nodes.Index: _ExpressionEvaluator.index,
    nodes.SliceExpr: _ExpressionEvaluator.slice,
    nodes.FunctionCall: _ExpressionEvaluator.call,
    nodes.ShapeCall: _ExpressionEvaluator.shape_call,
}
