"""Graph to Keras model.

First the whole model is made without memory for its weights: Keras itself tells all shapes and
counts. Only when they are right and fit into memory do the weights get their values.
"""

from __future__ import annotations

import math
import random
from dataclasses import dataclass

import keras

from archbuilder.backend.analysis import (
    Analysis,
    NodeAnalysis,
    TensorSpec,
    item_bytes,
    summarise,
)
from archbuilder.backend.assembly import Assembly, Made, assemble
from archbuilder.backend.budget import check_budget, check_unrolled, check_work
from archbuilder.backend.initialise import initialise, initializer_of
from archbuilder.backend.isolation import isolated
from archbuilder.backend.multiply_adds import Call, multiply_adds
from archbuilder.backend.shapes import shape_of
from archbuilder.backend.trial import check_call
from archbuilder.errors import Diagnostics
from archbuilder.graph import Graph, Node
from archbuilder.limits import Limits


@dataclass(frozen=True, slots=True, eq=False)
class Draft:
    """A model whose weights have shapes but no values yet, and what it is like."""

    graph: Graph
    analysis: Analysis
    _assembly: Assembly

    def check(self, limits: Limits) -> None:
        """Hold the model to the memory and the time that making it may take.

        Raises:
            BlueprintError: with every part that is too large.
        """
        diagnostics = Diagnostics()
        check_budget(self.graph, self.analysis, limits, diagnostics)
        seen: set[int] = set()
        for node in self.graph.nodes:
            made = self._assembly.made[node.name]
            for variable in _own_weights(made, seen):
                check_work(node, variable, initializer_of(variable), diagnostics)
            if made.layer is not None and made.given:
                length = next(iter(shape_of(made.given[0].tensor)), None)
                check_unrolled(node, made.layer, length, limits, diagnostics)
        diagnostics.raise_errors()

    @property
    def model(self) -> keras.Model:
        """The model as it is: before `finish`, its weights have shapes and no values."""
        return self._assembly.model

    def finish(self) -> keras.Model:
        """The model, after its weights got their values. Can be had once.

        Raises:
            BlueprintError: when the model cannot be called.
        """
        initialise(self._assembly.model.variables)
        check_call(self.graph, self.analysis, self._assembly)
        return self._assembly.model


def draft(graph: Graph) -> Draft:
    """The model of a graph, without values for its weights.

    Raises:
        BlueprintError: with every mistake in arguments and shapes that Keras finds.
    """
    graph.check()
    diagnostics = Diagnostics()
    assembly = isolated(lambda: assemble(graph, diagnostics))
    return Draft(graph, _analyse(graph, assembly), assembly)


def analyse(graph: Graph, limits: Limits | None = None) -> Analysis:
    """What the model of a graph is like. With limits, a model beyond them is a mistake.

    Takes no memory for weights, and leaves Python's random numbers as they were, from which Keras
    draws its seeds.

    Raises:
        BlueprintError: with every mistake in arguments and shapes that Keras finds, or with every
            part that is too large.
    """
    state = random.getstate()
    try:
        drafted = draft(graph)
    finally:
        random.setstate(state)
    if limits is not None:
        drafted.check(limits)
    return drafted.analysis


def build(graph: Graph, limits: Limits | None = None) -> keras.Model:
    """The Keras model of a graph, with its weights.

    Raises:
        BlueprintError: with every mistake in arguments and shapes that Keras finds, or with every
            part that is too large.
    """
    drafted = draft(graph)
    drafted.check(limits or Limits())
    return drafted.finish()


def _analyse(graph: Graph, assembly: Assembly) -> Analysis:
    seen: set[int] = set()
    needed = _needed(graph)
    nodes = [
        _analyse_node(node, assembly.made[node.name], seen, used=node.name in needed)
        for node in graph.nodes
    ]
    outputs = {
        name: shape_of(_output(assembly, ref.node, ref.output)) for name, ref in graph.outputs
    }
    inputs = {name: _spec(tensor) for name, tensor in assembly.inputs.items()}
    return summarise(graph, inputs, nodes, outputs)


def _analyse_node(node: Node, made: Made, seen: set[int], *, used: bool) -> NodeAnalysis:
    """The numbers of a node; a node that no output needs is not in the model and has none."""
    weights = _own_weights(made, seen) if used else ()
    sizes = [math.prod(weight.shape) for weight in weights]
    sizes_in_bytes = [
        size * item_bytes(weight.dtype) for size, weight in zip(sizes, weights, strict=True)
    ]
    trainable = set() if made.layer is None else {id(each) for each in made.layer.trainable_weights}
    return NodeAnalysis(
        name=node.name,
        operation=node.operation,
        outputs=tuple(_spec(tensor) for tensor in made.outputs),
        used=used,
        parameters=sum(sizes),
        trainable_parameters=sum(
            size for size, weight in zip(sizes, weights, strict=True) if id(weight) in trainable
        ),
        multiply_adds=_multiply_adds(made) if used else 0,
        weight_bytes=sum(sizes_in_bytes),
        largest_weight_bytes=max(sizes_in_bytes, default=0),
    )


def _multiply_adds(made: Made) -> int:
    if made.layer is None:
        return 0
    tensors: dict[str, tuple[int | None, ...]] = {}
    for given in made.given:
        tensors.setdefault(given.argument, given.shape)
    return multiply_adds(
        Call(made.layer, tensors, [shape_of(each) for each in made.outputs], made.constants)
    )


def _own_weights(made: Made, seen: set[int]) -> tuple[keras.Variable, ...]:
    """The weights of a layer, none where an earlier node (in `seen`) has the same layer."""
    if made.layer is None or id(made.layer) in seen:
        return ()
    seen.add(id(made.layer))
    return tuple(made.layer.weights)


def _needed(graph: Graph) -> set[str]:
    """The nodes that the outputs need."""
    needed = {ref.node for _, ref in graph.outputs}
    for node in reversed(graph.nodes):
        if node.name in needed:
            needed.update(ref.node for ref in node.reads())
    return needed


def _output(assembly: Assembly, node: str, output: int | None) -> keras.KerasTensor:
    made = assembly.made.get(node)
    return assembly.inputs[node] if made is None else made.outputs[output or 0]


def _spec(tensor: keras.KerasTensor) -> TensorSpec:
    return TensorSpec(shape_of(tensor), keras.backend.standardize_dtype(tensor.dtype))
