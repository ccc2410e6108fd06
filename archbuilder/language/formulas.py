"""Formulas of steps: `formula: x * 0.5 + 1`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from archbuilder.diagnostics.errors import InternalError
from archbuilder.diagnostics.span import Span
from archbuilder.expressions import Template, nodes
from archbuilder.expressions.interpolation import make_template
from archbuilder.expressions.nodes import Expression
from archbuilder.expressions.template import Piece
from archbuilder.language.deferred_values import DeferredValue
from archbuilder.yaml.nodes import ScalarNode

_OPERATIONS: Final = (
    nodes.BinOp,
    nodes.UnaryOp,
    nodes.Index,
    nodes.SliceExpr,
    nodes.Subscript,
    nodes.OperationCall,
)


# Compared by identity, as calls are.
@dataclass(frozen=True, slots=True, eq=False)
class Formula:
    """A computation with the tensors of earlier steps; `template` has its only expression."""

    template: Template

    @property
    def root(self) -> Expression:
        """The operation that is computed last."""
        root = self.template.pieces[0]
        if isinstance(root, str):
            raise InternalError("a formula is not an expression")
        return root

    @property
    def operation_count(self) -> int:
        """An upper bound of the nodes that the formula expands to."""
        count = 0
        for node in nodes.walk(self.root):
            if isinstance(node, nodes.Comparison):
                # `0 < x < 1` is two comparisons and their conjunction.
                count += 2 * len(node.rest) - 1
            count += isinstance(node, _OPERATIONS)
        return count

    def value_of(self, *pieces: Piece) -> DeferredValue:
        """Return parts without tensors as a value, located where the first of them begins."""
        first = next((piece for piece in pieces if not isinstance(piece, str)), self.root)
        span = self.span_of(first)
        template = make_template(
            pieces, self.template.functions, self.template.span, self.template.offset
        )
        return DeferredValue(ScalarNode("", span), {span: template})

    def span_of(self, node: Expression | nodes.KeywordArgument) -> Span:
        """Return the location of a name, a number or an operator of the formula."""
        return self.template.subspan(node.start, node.length)
