"""Puts a model together: one loop over the nodes, with no case for any layer."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TypeAlias, cast

import keras

from archbuilder import catalogue
from archbuilder.backend.adding import ADDING_LAYERS
from archbuilder.backend.isolation import recursion
from archbuilder.backend.naming import name_operations
from archbuilder.backend.node_checks import (
    check_bias,
    check_count,
    check_merge,
    check_slice,
    check_traced,
    in_safe_order,
    safe_add,
)
from archbuilder.backend.objects import build_layer, call_arguments, find
from archbuilder.backend.refusals import Refusal, leaves_nothing, reason, refused_by_keras
from archbuilder.backend.regularization import check_regularizers
from archbuilder.backend.shapes import Given, is_empty, joined, shape_of, shape_text
from archbuilder.backend.tracing import trace
from archbuilder.catalogue.signatures import Signature
from archbuilder.errors import Diagnostics, InternalError
from archbuilder.graph import Graph, GraphInput, Node, Ref
from archbuilder.tree import Span

Tensors: TypeAlias = tuple[keras.KerasTensor, ...]
Operation: TypeAlias = Callable[..., object]


@dataclass(frozen=True, slots=True, eq=False)
class Made:
    """What a node became: its layer (None for a function), what it is given and what it gives."""

    layer: keras.layers.Layer | None
    given: tuple[Given, ...]
    constants: Mapping[str, object]
    outputs: Tensors


@dataclass(frozen=True, slots=True, eq=False)
class Assembly:
    """A Keras model, with what each input and each node of the graph became in it."""

    model: keras.Model
    inputs: Mapping[str, keras.KerasTensor]
    made: Mapping[str, Made]


def assemble(graph: Graph, diagnostics: Diagnostics) -> Assembly:
    """The model of a graph; its variables have shapes but no values.

    Raises:
        BlueprintError: with every mistake in arguments and shapes that Keras finds.
    """
    with keras.StatelessScope(initialize_variables=False):
        return _Assembler(graph, diagnostics).run()


class _Assembler:
    """The work on one graph. What needs a node that failed is passed over without a word."""

    def __init__(self, graph: Graph, diagnostics: Diagnostics) -> None:
        self._graph = graph
        self._diagnostics = diagnostics
        self._known = catalogue.load()
        self._inputs: dict[str, keras.KerasTensor] = {}
        self._layers: dict[str, keras.layers.Layer] = {}
        self._made: dict[str, Made] = {}
        self._several_outputs: set[str] = set()

    def run(self) -> Assembly:
        for graph_input in self._graph.inputs:
            with self._reporting():
                self._inputs[graph_input.name] = _input(graph_input)
        for node in self._graph.nodes:
            with self._diagnostics.inside(node.frame), self._reporting():
                self._add(node)
        outputs = {}
        spans = {node.name: node.span for node in self._graph.nodes}
        for name, ref in self._graph.outputs:
            with self._reporting():
                if self._is_made(ref):
                    outputs[name] = self._single(ref, spans.get(ref.node, self._graph.span))
        self._diagnostics.raise_errors()
        return Assembly(self._model(outputs), self._inputs, self._made)

    def _model(self, outputs: dict[str, keras.KerasTensor]) -> keras.Model:
        inputs = self._inputs
        with recursion(len(self._graph.nodes)):
            return keras.Model(
                next(iter(inputs.values())) if len(inputs) == 1 else inputs,
                next(iter(outputs.values())) if len(outputs) == 1 else outputs,
                name=self._graph.name,
            )

    def _add(self, node: Node) -> None:
        signature = self._known.signature(node.operation)
        if signature is None:
            raise InternalError(f"'{node.operation}' is not in the catalogue")
        # Made even where its inputs are not, so that its own mistakes are found in the same go.
        operation = self._operation(node, signature)
        if operation is None or not all(self._is_made(ref) for ref in node.reads()):
            return
        given, positional, by_name = self._positional(node, signature)
        named, keywords = self._keywords(node)
        keywords = {**by_name, **keywords}
        constants = call_arguments(node.call, signature.call, node.name)
        given += named
        check_count(node, signature, given)
        several = any(ref.node in self._several_outputs for ref in node.inputs)
        check_merge(node, signature, given, several=several)
        if node.operation == "ops.slice":
            check_slice(node, given, operation)
        if node.operation in ADDING_LAYERS and len(given) > 1:
            positional = [in_safe_order(node, given)]
        elif node.operation == "ops.add" and {"x1", "x2"} <= keywords.keys():
            operation, keywords = safe_add(operation, given)
        with refused_by_keras(lambda error: _mismatch(node, given, error)):
            result = operation(*positional, **keywords, **constants)
        layer = operation if isinstance(operation, keras.layers.Layer) else None
        outputs = _tensors(result, node)
        if not isinstance(result, keras.KerasTensor):
            self._several_outputs.add(node.name)
        for tensor in outputs:
            if is_empty(shape_of(tensor)):
                raise _nothing_left(node, given, (f"it makes {shape_text(shape_of(tensor))}",))
            if not tensor.shape or tensor.shape[0] is not None:
                raise _batch_lost(node, tensor)
        if layer is None:
            with refused_by_keras(lambda error: _mismatch(node, given, error)):
                shapes = trace(operation, *positional, **keywords)
            check_traced(node, outputs, shapes)
            name_operations(outputs, [each.tensor for each in given], node.name)
        elif any(tensor is each.tensor for tensor in outputs for each in given):
            # Keras 3.15.1 finds a cycle in a model with such a layer: Equalization.
            message = f"'{node.name}' ({node.operation}) gives back its own input"
            notes = ("Keras cannot put such a layer into a model; name it under 'augment'",)
            raise Refusal("keras-refused", message, node.span, notes)
        else:
            check_bias(node, layer, given, outputs[0])
            check_regularizers(node, layer)
        self._made[node.name] = Made(layer, tuple(given), constants, outputs)

    def _operation(self, node: Node, signature: Signature) -> Operation | None:
        """What the node calls, None where it is the layer of a node that failed."""
        if node.operation.startswith("ops."):
            return _function(node, signature)
        if node.shares is None:
            layer = build_layer(signature, node.arguments, node.name, node.span)
        elif node.shares in self._layers:
            layer = self._layers[node.shares]
        else:
            return None
        self._layers[node.name] = layer
        return layer

    def _positional(
        self, node: Node, signature: Signature
    ) -> tuple[list[Given], list[object], dict[str, object]]:
        """The inputs that go in order, and how the call takes them: in order, and by name.

        The several outputs of a step go into a list as they are.
        """
        if signature.takes_list:
            argument = signature.tensors[0]
            given = [
                Given(argument, str(ref), tensor)
                for ref in node.inputs
                for tensor in self._several(ref, node.span)
            ]
            tensors: list[object] = [each.tensor for each in given]
            return given, tensors if signature.variadic else [tensors], {}
        names = signature.open_tensors([argument.name for argument in node.arguments])
        given = [
            Given(argument, str(ref), self._single(ref, node.span))
            for argument, ref in zip(names, node.inputs, strict=False)
        ]
        if signature.origin == "keras.ops":
            # By name, since a number may stand in front: `ops.subtract: {x1: 1.0}`.
            return given, [], {each.argument: each.tensor for each in given}
        return given, [each.tensor for each in given], {}

    def _keywords(self, node: Node) -> tuple[list[Given], dict[str, object]]:
        given: list[Given] = []
        keywords: dict[str, object] = {}
        for name, value in node.keywords:
            refs = value if isinstance(value, tuple) else (value,)
            tensors = [self._single(ref, node.span) for ref in refs]
            given += [
                Given(name, str(ref), tensor) for ref, tensor in zip(refs, tensors, strict=True)
            ]
            keywords[name] = tensors if isinstance(value, tuple) else tensors[0]
        return given, keywords

    def _is_made(self, ref: Ref) -> bool:
        return ref.node in self._made or ref.node in self._inputs

    def _several(self, ref: Ref, span: Span) -> Tensors:
        """All that a reference stands for: one output of a step, or all of them."""
        made = self._made.get(ref.node)
        outputs = (self._inputs[ref.node],) if made is None else made.outputs
        if ref.output is None:
            return outputs
        if ref.output >= len(outputs):
            raise Refusal("unknown-output", _no_output(ref, len(outputs)), span)
        return (outputs[ref.output],)

    def _single(self, ref: Ref, span: Span) -> keras.KerasTensor:
        outputs = self._several(ref, span)
        if len(outputs) != 1:
            raise Refusal(
                "unknown-output",
                f"'{ref}' has {len(outputs)} outputs: say which one, as in '{ref.node}.0'",
                span,
                ("give the step a 'name'; 'from' and 'outputs' take name.0, name.1",),
            )
        return outputs[0]

    @contextmanager
    def _reporting(self) -> Iterator[None]:
        try:
            yield
        except Refusal as refusal:
            refusal.report(self._diagnostics)


def _input(graph_input: GraphInput) -> keras.KerasTensor:
    def explain(error: Exception) -> Refusal:
        message = f"Keras refuses the input '{graph_input.name}'"
        return Refusal("keras-refused", message, graph_input.span, reason(error))

    with refused_by_keras(explain):
        return keras.Input(graph_input.shape, dtype=graph_input.dtype, name=graph_input.name)


def _tensors(result: object, node: Node) -> Tensors:
    """The outputs of a call in order, however Keras packs them."""
    if isinstance(result, keras.KerasTensor):
        return (result,)
    if isinstance(result, Mapping):
        result = list(result.values())
    if not isinstance(result, Sequence) or not result:
        message = f"'{node.name}' ({node.operation}) gives no tensor with these arguments"
        raise Refusal("keras-refused", message, node.span)
    return tuple(tensor for part in result for tensor in _tensors(part, node))


def _function(node: Node, signature: Signature) -> Operation:
    """A function of `keras.ops` with its constants."""
    function = find(signature, node.span)
    arguments = call_arguments(node.arguments, signature.arguments, node.name)
    if node.operation == "ops.slice":
        # Keras 3.15.1 takes None for the shape that it computes, and fails at the call.
        sizes = cast("tuple[int | None, ...]", arguments["shape"])
        arguments["shape"] = tuple(-1 if size is None else size for size in sizes)
    if signature.variadic:
        return partial(function, *arguments.values())
    return partial(function, **arguments)


def _mismatch(node: Node, given: Sequence[Given], error: Exception) -> Refusal:
    if leaves_nothing(error):
        return _nothing_left(node, given, reason(error))
    verb = "join" if len(given) > 1 and given[0].argument == given[1].argument else "take"
    message = f"'{node.name}' ({node.operation}) cannot {verb} {joined(given)}"
    return Refusal("shape-mismatch", message, node.span, reason(error))


def _nothing_left(node: Node, given: Sequence[Given], notes: tuple[str, ...]) -> Refusal:
    message = f"'{node.name}' ({node.operation}) leaves nothing of {joined(given)}"
    return Refusal("empty-shape", message, node.span, notes)


def _batch_lost(node: Node, tensor: keras.KerasTensor) -> Refusal:
    message = f"'{node.name}' ({node.operation}) loses the batch axis, and makes {tensor.shape}"
    notes = ("the first axis is that of the examples, whose number is open",)
    return Refusal("shape-mismatch", message, node.span, notes)


def _no_output(ref: Ref, count: int) -> str:
    plural = "one output" if count == 1 else f"{count} outputs"
    return f"there is no '{ref}': '{ref.node}' has {plural}, counted from 0"
