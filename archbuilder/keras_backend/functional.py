"""Puts a model together: one loop over the nodes, with no case for any layer."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TypeAlias, cast

import keras

from archbuilder import registry
from archbuilder.compiler.ir import Graph, GraphInput, Node, TensorRef
from archbuilder.diagnostics.errors import Diagnostics, InternalError
from archbuilder.diagnostics.span import Span
from archbuilder.keras_backend.broadcast_add import ADDING_LAYERS
from archbuilder.keras_backend.instantiate import build_layer, convert_arguments, lookup
from archbuilder.keras_backend.keras_errors import (
    BuildError,
    error_notes,
    is_empty_output_error,
    translate_keras_errors,
)
from archbuilder.keras_backend.node_checks import (
    check_bias,
    check_input_count,
    check_merge,
    check_slice,
    check_traced_shapes,
    order_tensors_safely,
    safe_add,
)
from archbuilder.keras_backend.op_names import name_operations
from archbuilder.keras_backend.regularization import check_regularizers
from archbuilder.keras_backend.shape_format import (
    CallTensor,
    format_shape,
    format_tensors,
    is_empty,
    shape_without_batch,
)
from archbuilder.keras_backend.state_scope import recursion_limit
from archbuilder.keras_backend.tracing import trace
from archbuilder.registry.signatures import Signature

Tensors: TypeAlias = tuple[keras.KerasTensor, ...]
Operation: TypeAlias = Callable[..., object]


@dataclass(frozen=True, slots=True, eq=False)
class BuiltNode:
    """What a node became: its layer (None for a function), what it is given and what it gives."""

    layer: keras.layers.Layer | None
    inputs: tuple[CallTensor, ...]
    constants: Mapping[str, object]
    outputs: Tensors


@dataclass(frozen=True, slots=True, eq=False)
class BuiltGraph:
    """A Keras model, with what each input and each node of the graph became in it."""

    model: keras.Model
    inputs: Mapping[str, keras.KerasTensor]
    nodes: Mapping[str, BuiltNode]


def build_graph(graph: Graph, diagnostics: Diagnostics) -> BuiltGraph:
    """The model of a graph; its variables have shapes but no values.

    Raises:
        BlueprintError: with every mistake in arguments and shapes that Keras finds.
    """
    with keras.StatelessScope(initialize_variables=False):
        return _GraphBuilder(graph, diagnostics).run()


class _GraphBuilder:
    """The work on one graph. What needs a node that failed is passed over without a word."""

    def __init__(self, graph: Graph, diagnostics: Diagnostics) -> None:
        self._graph = graph
        self._diagnostics = diagnostics
        self._registry = registry.load()
        self._inputs: dict[str, keras.KerasTensor] = {}
        self._layers: dict[str, keras.layers.Layer] = {}
        self._built_nodes: dict[str, BuiltNode] = {}
        self._multi_output_nodes: set[str] = set()

    def run(self) -> BuiltGraph:
        for graph_input in self._graph.inputs:
            with self._collect_errors():
                self._inputs[graph_input.name] = _make_input(graph_input)
        for node in self._graph.nodes:
            with self._diagnostics.within(node.frame), self._collect_errors():
                self._call_node(node)
        outputs = {}
        spans = {node.name: node.span for node in self._graph.nodes}
        for name, ref in self._graph.outputs:
            with self._collect_errors():
                if self._is_built(ref):
                    outputs[name] = self._one_output(ref, spans.get(ref.node, self._graph.span))
        self._diagnostics.raise_errors()
        return BuiltGraph(self._make_model(outputs), self._inputs, self._built_nodes)

    def _make_model(self, outputs: dict[str, keras.KerasTensor]) -> keras.Model:
        inputs = self._inputs
        with recursion_limit(len(self._graph.nodes)):
            return keras.Model(
                next(iter(inputs.values())) if len(inputs) == 1 else inputs,
                next(iter(outputs.values())) if len(outputs) == 1 else outputs,
                name=self._graph.name,
            )

    def _call_node(self, node: Node) -> None:
        signature = self._registry.signature(node.operation)
        if signature is None:
            raise InternalError(f"'{node.operation}' is not in the catalogue")
        # Made even where its inputs are not, so that its own mistakes are found in the same go.
        operation = self._resolve_operation(node, signature)
        if operation is None or not all(self._is_built(ref) for ref in node.input_refs()):
            return
        call_tensors, positional, by_name = self._positional_tensors(node, signature)
        keyword_tensors, keywords = self._keyword_tensors(node)
        keywords = {**by_name, **keywords}
        constants = convert_arguments(node.call, signature.call_arguments, node.name)
        call_tensors += keyword_tensors
        check_input_count(node, signature, call_tensors)
        has_multi_output = any(ref.node in self._multi_output_nodes for ref in node.inputs)
        check_merge(node, signature, call_tensors, has_multi_output=has_multi_output)
        if node.operation == "ops.slice":
            check_slice(node, call_tensors, operation)
        if node.operation in ADDING_LAYERS and len(call_tensors) > 1:
            positional = [order_tensors_safely(node, call_tensors)]
        elif node.operation == "ops.add" and {"x1", "x2"} <= keywords.keys():
            operation, keywords = safe_add(operation, call_tensors)
        with translate_keras_errors(lambda error: _shape_error(node, call_tensors, error)):
            result = operation(*positional, **keywords, **constants)
        layer = operation if isinstance(operation, keras.layers.Layer) else None
        outputs = _flatten_outputs(result, node)
        if not isinstance(result, keras.KerasTensor):
            self._multi_output_nodes.add(node.name)
        for tensor in outputs:
            if is_empty(shape_without_batch(tensor)):
                raise _empty_output_error(
                    node, call_tensors, (f"it makes {format_shape(shape_without_batch(tensor))}",)
                )
            if not tensor.shape or tensor.shape[0] is not None:
                raise _batch_axis_error(node, tensor)
        if layer is None:
            with translate_keras_errors(lambda error: _shape_error(node, call_tensors, error)):
                shapes = trace(operation, *positional, **keywords)
            check_traced_shapes(node, outputs, shapes)
            name_operations(outputs, [each.tensor for each in call_tensors], node.name)
        elif any(tensor is each.tensor for tensor in outputs for each in call_tensors):
            # Keras 3.15.1 finds a cycle in a model with such a layer: Equalization.
            message = f"'{node.name}' ({node.operation}) gives back its own input"
            notes = ("Keras cannot put such a layer into a model; name it under 'augment'",)
            raise BuildError("keras-refused", message, node.span, notes)
        else:
            check_bias(node, layer, call_tensors, outputs[0])
            check_regularizers(node, layer)
        self._built_nodes[node.name] = BuiltNode(layer, tuple(call_tensors), constants, outputs)

    def _resolve_operation(self, node: Node, signature: Signature) -> Operation | None:
        """What the node calls, None where it is the layer of a node that failed."""
        if node.operation.startswith("ops."):
            return _bind_constants(node, signature)
        if node.weight_owner is None:
            layer = build_layer(signature, node.arguments, node.name, node.span)
        elif node.weight_owner in self._layers:
            layer = self._layers[node.weight_owner]
        else:
            return None
        self._layers[node.name] = layer
        return layer

    def _positional_tensors(
        self, node: Node, signature: Signature
    ) -> tuple[list[CallTensor], list[object], dict[str, object]]:
        """The inputs that go in order, and how the call takes them: in order, and by name.

        The several outputs of a step go into a list as they are.
        """
        if signature.accepts_list:
            argument = signature.tensor_arguments[0]
            call_tensors = [
                CallTensor(argument, str(ref), tensor)
                for ref in node.inputs
                for tensor in self._all_outputs(ref, node.span)
            ]
            tensors: list[object] = [each.tensor for each in call_tensors]
            return call_tensors, tensors if signature.is_variadic else [tensors], {}
        names = signature.open_tensor_arguments([argument.name for argument in node.arguments])
        call_tensors = [
            CallTensor(argument, str(ref), self._one_output(ref, node.span))
            for argument, ref in zip(names, node.inputs, strict=False)
        ]
        if signature.origin == "keras.ops":
            # By name, since a number may stand in front: `ops.subtract: {x1: 1.0}`.
            return call_tensors, [], {each.argument: each.tensor for each in call_tensors}
        return call_tensors, [each.tensor for each in call_tensors], {}

    def _keyword_tensors(self, node: Node) -> tuple[list[CallTensor], dict[str, object]]:
        call_tensors: list[CallTensor] = []
        keywords: dict[str, object] = {}
        for name, value in node.keywords:
            refs = value if isinstance(value, tuple) else (value,)
            tensors = [self._one_output(ref, node.span) for ref in refs]
            call_tensors += [
                CallTensor(name, str(ref), tensor)
                for ref, tensor in zip(refs, tensors, strict=True)
            ]
            keywords[name] = tensors if isinstance(value, tuple) else tensors[0]
        return call_tensors, keywords

    def _is_built(self, ref: TensorRef) -> bool:
        return ref.node in self._built_nodes or ref.node in self._inputs

    def _all_outputs(self, ref: TensorRef, span: Span) -> Tensors:
        """All that a reference stands for: one output of a step, or all of them."""
        built_node = self._built_nodes.get(ref.node)
        outputs = (self._inputs[ref.node],) if built_node is None else built_node.outputs
        if ref.output is None:
            return outputs
        if ref.output >= len(outputs):
            raise BuildError("unknown-output", _missing_output_message(ref, len(outputs)), span)
        return (outputs[ref.output],)

    def _one_output(self, ref: TensorRef, span: Span) -> keras.KerasTensor:
        outputs = self._all_outputs(ref, span)
        if len(outputs) != 1:
            raise BuildError(
                "unknown-output",
                f"'{ref}' has {len(outputs)} outputs: say which one, as in '{ref.node}.0'",
                span,
                ("give the step a 'name'; 'from' and 'outputs' take name.0, name.1",),
            )
        return outputs[0]

    @contextmanager
    def _collect_errors(self) -> Iterator[None]:
        try:
            yield
        except BuildError as refusal:
            refusal.report(self._diagnostics)


def _make_input(graph_input: GraphInput) -> keras.KerasTensor:
    def explain(error: Exception) -> BuildError:
        message = f"Keras refuses the input '{graph_input.name}'"
        return BuildError("keras-refused", message, graph_input.span, error_notes(error))

    with translate_keras_errors(explain):
        return keras.Input(graph_input.shape, dtype=graph_input.dtype, name=graph_input.name)


def _flatten_outputs(result: object, node: Node) -> Tensors:
    """The outputs of a call in order, however Keras packs them."""
    if isinstance(result, keras.KerasTensor):
        return (result,)
    if isinstance(result, Mapping):
        result = list(result.values())
    if not isinstance(result, Sequence) or not result:
        message = f"'{node.name}' ({node.operation}) gives no tensor with these arguments"
        raise BuildError("keras-refused", message, node.span)
    return tuple(tensor for item in result for tensor in _flatten_outputs(item, node))


def _bind_constants(node: Node, signature: Signature) -> Operation:
    """A function of `keras.ops` with its constants."""
    function = lookup(signature, node.span)
    arguments = convert_arguments(node.arguments, signature.arguments, node.name)
    if node.operation == "ops.slice":
        # Keras 3.15.1 takes None for the shape that it computes, and fails at the call.
        sizes = cast("tuple[int | None, ...]", arguments["shape"])
        arguments["shape"] = tuple(-1 if size is None else size for size in sizes)
    if signature.is_variadic:
        return partial(function, *arguments.values())
    return partial(function, **arguments)


def _shape_error(node: Node, call_tensors: Sequence[CallTensor], error: Exception) -> BuildError:
    if is_empty_output_error(error):
        return _empty_output_error(node, call_tensors, error_notes(error))
    verb = (
        "join"
        if len(call_tensors) > 1 and call_tensors[0].argument == call_tensors[1].argument
        else "take"
    )
    message = f"'{node.name}' ({node.operation}) cannot {verb} {format_tensors(call_tensors)}"
    return BuildError("shape-mismatch", message, node.span, error_notes(error))


def _empty_output_error(
    node: Node, call_tensors: Sequence[CallTensor], notes: tuple[str, ...]
) -> BuildError:
    message = f"'{node.name}' ({node.operation}) leaves nothing of {format_tensors(call_tensors)}"
    return BuildError("empty-shape", message, node.span, notes)


def _batch_axis_error(node: Node, tensor: keras.KerasTensor) -> BuildError:
    message = f"'{node.name}' ({node.operation}) loses the batch axis, and makes {tensor.shape}"
    notes = ("the first axis is that of the examples, whose number is open",)
    return BuildError("shape-mismatch", message, node.span, notes)


def _missing_output_message(ref: TensorRef, count: int) -> str:
    plural = "one output" if count == 1 else f"{count} outputs"
    return f"there is no '{ref}': '{ref.node}' has {plural}, counted from 0"
