"""Failures of an evaluation, and the lookups in values that can fail."""

from __future__ import annotations

from archbuilder.diagnostics.code import Code
from archbuilder.diagnostics.errors import closest_match, quote, quote_list
from archbuilder.diagnostics.span import Span
from archbuilder.expressions.nodes import Expression
from archbuilder.expressions.template import Template
from archbuilder.expressions.values import ExpressionValueError, describe
from archbuilder.plain_data import PlainData


class ReportedError(Exception):
    """A call of a function whose value has an error, which is already reported."""


class EvaluationError(Exception):
    """An operation without a value, with its node.

    Attributes:
        template: The template of the node if it is that of a function, otherwise None.
        calls: The calls that led there, the innermost first, each with its location.
    """

    def __init__(
        self,
        message: str,
        node: Expression,
        code: Code = "expression-error",
        suggestion: str | None = None,
    ) -> None:
        super().__init__(message)
        self.message, self.node, self.code, self.suggestion = message, node, code, suggestion
        self.template: Template | None = None
        self.calls: list[tuple[str, Span]] = []


class UnknownOperandError(Exception):
    """An operand is unknown, and so is the value of the whole template."""


def item_of_mapping(mapping: PlainData, key: PlainData, node: Expression) -> PlainData:
    """Return a value of a mapping; `node` is that of the key.

    Raises:
        ExpressionValueError: if the value is not a mapping.
        EvaluationError: if it has no such key.
    """
    if not isinstance(mapping, dict):
        raise ExpressionValueError(f"only a mapping has keys, not {describe(mapping)}")
    if isinstance(key, str) and key in mapping:
        return mapping[key]
    if not isinstance(key, str):
        raise EvaluationError(f"a mapping is indexed by strings, not by {describe(key)}", node)
    suggestion = closest_match(key, mapping)
    message = f"the mapping has no key {quote(key)}"
    if suggestion is None:
        message += f"; its keys are: {quote_list(mapping)}"
    raise EvaluationError(message, node, "unknown-key", suggestion)


def bind_targets(targets: tuple[str, ...], value: PlainData) -> dict[str, PlainData]:
    """Return the values of the names after `for` of a comprehension.

    Raises:
        ExpressionValueError: if there are several names but not as many values.
    """
    if len(targets) == 1:
        return {targets[0]: value}
    if not isinstance(value, list) or len(value) != len(targets):
        content = f"a list of {len(value)}" if isinstance(value, list) else describe(value)
        names = ", ".join(targets)
        raise ExpressionValueError(f"'for {names}' needs lists of {len(targets)}, not {content}")
    return dict(zip(targets, value, strict=True))
