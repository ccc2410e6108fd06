"""Assemble a functional Keras model: call the layer or function of each node in order."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TypeAlias

import keras

from archbuilder import registry
from archbuilder.compiler.batch_axis import find_batch_axes
from archbuilder.compiler.ir import Graph, GraphInput, Node, Shape, TensorRef, WrappedBlock
from archbuilder.diagnostics.errors import BlueprintError, Diagnostics, InternalError
from archbuilder.diagnostics.span import Span
from archbuilder.keras_backend.batch_axis import BROADCAST, BatchAxisAdapter, check_broadcast
from archbuilder.keras_backend.batch_mixing import check_batch_mixing
from archbuilder.keras_backend.broadcast_add import ADDING_LAYERS
from archbuilder.keras_backend.call_errors import shape_error
from archbuilder.keras_backend.instantiate import build_layer, convert_arguments
from archbuilder.keras_backend.keras_errors import BuildError, error_notes, translate_keras_errors
from archbuilder.keras_backend.node_checks import (
    check_input_count,
    check_slice,
    check_traced_shapes,
    order_tensors_safely,
    safe_add,
)
from archbuilder.keras_backend.op_names import name_operations
from archbuilder.keras_backend.operation_constants import build_function
from archbuilder.keras_backend.output_checks import (
    check_layer_call,
    check_output_shapes,
    flatten_outputs,
)
from archbuilder.keras_backend.shape_format import CallTensor, example_shape, format_shape
from archbuilder.keras_backend.state_scope import recursion_limit
from archbuilder.keras_backend.tracing import trace
from archbuilder.registry.signatures import Signature

Tensors: TypeAlias = tuple[keras.KerasTensor, ...]
Operation: TypeAlias = Callable[..., object]


@dataclass(frozen=True, slots=True, eq=False)
class BuiltNode:
    """The Keras side of a node: its layer (None for a function), inputs, constants and outputs.

    The outputs of a node without `has_batch_axis` depend on no input of the network.
    """

    layer: keras.layers.Layer | None
    inputs: tuple[CallTensor, ...]
    constants: Mapping[str, object]
    outputs: Tensors
    has_batch_axis: bool
    wrapped: BuiltGraph | None = None
    """The model that the layer calls on a part of its input, if the node wraps a block."""


@dataclass(frozen=True, slots=True, eq=False)
class BuiltGraph:
    """A Keras model, with its input tensors and built nodes by their names in the graph."""

    model: keras.Model
    inputs: Mapping[str, keras.KerasTensor]
    nodes: Mapping[str, BuiltNode]


def build_graph(graph: Graph, diagnostics: Diagnostics) -> BuiltGraph:
    """Build the model of a graph. Its variables have shapes but no values.

    Raises:
        BlueprintError: with every error in arguments and shapes that Keras finds.
    """
    # In a stateless scope Keras defers the values of new variables. `initialize_variables=False`
    # keeps it from creating all of them when the scope ends.
    with keras.StatelessScope(initialize_variables=False):
        return GraphBuilder(diagnostics).build(graph)


class GraphBuilder:
    """Builder of one graph. Skips nodes whose inputs failed: each error is reported once."""

    def __init__(self, diagnostics: Diagnostics) -> None:
        self._diagnostics = diagnostics
        self._registry = registry.load()
        self._inputs: dict[str, keras.KerasTensor] = {}
        self._layers: dict[str, keras.layers.Layer] = {}
        self._built_nodes: dict[str, BuiltNode] = {}
        self._wrapped_graphs: dict[str, BuiltGraph] = {}
        # The nodes so far without a batch axis, and inputs for those that read no tensor; without
        # one, the first is taken, which has the same effect on shapes. See `BatchAxes`.
        self._unbatched: set[str] = set()
        self._companions: Mapping[str, str] = {}

    def add_input(self, graph_input: GraphInput) -> None:
        """Create an input of the network; report an error."""
        with self._collect_errors():
            self._inputs[graph_input.name] = _make_input(graph_input)

    def add_node(self, node: Node) -> None:
        """Call the layer or function of a node, after those that it reads; report an error."""
        if all(ref.node in self._unbatched for ref in node.input_refs()):
            self._unbatched.add(node.name)
        with self._diagnostics.within(node.frame), self._collect_errors():
            self._call_node(node)

    def shape_of(self, ref: TensorRef, span: Span) -> Shape | None:
        """Return the shape of a tensor without the batch axis; report an error and return None.

        `span` is the location of the reference. A node that failed has no shape; its error was
        reported when it was added.
        """
        with self._collect_errors():
            if self._is_built(ref):
                shape = self._single_output(ref, span).shape
                return tuple(shape if ref.node in self._unbatched else shape[1:])
        return None

    def build(self, graph: Graph) -> BuiltGraph:
        """Build the model of a graph.

        Raises:
            BlueprintError: with every error in arguments and shapes that Keras finds.
        """
        self._companions = find_batch_axes(graph).companions
        for graph_input in graph.inputs:
            self.add_input(graph_input)
        for node in graph.nodes:
            self.add_node(node)
        outputs = {}
        spans = {node.name: node.span for node in graph.nodes}
        for name, ref in graph.outputs:
            with self._collect_errors():
                if self._is_built(ref):
                    outputs[name] = self._single_output(ref, spans.get(ref.node, graph.span))
        self._diagnostics.raise_errors()
        inputs = self._inputs
        with recursion_limit(len(graph.nodes)):
            # A model with a single input or output takes and returns a tensor, not a dictionary.
            model = keras.Model(
                next(iter(inputs.values())) if len(inputs) == 1 else inputs,
                next(iter(outputs.values())) if len(outputs) == 1 else outputs,
                name=graph.name,
            )
        return BuiltGraph(model, inputs, self._built_nodes)

    def _call_node(self, node: Node) -> None:
        """Create the layer or function of a node, call it, and check the result.

        Raises:
            BuildError: if Keras rejects the arguments or the call, or a check of ours fails.
        """
        signature = self._registry.signature(node.operation)
        if signature is None:
            raise InternalError(f"'{node.operation}' is not in the registry")
        # Created even if an input failed, so that errors in its own arguments are reported too.
        operation = self._resolve_operation(node, signature)
        # A layer of Keras cannot be without an input.
        refs = node.input_refs() or (self._companion(node),)
        if operation is None or not all(self._is_built(ref) for ref in refs):
            return
        adapter = self._make_adapter(node, signature)
        call_tensors, positional, keywords = self._call_arguments(node, signature, adapter)
        constants = convert_arguments(node.call_constants, signature.call_arguments, node.name)
        check_input_count(node, signature, call_tensors)
        if node.operation == "ops.slice":
            check_slice(node, call_tensors, operation)
        elif node.operation == BROADCAST:
            check_broadcast(node, call_tensors)
        if node.operation in ADDING_LAYERS and len(call_tensors) > 1:
            positional = [order_tensors_safely(node, call_tensors)]
        elif node.operation == "ops.add" and {"x1", "x2"} <= keywords.keys():
            operation, keywords = safe_add(operation, call_tensors)
        with translate_keras_errors(lambda error: shape_error(node, call_tensors, error)):
            result = operation(*positional, **keywords, **constants)
        outputs = call_outputs = flatten_outputs(result, node)
        has_batch_axis = node.name not in self._unbatched
        if adapter is not None and not has_batch_axis:
            outputs = adapter.remove_axis(call_outputs)
        check_output_shapes(node, call_tensors, outputs, has_batch_axis=has_batch_axis)
        layer = operation if isinstance(operation, keras.layers.Layer) else None
        if layer is not None:
            check_layer_call(node, layer, call_tensors, call_outputs)
        else:
            # Only functions are traced, which takes milliseconds. `check_forward_pass` calls the
            # layers of small models.
            with translate_keras_errors(lambda error: shape_error(node, call_tensors, error)):
                shapes = trace(operation, positional, keywords)
            check_traced_shapes(node, outputs, shapes)
            if has_batch_axis:
                arguments = (positional, keywords)
                check_batch_mixing(node, signature, operation, arguments, call_tensors)
            name_operations(outputs, [each.tensor for each in call_tensors], node.name)
        self._built_nodes[node.name] = BuiltNode(
            layer,
            tuple(call_tensors),
            constants,
            outputs,
            has_batch_axis,
            self._wrapped_graphs.get(node.name),
        )

    def _resolve_operation(self, node: Node, signature: Signature) -> Operation | None:
        """Return the layer of a node, or its function with the constant arguments bound.

        Returns None if the node shares the layer of a failed node.
        """
        if node.operation.startswith("ops."):
            return build_function(node, signature)
        if node.weight_owner is None:
            layers: dict[str, keras.layers.Layer] = {}
            if node.wrapped is not None:
                built_graph = self._build_wrapped(node, node.wrapped)
                if built_graph is None:
                    return None
                layers[node.wrapped.argument] = built_graph.model
            layer = build_layer(signature, node.arguments, node.name, node.span, layers)
        elif node.weight_owner in self._layers:
            layer = self._layers[node.weight_owner]
        else:
            return None
        self._layers[node.name] = layer
        return layer

    def _build_wrapped(self, node: Node, wrapped: WrappedBlock) -> BuiltGraph | None:
        """Build the model that a layer calls on each step of its input.

        Returns None after an error in the model, or if the input failed.
        """
        (ref, *_) = node.input_refs()
        if not self._is_built(ref):
            return None
        tensor = self._single_output(ref, node.span)
        shape = example_shape(tensor, has_batch_axis=ref.node not in self._unbatched)
        if len(shape) < 2:
            message = (
                f"'{node.name}' ({node.operation}) needs an input of steps, each of at least one"
                f" axis, not {format_shape(shape)}"
            )
            raise BuildError("shape-mismatch", message, node.span)
        (declared,) = wrapped.graph.inputs
        block_input = replace(declared, shape=shape[1:], dtype=tensor.dtype)
        diagnostics = Diagnostics()
        try:
            graph = replace(wrapped.graph, inputs=(block_input,))
            self._wrapped_graphs[node.name] = GraphBuilder(diagnostics).build(graph)
        except BlueprintError as error:
            self._diagnostics.extend(error.diagnostics)
        return self._wrapped_graphs.get(node.name)

    def _make_adapter(self, node: Node, signature: Signature) -> BatchAxisAdapter | None:
        """Return what adapts tensors without a batch axis to a layer; None where they stay."""
        refs = node.input_refs()
        if signature.origin == "keras.ops" or node.operation == BROADCAST or not refs:
            return None
        batch = next((ref for ref in refs if ref.node not in self._unbatched), None)
        return BatchAxisAdapter(
            node, None if batch is None else self._all_outputs(batch, node.span)[0]
        )

    def _call_arguments(
        self, node: Node, signature: Signature, adapter: BatchAxisAdapter | None
    ) -> tuple[list[CallTensor], list[object], dict[str, object]]:
        """Return the input tensors of a node, and the positional and keyword arguments with them.

        An argument that takes a list receives all outputs of a node with several outputs.
        """

        def call_tensor(argument: str, ref: TensorRef, tensor: keras.KerasTensor) -> CallTensor:
            has_batch_axis = ref.node not in self._unbatched
            if adapter is None or has_batch_axis:
                return CallTensor(argument, str(ref), tensor, has_batch_axis)
            return CallTensor(argument, str(ref), adapter.add_axis(tensor))

        keywords: dict[str, object] = {}
        if not node.input_refs():
            return [], [self._inputs[self._companion(node).node]], {}
        if signature.accepts_list:
            argument = signature.tensor_arguments[0]
            call_tensors = [
                call_tensor(argument, ref, tensor)
                for ref in node.inputs
                for tensor in self._all_outputs(ref, node.span)
            ]
        else:
            names = signature.open_tensor_arguments([argument.name for argument in node.arguments])
            call_tensors = [
                call_tensor(argument, ref, self._single_output(ref, node.span))
                for argument, ref in zip(names, node.inputs, strict=False)
            ]
        positional: list[object] = [each.tensor for each in call_tensors]
        if signature.accepts_list and not signature.is_variadic:
            positional = [positional]
        elif not signature.accepts_list and signature.origin == "keras.ops":
            # By keyword, because a constant may come first: `ops.subtract: {x1: 1.0}`.
            positional = []
            keywords = {each.argument: each.tensor for each in call_tensors}
        for name, value in node.keywords:
            refs = value if isinstance(value, tuple) else (value,)
            named = [call_tensor(name, ref, self._single_output(ref, node.span)) for ref in refs]
            call_tensors += named
            tensors = [each.tensor for each in named]
            keywords[name] = tensors if isinstance(value, tuple) else tensors[0]
        return call_tensors, positional, keywords

    def _companion(self, node: Node) -> TensorRef:
        """Return the input of the network on which the layer of a node without inputs is called."""
        return TensorRef(self._companions.get(node.name) or next(iter(self._inputs), ""))

    def _is_built(self, ref: TensorRef) -> bool:
        return ref.node in self._built_nodes or ref.node in self._inputs

    def _all_outputs(self, ref: TensorRef, span: Span) -> Tensors:
        """Return the tensors of a reference: one output of a node, or all of them."""
        built_node = self._built_nodes.get(ref.node)
        outputs = (self._inputs[ref.node],) if built_node is None else built_node.outputs
        if ref.output is None:
            return outputs
        if ref.output >= len(outputs):
            plural = "one output" if len(outputs) == 1 else f"{len(outputs)} outputs"
            message = f"there is no '{ref}': '{ref.node}' has {plural}, numbered from 0"
            raise BuildError("unknown-output", message, span)
        return (outputs[ref.output],)

    def _single_output(self, ref: TensorRef, span: Span) -> keras.KerasTensor:
        outputs = self._all_outputs(ref, span)
        if len(outputs) != 1:
            raise BuildError(
                "unknown-output",
                f"'{ref}' has {len(outputs)} outputs: select one, as in '{ref.node}.0'",
                span,
                (
                    (
                        "add a 'name' to the step, and write name.0 or name.1 under 'from' and"
                        " 'outputs'"
                    ),
                ),
            )
        return outputs[0]

    @contextmanager
    def _collect_errors(self) -> Iterator[None]:
        try:
            yield
        except BuildError as error:
            error.report(self._diagnostics)


def _make_input(graph_input: GraphInput) -> keras.KerasTensor:
    def make_error(error: Exception) -> BuildError:
        message = f"Keras rejects the input '{graph_input.name}'"
        return BuildError("keras-rejected", message, graph_input.span, error_notes(error))

    with translate_keras_errors(make_error):
        return keras.Input(graph_input.shape, dtype=graph_input.dtype, name=graph_input.name)
