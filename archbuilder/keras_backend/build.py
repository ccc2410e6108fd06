"""Build Keras models from graphs.

The whole model is first built symbolically, without memory for its weights: Keras computes all
shapes and parameter counts. The weights are initialized once these are valid and fit into memory.
"""

from __future__ import annotations

import math
import random
from dataclasses import dataclass

import keras

from archbuilder.compiler.ir import Graph, Node, Shape
from archbuilder.diagnostics.errors import Diagnostics
from archbuilder.keras_backend.analysis import (
    Analysis,
    NodeAnalysis,
    TensorSpec,
    item_bytes,
    summarize,
)
from archbuilder.keras_backend.flops import LayerCall, multiply_adds
from archbuilder.keras_backend.functional import BuiltGraph, BuiltNode, build_graph
from archbuilder.keras_backend.initialize import get_initializer, initialize_variables
from archbuilder.keras_backend.memory_check import (
    check_init_cost,
    check_memory_limit,
    check_unrolled,
)
from archbuilder.keras_backend.shape_format import example_shape, shape_without_batch
from archbuilder.keras_backend.state_scope import run_in_fresh_keras_state
from archbuilder.keras_backend.trial_call import check_forward_pass
from archbuilder.limits import Limits


@dataclass(frozen=True, slots=True, eq=False)
class UninitializedModel:
    """A model whose weights have shapes but no values yet, and its analysis."""

    graph: Graph
    analysis: Analysis
    _built_graph: BuiltGraph

    def check(self, limits: Limits) -> None:
        """Check that initializing the model takes no more memory and time than allowed.

        Raises:
            BlueprintError: with every node that is too large.
        """
        diagnostics = Diagnostics()
        check_memory_limit(self.graph, self.analysis, limits, diagnostics)
        seen: set[int] = set()
        for node in self.graph.nodes:
            built_node = self._built_graph.nodes[node.name]
            for variable in _unshared_weights(built_node, seen):
                check_init_cost(node, variable, get_initializer(variable), diagnostics)
            if built_node.layer is not None and built_node.inputs:
                shape = shape_without_batch(built_node.inputs[0].tensor)
                check_unrolled(node, built_node.layer, shape, limits, diagnostics)
        diagnostics.raise_errors()

    @property
    def model(self) -> keras.Model:
        """The model in its present state: before `initialize`, its weights have no values."""
        return self._built_graph.model

    def initialize(self) -> keras.Model:
        """Initialize the weights and return the model. May be called once.

        Raises:
            BlueprintError: if a call of the model fails, or a layer has yet to learn its state.
        """
        _check_adapted(self.graph)
        initialize_variables(self._built_graph.model.variables)
        check_forward_pass(self.graph, self.analysis, self._built_graph)
        return self._built_graph.model


def build_symbolic(graph: Graph) -> UninitializedModel:
    """Build the model of a graph without values for its weights, and analyze it.

    Raises:
        BlueprintError: with every error in arguments and shapes that Keras finds.
    """
    graph.check()
    diagnostics = Diagnostics()
    built_graph = run_in_fresh_keras_state(lambda: build_graph(graph, diagnostics))
    # A Keras model leaves out the nodes that its outputs do not depend on.
    reachable = {ref.node for _, ref in graph.outputs}
    for node in reversed(graph.nodes):
        if node.name in reachable:
            reachable.update(ref.node for ref in node.input_refs())
    seen: set[int] = set()
    nodes = [
        _analyze_node(node, built_graph.nodes[node.name], seen, used=node.name in reachable)
        for node in graph.nodes
    ]
    outputs = {}
    for name, ref in graph.outputs:
        built_node = built_graph.nodes.get(ref.node)
        # An output of the graph may also be one of its inputs, which is not a node.
        # Every output has a batch axis, as the expander checks.
        tensor = (
            built_graph.inputs[ref.node]
            if built_node is None
            else built_node.outputs[ref.output or 0]
        )
        outputs[name] = shape_without_batch(tensor)
    inputs = {name: _tensor_spec(tensor) for name, tensor in built_graph.inputs.items()}
    return UninitializedModel(graph, summarize(graph, inputs, nodes, outputs), built_graph)


def analyze(graph: Graph, limits: Limits | None = None) -> Analysis:
    """Analyze the model of a graph without memory for its weights, and check it against `limits`.

    Raises:
        BlueprintError: with every error in arguments and shapes that Keras finds, or with every
            node that exceeds the limits.
    """
    # Keras seeds unseeded layers and initializers with Python's `random`. An analysis must not
    # change the weights of a model that is built after it.
    state = random.getstate()
    try:
        uninitialized = build_symbolic(graph)
    finally:
        random.setstate(state)
    if limits is not None:
        uninitialized.check(limits)
    return uninitialized.analysis


def build(graph: Graph, limits: Limits | None = None) -> keras.Model:
    """Build the Keras model of a graph and initialize its weights.

    Raises:
        BlueprintError: with every error in arguments and shapes that Keras finds, or with every
            node that is too large or has yet to learn its state.
    """
    uninitialized = build_symbolic(graph)
    uninitialized.check(limits or Limits())
    return uninitialized.initialize()


def _check_adapted(graph: Graph) -> None:
    """Report layers that have yet to learn their state, since Keras would use another one.

    Raises:
        BlueprintError: with every such layer.
    """
    diagnostics = Diagnostics()
    for node in graph.nodes:
        if node.is_unadapted:
            with diagnostics.within(node.frame):
                diagnostics.error(
                    "missing-argument",
                    f"'{node.name}' ({node.operation}) learns its state in training, with"
                    " 'adapt: true'",
                    node.span,
                    notes=("train it; the directory of the run has a blueprint with the state",),
                )
    diagnostics.raise_errors()


def _analyze_node(node: Node, built_node: BuiltNode, seen: set[int], *, used: bool) -> NodeAnalysis:
    """Analyze a node. A node that is not used is not part of the model, and counts 0."""
    weights = _unshared_weights(built_node, seen) if used else ()
    sizes = [math.prod(weight.shape) for weight in weights]
    sizes_in_bytes = [
        size * item_bytes(weight.dtype) for size, weight in zip(sizes, weights, strict=True)
    ]
    layer = built_node.layer
    trainable = set() if layer is None else {id(each) for each in layer.trainable_weights}
    input_shapes: dict[str, Shape] = {}
    for call_tensor in built_node.inputs:
        # An argument that takes a list has several tensors; the first one stands for all.
        input_shapes.setdefault(call_tensor.argument, call_tensor.shape)
    outputs = tuple(
        _tensor_spec(tensor, has_batch_axis=built_node.has_batch_axis)
        for tensor in built_node.outputs
    )
    output_shapes = [each.shape for each in outputs]
    # Functions of `keras.ops` count 0 as well.
    cost = (
        multiply_adds(LayerCall(layer, input_shapes, output_shapes, built_node.constants))
        if used and layer is not None
        else 0
    )
    layers = _analyze_wrapped(node, built_node) if used else ()
    # An unknown number of steps counts as one.
    steps = (next(iter(input_shapes.values()))[0] or 1) if layers else 1
    return NodeAnalysis(
        name=node.name,
        operation=node.operation,
        outputs=outputs,
        used=used,
        parameters=sum(sizes),
        trainable_parameters=sum(
            size for size, weight in zip(sizes, weights, strict=True) if id(weight) in trainable
        ),
        multiply_adds=cost + steps * sum(each.multiply_adds for each in layers),
        weight_bytes=sum(sizes_in_bytes),
        largest_weight_bytes=max(sizes_in_bytes, default=0),
        layers=layers,
        steps=steps,
    )


def _analyze_wrapped(node: Node, built_node: BuiltNode) -> tuple[NodeAnalysis, ...]:
    """Analyze the block that a node wraps, called on one step."""
    if node.wrapped is None or built_node.wrapped is None:
        return ()
    built_nodes, seen = built_node.wrapped.nodes, set[int]()
    return tuple(
        _analyze_node(each, built_nodes[each.name], seen, used=True)
        for each in node.wrapped.graph.nodes
    )


def _unshared_weights(built_node: BuiltNode, seen: set[int]) -> tuple[keras.Variable, ...]:
    """Return the weights of a layer, or none if an earlier node (in `seen`) has the same layer."""
    if built_node.layer is None or id(built_node.layer) in seen:
        return ()
    seen.add(id(built_node.layer))
    return tuple(built_node.layer.weights)


def _tensor_spec(tensor: keras.KerasTensor, *, has_batch_axis: bool = True) -> TensorSpec:
    shape = example_shape(tensor, has_batch_axis=has_batch_axis)
    return TensorSpec(shape, keras.backend.standardize_dtype(tensor.dtype))
