"""The expanded graph: what is left of a blueprint when parameters, blocks and loops are gone.

A graph is flat and in order: a node comes behind everything that it reads. It names layers but
knows nothing of Keras.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from archbuilder.diagnostics.errors import ExpansionFrame, InternalError
from archbuilder.diagnostics.span import Span
from archbuilder.yaml.nodes import Tree

Shape: TypeAlias = tuple[int | None, ...]
"""Sizes without the batch axis; None is a length left open."""


@dataclass(frozen=True, slots=True)
class TensorRef:
    """The output of a node or a graph input; `output` picks one of several outputs."""

    node: str
    output: int | None = None

    def __str__(self) -> str:
        return self.node if self.output is None else f"{self.node}.{self.output}"


@dataclass(frozen=True, slots=True)
class Argument:
    """An argument of a layer with its resolved value: no `$` is left in it."""

    name: str
    value: Tree
    span: Span
    """Where its name stands, or the value where the name was left out."""


@dataclass(frozen=True, slots=True)
class GraphInput:
    """An input of the model: `shape` without the batch axis, `dtype` as Keras calls it."""

    name: str
    shape: Shape
    dtype: str
    span: Span


@dataclass(frozen=True, slots=True)
class Node:
    """One use of a layer (or of a function of `keras.ops`).

    `name` is its path, unique in the graph; `operation` its name in the catalogue (`Conv2D`,
    `ops.transpose`). `inputs` are given to the call in order, as one list where the catalogue says
    that the layer takes a list; `keywords` are given by name (a tuple becomes a list, as for the
    states of an LSTM); `call` are constants of the call. `shares` names the earlier node whose
    weights this one uses.
    """

    name: str
    operation: str
    arguments: tuple[Argument, ...]
    inputs: tuple[TensorRef, ...]
    keywords: tuple[tuple[str, TensorRef | tuple[TensorRef, ...]], ...]
    call: tuple[Argument, ...]
    weight_owner: str | None
    span: Span
    frame: ExpansionFrame | None

    def input_refs(self) -> tuple[TensorRef, ...]:
        """Everything that this node takes as input."""
        refs = list(self.inputs)
        for _, value in self.keywords:
            refs.extend(value if isinstance(value, tuple) else (value,))
        return tuple(refs)


@dataclass(frozen=True, slots=True)
class Graph:
    """A network. `outputs` pairs the name of each output with what it is."""

    name: str
    inputs: tuple[GraphInput, ...]
    nodes: tuple[Node, ...]
    outputs: tuple[tuple[str, TensorRef], ...]
    span: Span

    def check(self) -> None:
        """Hold the graph to what later stages rely on.

        Raises:
            InternalError: where a name stands twice, or something is read before it is made.
        """
        defined: set[str] = set()
        for graph_input in self.inputs:
            if graph_input.name in defined:
                raise InternalError(f"the input '{graph_input.name}' stands twice in the graph")
            defined.add(graph_input.name)
        nodes: dict[str, Node] = {}
        for node in self.nodes:
            if node.name in defined:
                raise InternalError(f"the node '{node.name}' stands twice in the graph")
            for ref in node.input_refs():
                if ref.node not in defined:
                    raise InternalError(f"'{node.name}' reads '{ref}' before it is made")
            if node.weight_owner is not None:
                owner = nodes.get(node.weight_owner)
                if owner is None or owner.operation != node.operation:
                    raise InternalError(
                        f"'{node.name}' shares '{node.weight_owner}', which it cannot"
                    )
            defined.add(node.name)
            nodes[node.name] = node
        for name, ref in self.outputs:
            if ref.node not in defined:
                raise InternalError(f"the output '{name}' reads '{ref}', which is not there")
