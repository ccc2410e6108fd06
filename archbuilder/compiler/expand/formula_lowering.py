"""Lowering of formulas to nodes of the graph: one for each operator and function.

A part of a formula is a tensor, or else a constant. Constants are evaluated as expressions when an
operation takes one as an argument.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TypeAlias, Union

from archbuilder.compiler.expand.formula_nodes import FormulaNodes, Operand
from archbuilder.compiler.expand.formula_subscripts import evaluate_key, select_output
from archbuilder.compiler.expand.inputs import concat_refs
from archbuilder.compiler.expand.layer_calls import LayerCalls
from archbuilder.compiler.expand.scope import StepSite, Symbol
from archbuilder.compiler.expand.step_names import assign_step_name
from archbuilder.compiler.expand.tensors import ERROR_REFS, CallInputs, TensorRefs
from archbuilder.compiler.formula_calls import (
    BINARY_OPERATIONS,
    BoundArgument,
    bind_arguments,
    find_signature,
)
from archbuilder.expressions import nodes, reads_tensor
from archbuilder.expressions.nodes import Brackets, Expression
from archbuilder.language.formulas import Formula
from archbuilder.yaml.nodes import ScalarNode, is_unknown

LoweredValue: TypeAlias = Union[TensorRefs, Expression]
"""A tensor, or the expression of a constant."""


def expand_formula(
    site: StepSite, formula: Formula, inputs: CallInputs, layers: LayerCalls
) -> TensorRefs:
    """Add the nodes of a step with a formula; return its output, or `ERROR_REFS` after an error."""
    name = assign_step_name(site, "formula")
    formula_nodes = FormulaNodes(
        formula=formula,
        path=site.scope.path + name,
        scope=site.scope,
        variables=site.variables,
        evaluator=site.evaluator,
        layers=layers,
    )
    outputs = _FormulaLowering(formula_nodes, inputs.positional).lower()
    symbol = Symbol(outputs, site.step.span)
    site.scope.add(name, symbol, is_generated=site.step.name is None, block=None)
    return outputs


@dataclass(frozen=True, slots=True)
class _FormulaLowering:
    """Lowers one formula; `previous` is the output of the step before it."""

    formula_nodes: FormulaNodes
    previous: TensorRefs

    def lower(self) -> TensorRefs:
        """Add the nodes of the formula; return its output, or `ERROR_REFS` after an error."""
        root = self._choose_branch(self.formula_nodes.formula.root)
        if root is None:
            return ERROR_REFS
        value = self._lower(root, is_root=True)
        if isinstance(value, TensorRefs):
            return value
        note = "write the name of a step, or 'previous'; parameters are $name"
        return self.formula_nodes.error(root, "a formula must read a tensor", notes=(note,))

    def _lower(self, expression: Expression, *, is_root: bool = False) -> LoweredValue:
        # The node of `a + b + c` has that of `a + b` as its first operand, and so on. A loop
        # follows these, as in the evaluator of expressions.
        first = expression
        chain = [first]
        while isinstance(first, nodes.BinOp | Brackets):
            first = first.left if isinstance(first, nodes.BinOp) else first.operand
            chain.append(first)
        value = self._lower_first(chain.pop(), is_root=is_root and not chain)
        for node in reversed(chain):
            is_last = is_root and node is expression
            if isinstance(node, nodes.BinOp):
                value = self._lower_binary(node, value, is_root=is_last)
            elif isinstance(node, Brackets):
                value = self._lower_brackets(node, value, is_root=is_last)
        return value

    def _lower_first(self, node: Expression, *, is_root: bool) -> LoweredValue:
        match node:
            case nodes.TensorName():
                return self._resolve_name(node)
            case nodes.UnaryOp():
                return self._lower_unary(node, is_root=is_root)
            case nodes.Comparison():
                return self._lower_comparison(node, is_root=is_root)
            case nodes.OperationCall():
                return self._lower_call(node, is_root=is_root)
            case nodes.IfExp():
                branch = self._choose_branch(node)
                return ERROR_REFS if branch is None else self._lower(branch)
        if reads_tensor(node):
            note = "a list of tensors is for concatenate([a, b]) and stack([a, b])"
            return self.formula_nodes.error(
                node, "a list of tensors is not a tensor", notes=(note,)
            )
        return node

    def _choose_branch(self, expression: Expression) -> Expression | None:
        """Return what the conditions of `a if condition else b` choose.

        Return None after an error, or if a condition depends on an unknown shape.
        """
        while isinstance(expression, nodes.IfExp):
            if reads_tensor(expression.condition):
                message = "the condition of 'if' must be known before the network exists"
                note = "to choose for each value of a tensor, write where(condition, a, b)"
                self.formula_nodes.error(expression, message, notes=(note,))
                return None
            condition = self.formula_nodes.evaluate(expression.condition)
            if condition is None or is_unknown(condition):
                return None
            if not isinstance(condition, ScalarNode) or not isinstance(condition.value, bool):
                self.formula_nodes.error(
                    expression, "'if' needs true or false", code="expression-error"
                )
                return None
            expression = expression.then if condition.value else expression.otherwise
        return expression

    def _operand(self, value: LoweredValue) -> Operand:
        """Return a tensor, or the value of a constant."""
        if isinstance(value, TensorRefs):
            return value
        tree = self.formula_nodes.evaluate(value)
        return ERROR_REFS if tree is None else tree

    def _resolve_name(self, node: nodes.TensorName) -> TensorRefs:
        evaluator, formula = self.formula_nodes.evaluator, self.formula_nodes.formula
        name: object = node.pieces[0]
        if len(node.pieces) > 1:
            tree = evaluator.evaluate(formula.value_of(*node.pieces), self.formula_nodes.variables)
            if tree is None or is_unknown(tree):
                return ERROR_REFS
            name = tree.value if isinstance(tree, ScalarNode) else None
        scope, span = self.formula_nodes.scope, formula.span_of(node)
        if name in self.formula_nodes.variables and scope.find(str(name)) is None:
            message = f"there is no earlier step '{name}'; the parameter is ${name}"
            return self.formula_nodes.error(node, message, code="unknown-name")
        return scope.resolve(str(name), self.previous, span, evaluator.diagnostics)

    def _lower_unary(self, node: nodes.UnaryOp, *, is_root: bool) -> LoweredValue:
        operand = self._lower(node.operand)
        if not isinstance(operand, TensorRefs):
            return node
        if node.operator == "+":
            return operand
        operation = "negative" if node.operator == "-" else "logical_not"
        span = self.formula_nodes.formula.span_of(node)
        return self.formula_nodes.add(operation, {"x": operand}, span, is_root=is_root)

    def _lower_binary(
        self, node: nodes.BinOp, left: LoweredValue, *, is_root: bool
    ) -> LoweredValue:
        right = self._lower(node.right)
        if not isinstance(left, TensorRefs) and not isinstance(right, TensorRefs):
            if node.operator == "@":
                return self.formula_nodes.error(node, "'@' is for tensors, not for numbers")
            return node
        formula = self.formula_nodes.formula
        return self.formula_nodes.add(
            BINARY_OPERATIONS[node.operator],
            {"x1": self._operand(left), "x2": self._operand(right)},
            formula.span_of(node),
            is_root=is_root,
            argument_spans={"x1": formula.span_of(node.left), "x2": formula.span_of(node.right)},
        )

    def _lower_comparison(self, node: nodes.Comparison, *, is_root: bool) -> LoweredValue:
        values = [self._lower(node.first), *(self._lower(operand) for _, operand in node.rest)]
        if not any(isinstance(value, TensorRefs) for value in values):
            return node
        operands = [self._operand(value) for value in values]
        span = self.formula_nodes.formula.span_of(node)
        # Of a chain `0 < x < 1`, the conjunction of the comparisons is the last operation.
        is_only = is_root and len(node.rest) == 1
        comparisons: list[TensorRefs] = []
        for (sign, _), (x1, x2) in zip(node.rest, pairwise(operands), strict=True):
            if sign not in BINARY_OPERATIONS:
                message = f"'{sign}' is for lists of numbers, not for tensors"
                return self.formula_nodes.error(node, message)
            pair = {"x1": x1, "x2": x2}
            comparisons.append(
                self.formula_nodes.add(BINARY_OPERATIONS[sign], pair, span, is_root=is_only)
            )
        result = comparisons[0]
        for index, comparison in enumerate(comparisons[1:], start=2):
            is_last = is_root and index == len(comparisons)
            pair = {"x1": result, "x2": comparison}
            result = self.formula_nodes.add("logical_and", pair, span, is_root=is_last)
        return result

    def _lower_brackets(
        self, node: Brackets, operand: LoweredValue, *, is_root: bool
    ) -> LoweredValue:
        if not isinstance(operand, TensorRefs):
            if reads_tensor(node):
                return self.formula_nodes.error(node, "lists take one index, which is a number")
            return node
        if operand.has_error:
            return operand
        if isinstance(node, nodes.Index) and self.formula_nodes.has_several_outputs(operand):
            return select_output(node, operand, self.formula_nodes)
        key = evaluate_key(node, operand, self.formula_nodes)
        if key is None:
            return ERROR_REFS
        span = self.formula_nodes.formula.span_of(node)
        return self.formula_nodes.add("get_item", {"x": operand, "key": key}, span, is_root=is_root)

    def _lower_call(self, node: nodes.OperationCall, *, is_root: bool) -> LoweredValue:
        formula, diagnostics = self.formula_nodes.formula, self.formula_nodes.evaluator.diagnostics
        signature = find_signature(node, formula, diagnostics)
        if signature is None:
            return ERROR_REFS
        arguments = bind_arguments(node, signature, formula, diagnostics)
        if arguments is None:
            return ERROR_REFS
        return self.formula_nodes.add(
            node.function,
            {argument.name: self._lower_argument(argument) for argument in arguments},
            formula.span_of(node),
            is_root=is_root,
            argument_spans={argument.name: argument.span for argument in arguments},
        )

    def _lower_argument(self, argument: BoundArgument) -> Operand:
        if not argument.is_list:
            return self._operand(self._lower(argument.values[0]))
        tensors = []
        for value in argument.values:
            operand = self._lower(value)
            if not isinstance(operand, TensorRefs):
                operand = self.formula_nodes.error(
                    value, f"'{argument.name}' must be a list of tensors"
                )
            tensors.append(operand)
        return concat_refs(tensors)
