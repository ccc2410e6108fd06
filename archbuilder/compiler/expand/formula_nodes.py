"""Nodes of the operations in a formula, and the values of its constants."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final, TypeAlias, Union

from archbuilder import registry
from archbuilder.compiler.check_arguments import check_arguments
from archbuilder.compiler.constants import CONSTANT
from archbuilder.compiler.expand.layer_calls import LayerCalls
from archbuilder.compiler.expand.scope import CallSite, Scope, name_prefix
from archbuilder.compiler.expand.tensors import ERROR_REFS, NO_INPUTS, CallInputs, TensorRefs
from archbuilder.compiler.ir import Argument
from archbuilder.diagnostics.code import Code
from archbuilder.diagnostics.span import Span
from archbuilder.expressions import nodes
from archbuilder.expressions.nodes import Expression
from archbuilder.language.deferred_values import ValueEvaluator, Variables
from archbuilder.language.formulas import Formula
from archbuilder.registry.registry import OPERATION_PREFIX
from archbuilder.registry.signatures import ALWAYS, Signature
from archbuilder.yaml.nodes import (
    MappingEntry,
    MappingNode,
    ScalarNode,
    SequenceNode,
    Tree,
    to_plain,
)

Operand: TypeAlias = Union[TensorRefs, Tree]
"""A tensor, several of them for an argument that takes a list, or the value of a constant."""

_NO_SPANS: Final[Mapping[str, Span]] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class FormulaNodes:
    """Adds the nodes of one formula in one iteration of its step.

    Attributes:
        formula: The formula.
        path: The path of its step, which is the name of the last node. The others are named as
            steps within it: `code.exp0`.
        scope: The scope of the step.
        variables: The parameters and loop variables.
        evaluator: Evaluates constants and collects errors.
        layers: Receives the nodes.
    """

    formula: Formula
    path: str
    scope: Scope
    variables: Variables
    evaluator: ValueEvaluator
    layers: LayerCalls
    _name_counters: Counter[str] = field(default_factory=Counter)

    def error(
        self,
        node: Expression,
        message: str,
        *,
        code: Code = "invalid-inputs",
        notes: tuple[str, ...] = (),
    ) -> TensorRefs:
        """Report an error in the formula, and return `ERROR_REFS`."""
        self.evaluator.diagnostics.error(code, message, self.formula.span_of(node), notes=notes)
        return ERROR_REFS

    def evaluate(self, expression: Expression) -> Tree | None:
        """Return the value of a part without tensors; report an error and return None."""
        span = self.formula.span_of(expression)
        if isinstance(expression, nodes.Literal):
            return ScalarNode(expression.value, span, quoted=isinstance(expression.value, str))
        if isinstance(expression, nodes.ListExpr):
            # Item by item, so that an error in one has its location.
            items = [self.evaluate(item) for item in expression.items]
            valid_items = tuple(item for item in items if item is not None)
            return SequenceNode(valid_items, span) if len(valid_items) == len(items) else None
        return self.evaluator.evaluate(self.formula.value_of(expression), self.variables)

    def add(
        self,
        operation: str,
        operands: Mapping[str, Operand],
        span: Span,
        *,
        is_root: bool = False,
        argument_spans: Mapping[str, Span] = _NO_SPANS,
    ) -> TensorRefs:
        """Add the node of an operation; return its output, or `ERROR_REFS` after an error.

        Args:
            operation: The name of the function in `keras.ops`.
            operands: The operands by the names of its arguments.
            span: The location of the operator or the function.
            is_root: Whether the operation is the last one, and gets the name of the step.
            argument_spans: Locations of the arguments, for messages.
        """
        signature = registry.load().operations[operation]
        operands = {
            name: self._add_constant(each)
            if isinstance(each, SequenceNode) and name in signature.tensor_arguments
            else each
            for name, each in operands.items()
        }
        tensors = {name: each for name, each in operands.items() if isinstance(each, TensorRefs)}
        entries = tuple(
            MappingEntry(name, each, argument_spans.get(name, each.span))
            for name, each in operands.items()
            if not isinstance(each, TensorRefs)
        )
        tracker = self.evaluator.diagnostics.track_errors()
        spans = {**dict.fromkeys(tensors, span), **argument_spans}
        self._check_kinds(signature, tensors, entries, span, spans)
        if tracker.has_errors():
            return ERROR_REFS
        arguments = check_arguments(
            signature,
            MappingNode(entries, span),
            span,
            self.evaluator.diagnostics,
            allow_expressions=False,
        )
        inputs = self._call_inputs(signature, tensors, {entry.key for entry in entries}, spans)
        if tracker.has_errors() or inputs is None:
            return ERROR_REFS
        path = self.path if is_root else self._inner_path(operation)
        return self._emit(signature, arguments, inputs, span, path)

    def _add_constant(self, value: SequenceNode) -> TensorRefs:
        """Add a list of numbers as a tensor without a batch axis."""
        signature = registry.load().layers[CONSTANT]
        diagnostics = self.evaluator.diagnostics
        tracker = diagnostics.track_errors()
        values = MappingNode((MappingEntry("value", value, value.span),), value.span)
        arguments = check_arguments(
            signature, values, value.span, diagnostics, allow_expressions=False
        )
        if tracker.has_errors():
            return ERROR_REFS
        path = self._inner_path(CONSTANT)
        return self._emit(signature, arguments, NO_INPUTS, value.span, path)

    def _inner_path(self, operation: str) -> str:
        """Return the next path for an operation other than the last one."""
        prefix = name_prefix(operation)
        number = self._name_counters[prefix]
        self._name_counters[prefix] += 1
        return f"{self.path}.{prefix}{number}"

    def _emit(
        self,
        signature: Signature,
        arguments: tuple[Argument, ...],
        inputs: CallInputs,
        span: Span,
        path: str,
    ) -> TensorRefs:
        site = CallSite(
            path=path,
            inputs=inputs,
            call_constants=None,
            variables=self.variables,
            evaluator=self.evaluator,
            span=span,
            inputs_span=None,
            weight_owner=None,
        )
        return self.layers.emit(signature, arguments, site, self.scope.frame)

    def has_several_outputs(self, tensors: TensorRefs) -> bool:
        """Return whether a value is several tensors; of wrappers and cells, only Keras knows."""
        if len(tensors.refs) != 1:
            return not tensors.has_error
        ref = tensors.refs[0]
        node = self.layers.nodes.get(ref.node)
        signature = None if node is None else registry.load().signature(node.operation)
        if node is None or signature is None or ref.output is not None:
            return False
        if signature.several_outputs == ALWAYS:
            return node.operation.startswith(OPERATION_PREFIX)
        return any(
            argument.name == signature.several_outputs and to_plain(argument.value) is True
            for argument in (*node.arguments, *node.call_constants)
        )

    def has_batch_axis(self, tensors: TensorRefs) -> bool:
        """Return whether a value depends on an input of the network."""
        return any(ref.node not in self.layers.unbatched for ref in tensors.refs)

    def _check_kinds(
        self,
        signature: Signature,
        tensors: Mapping[str, TensorRefs],
        constants: tuple[MappingEntry, ...],
        span: Span,
        spans: Mapping[str, Span],
    ) -> None:
        """Check which arguments are tensors, and which are constants."""
        name = _short_name(signature)
        for argument in tensors:
            if argument not in signature.tensor_arguments:
                message = f"'{argument}' of {name} must be known before the network exists"
                self._report(message, spans[argument], "it cannot be a tensor")
        if not tensors:
            self._report(f"{name} needs a tensor", span, "nothing in it refers to a step")
            return
        for entry in constants:
            argument = entry.key
            if argument in signature.tensor_arguments and argument not in signature.arguments:
                message = f"'{argument}' of {name} must be a tensor"
                self._report(message, entry.value.span, "nothing in it refers to a step")

    def _call_inputs(
        self,
        signature: Signature,
        tensors: Mapping[str, TensorRefs],
        constants: set[str],
        spans: Mapping[str, Span],
    ) -> CallInputs | None:
        """Return the tensors by position, or by name if there are optional ones among them."""
        if any(each.has_error for each in tensors.values()):
            return None
        if signature.accepts_list:
            return CallInputs(next(iter(tensors.values())), ())
        for argument, tensor in tensors.items():
            if self.has_several_outputs(tensor):
                message = f"'{argument}' of {_short_name(signature)} has several outputs"
                note = "select one by its number or name, as in split(x, 2)[0] or lstm.0"
                self._report(message, spans[argument], note)
                return None
        open_names = signature.open_tensor_arguments(constants)
        names = [each for each in open_names if each in tensors]
        if names == list(open_names[: len(names)]):
            refs = tuple(ref for each in names for ref in tensors[each].refs)
            return CallInputs(TensorRefs(refs), ())
        return CallInputs(TensorRefs(()), tuple((each, tensors[each]) for each in names))

    def _report(self, message: str, span: Span, note: str) -> None:
        self.evaluator.diagnostics.error("invalid-inputs", message, span, notes=(note,))


def _short_name(signature: Signature) -> str:
    return signature.name.removeprefix(OPERATION_PREFIX)
