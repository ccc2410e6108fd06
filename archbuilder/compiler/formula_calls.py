"""Calls of functions of `keras.ops` in formulas: which argument is which, and the checks of names.

Tensors and required constants have positions, as in Python. Other constants need their names:
`max(x, 0)` would look like the larger of two numbers, but mean the maximum over axis 0.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from archbuilder import registry
from archbuilder.compiler.check_arguments import check_arguments
from archbuilder.diagnostics.errors import Diagnostics, closest_match, quote
from archbuilder.diagnostics.span import Span
from archbuilder.expressions import nodes, reads_tensor
from archbuilder.expressions.functions import FUNCTIONS
from archbuilder.expressions.nodes import Expression
from archbuilder.language.formulas import Formula
from archbuilder.registry.registry import OPERATION_PREFIX
from archbuilder.registry.signatures import Signature
from archbuilder.yaml.nodes import MappingEntry, MappingNode, ScalarNode, SequenceNode, Tree

BINARY_OPERATIONS: Final = {
    "+": "add",
    "-": "subtract",
    "*": "multiply",
    "/": "divide",
    "//": "floor_divide",
    "%": "mod",
    "**": "power",
    "@": "matmul",
    "and": "logical_and",
    "or": "logical_or",
    "==": "equal",
    "!=": "not_equal",
    "<": "less",
    "<=": "less_equal",
    ">": "greater",
    ">=": "greater_equal",
}
"""The function of `keras.ops` that each operator between two tensors stands for."""

_ELEMENTWISE: Final = {"max": "maximum", "min": "minimum"}
"""Functions of several numbers in an expression, of which tensors have another one."""


@dataclass(frozen=True, slots=True)
class BoundArgument:
    """An argument of a call with the name that the function has for it.

    `values` is a single part of the formula, or the items of a list of tensors.
    """

    name: str
    values: tuple[Expression, ...]
    span: Span
    is_list: bool


def find_signature(
    call: nodes.OperationCall, formula: Formula, diagnostics: Diagnostics
) -> Signature | None:
    """Return the signature of the function that a formula calls; report an unknown one."""
    keras_registry = registry.load()
    signature = keras_registry.operations.get(call.function)
    if signature is not None:
        return signature
    name = OPERATION_PREFIX + call.function
    span = formula.span_of(call)
    if name in keras_registry.unsupported:
        reason = keras_registry.unsupported[name]
        message = f"{name} is not supported in a blueprint: {reason}"
        diagnostics.error("unsupported-layer", message, span)
    elif call.function in FUNCTIONS or call.function in formula.template.functions.signatures:
        message = f"{call.function} is for numbers, not for tensors"
        notes = (f"compute it before, as in $({call.function}(...))",)
        diagnostics.error("expression-error", message, span, notes=notes)
    else:
        message = f"there is no function {quote(call.function)}"
        suggestion = closest_match(call.function, keras_registry.operations)
        diagnostics.error(
            "expression-error",
            message,
            span,
            suggestion=suggestion,
            notes=() if suggestion else ("the functions are those of keras.ops",),
        )
    return None


def bind_arguments(
    call: nodes.OperationCall, signature: Signature, formula: Formula, diagnostics: Diagnostics
) -> tuple[BoundArgument, ...] | None:
    """Return the arguments of a call by name; report those that do not fit and return None."""
    tracker = diagnostics.track_errors()
    required = [
        each.name
        for each in signature.arguments.values()
        if each.required and each.name not in signature.tensor_arguments
    ]
    tensor_count = 1 if signature.accepts_list else signature.min_inputs
    names = [*signature.tensor_arguments[:tensor_count], *required]
    arguments = list(call.arguments)
    bound: dict[str, BoundArgument] = {}
    if signature.is_variadic:
        # The constants come first: `einsum('bij,bjk->bik', a, b)`.
        names = required
        tensors = tuple(arguments[len(required) :])
        name = signature.tensor_arguments[0]
        if tensors:
            bound[name] = BoundArgument(name, tensors, formula.span_of(tensors[0]), is_list=True)
        arguments = arguments[: len(required)]
    if len(arguments) > len(names):
        _report_extra_argument(call, names, signature, formula, diagnostics)
    for name, value in zip(names, arguments, strict=False):
        bound[name] = _bind(name, value, signature, formula.span_of(value))
    for keyword in call.keywords:
        span = formula.span_of(keyword)
        known_names = [*signature.tensor_arguments, *signature.arguments]
        if keyword.name in bound:
            message = f"{call.function} gets '{keyword.name}' twice"
            diagnostics.error("unknown-argument", message, span)
        elif keyword.name not in known_names:
            suggestion = closest_match(keyword.name, known_names)
            diagnostics.error(
                "unknown-argument",
                f"{call.function} has no argument {quote(keyword.name)}",
                span,
                suggestion=suggestion,
                notes=() if suggestion else (f"its arguments are: {', '.join(known_names)}",),
            )
        else:
            bound[keyword.name] = _bind(keyword.name, keyword.value, signature, span)
    missing = [
        name for name in signature.tensor_arguments[: signature.min_inputs] if name not in bound
    ]
    if missing and not signature.accepts_list:
        names_text = ", ".join(f"'{name}'" for name in missing)
        message = f"{call.function} needs {names_text}"
        diagnostics.error("missing-argument", message, formula.span_of(call))
    return None if tracker.has_errors() else tuple(bound.values())


def _bind(name: str, value: Expression, signature: Signature, span: Span) -> BoundArgument:
    is_list = signature.accepts_list and name in signature.tensor_arguments
    if is_list and isinstance(value, nodes.ListExpr):
        return BoundArgument(name, value.items, span, is_list=True)
    return BoundArgument(name, (value,), span, is_list=is_list)


def _report_extra_argument(
    call: nodes.OperationCall,
    names: list[str],
    signature: Signature,
    formula: Formula,
    diagnostics: Diagnostics,
) -> None:
    """Report the first argument that needs a name."""
    extra = call.arguments[len(names)]
    optional = [
        name for name in (*signature.tensor_arguments, *signature.arguments) if name not in names
    ]
    if call.function in _ELEMENTWISE:
        pair = _ELEMENTWISE[call.function]
        note = f"of two tensors, write {pair}(a, b); over an axis, {call.function}(x, axis=1)"
    elif signature.accepts_list and not signature.is_variadic:
        note = f"put the tensors into a list: {call.function}([a, b])"
    elif optional:
        note = f"write the names of its other arguments: {', '.join(optional)}"
    else:
        note = "it has no other arguments; several values are a list, as in [-1, 4]"
    message = f"{call.function} takes only {', '.join(names)} without a name"
    diagnostics.error("unknown-argument", message, formula.span_of(extra), notes=(note,))


def check_formula(formula: Formula, diagnostics: Diagnostics) -> None:
    """Check the functions that a formula calls, and the constants that are written in it."""
    for node in nodes.walk(formula.root):
        if not isinstance(node, nodes.OperationCall):
            continue
        signature = find_signature(node, formula, diagnostics)
        bound = None
        if signature is not None:
            bound = bind_arguments(node, signature, formula, diagnostics)
        if signature is None or bound is None:
            continue
        entries = tuple(
            MappingEntry(each.name, _placeholder(each.values[0], formula), each.span)
            for each in bound
            if not each.is_list
            and not reads_tensor(each.values[0])
            # A constant in place of a tensor that cannot be one is reported by the expansion, and a
            # list in place of a tensor becomes a `Constant`.
            and each.name in signature.arguments
            and not (
                each.name in signature.tensor_arguments
                and isinstance(each.values[0], nodes.ListExpr)
            )
        )
        span = formula.span_of(node)
        arguments = MappingNode(entries, span)
        check_arguments(signature, arguments, span, diagnostics, allow_expressions=True)


def _placeholder(expression: Expression, formula: Formula) -> Tree:
    """Return a constant as a tree, in which `$` stands for what is not known yet."""
    span = formula.span_of(expression)
    if isinstance(expression, nodes.Literal):
        return ScalarNode(expression.value, span, quoted=isinstance(expression.value, str))
    match expression:
        case nodes.UnaryOp(operator="-", operand=nodes.Literal(value=int() | float() as number)):
            return ScalarNode(-number, span)
    if isinstance(expression, nodes.ListExpr):
        items = tuple(_placeholder(item, formula) for item in expression.items)
        return SequenceNode(items, span)
    return ScalarNode("$", span, quoted=True)
