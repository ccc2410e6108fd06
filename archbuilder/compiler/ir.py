"""Intermediate representation: the graph of a network, without parameters, blocks and loops.

A graph is a flat list of nodes in topological order. It refers to layers by name and does not
import Keras.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Final, TypeAlias

from archbuilder.diagnostics.errors import ExpansionFrame, InternalError
from archbuilder.diagnostics.span import Span
from archbuilder.files.array_files import ArrayFile
from archbuilder.plain_data import PlainData
from archbuilder.yaml.nodes import ScalarNode, Tree, to_plain

Shape: TypeAlias = tuple[int | None, ...]
"""Sizes without the batch axis; None is an unknown size."""
ADAPT_ARGUMENT: Final = "adapt"
"""Argument that archbuilder adds to the layers that learn their state with Keras's `adapt`."""

FILE_ARGUMENT: Final = "file"
"""Argument that archbuilder adds to `Constant`, in place of its `value`."""


@dataclass(frozen=True, slots=True)
class TensorRef:
    """A reference to a graph input or the output of a node; `output` selects one of several."""

    node: str
    output: int | None = None

    def __str__(self) -> str:
        return self.node if self.output is None else f"{self.node}.{self.output}"


@dataclass(frozen=True, slots=True)
class Argument:
    """An argument of a layer with its value, in which all expressions are evaluated."""

    name: str
    value: Tree
    span: Span
    """Location of the name, or of the value if the name was left out."""
    array: ArrayFile | None = None
    """The file that the value names, if it is the `file` of a `Constant`."""


@dataclass(frozen=True, slots=True)
class GraphInput:
    """An input of the model: `shape` without the batch axis, `dtype` by its Keras name."""

    name: str
    shape: Shape
    dtype: str
    span: Span


@dataclass(frozen=True, slots=True)
class Node:
    """One call of a layer or of a function of `keras.ops`.

    Attributes:
        name: The path of the step through the blocks, unique in the graph.
        operation: The name of the layer or function in the registry (`Conv2D`, `ops.transpose`).
        arguments: The arguments of the constructor.
        inputs: The positional inputs, passed as one list if the layer takes a list. A node without
            any inputs has no batch axis, see `compiler.batch_axis`.
        keywords: The inputs by name; a tuple is passed as a list, as for the states of an LSTM.
        call: The constants of the call, such as `use_causal_mask`.
        weight_owner: The earlier node whose weights this one uses, or None if it has its own.
        span: The location of the call.
        frame: The chain of blocks and variants that the call was expanded from.
        wrapped: The block that the layer calls on a part of its input, if it is one that does.
    """

    name: str
    operation: str
    arguments: tuple[Argument, ...]
    inputs: tuple[TensorRef, ...]
    keywords: tuple[tuple[str, TensorRef | tuple[TensorRef, ...]], ...]
    call_constants: tuple[Argument, ...]
    weight_owner: str | None
    span: Span
    frame: ExpansionFrame | None
    wrapped: WrappedBlock | None = None

    @property
    def is_unadapted(self) -> bool:
        """Whether the layer has yet to learn its state from the training set (`adapt: true`)."""
        return any(
            each.name == ADAPT_ARGUMENT and isinstance(each.value, ScalarNode) and each.value.value
            for each in self.arguments
        )

    def argument(self, name: str) -> PlainData:
        """Return the value of an argument; None without it."""
        values = (to_plain(each.value) for each in self.arguments if each.name == name)
        return next(values, None)

    def input_refs(self) -> tuple[TensorRef, ...]:
        """Return all tensors that this node reads, positional ones first."""
        refs = list(self.inputs)
        for _, value in self.keywords:
            refs.extend(value if isinstance(value, tuple) else (value,))
        return tuple(refs)


WRAPPED_INPUT: Final = "input"
"""The name of the input of a wrapped block, within the block."""
WRAPPED_OUTPUT: Final = "output"
"""The name of the output of a wrapped block."""


@dataclass(frozen=True, slots=True)
class WrappedBlock:
    """A block in the argument of a layer, such as that which `TimeDistributed` calls on each step.

    `graph` is a network of its own, with one output and one input. The shape of the input depends
    on that of the layer, so that in `graph` is empty. The names of the input and of the nodes begin
    with `prefix`.
    """

    argument: str
    graph: Graph

    @property
    def prefix(self) -> str:
        """The path of the block, with a dot."""
        return f"{self.graph.name}."


@dataclass(frozen=True, slots=True)
class Graph:
    """A network. `outputs` pairs the name of each output with its tensor."""

    name: str
    inputs: tuple[GraphInput, ...]
    nodes: tuple[Node, ...]
    outputs: tuple[tuple[str, TensorRef], ...]
    span: Span

    def subgraph_for(self, outputs: Iterable[tuple[str, TensorRef]]) -> Graph:
        """Return the graph that some outputs need, with the nodes whose weights it uses.

        It has an input even if the outputs depend on none: a Keras model cannot be without.
        """
        kept_outputs = tuple(outputs)
        needed = {ref.node for _, ref in kept_outputs}
        for node in reversed(self.nodes):
            if node.name in needed:
                needed.update(each.node for each in node.input_refs())
                needed.update([] if node.weight_owner is None else [node.weight_owner])
        return replace(
            self,
            inputs=tuple(each for each in self.inputs if each.name in needed) or self.inputs[:1],
            nodes=tuple(each for each in self.nodes if each.name in needed),
            outputs=kept_outputs,
        )

    def check(self) -> None:
        """Check the invariants that later stages rely on.

        Raises:
            InternalError: if names are not unique, nodes are not in topological order, or a node
                shares the weights of a node that is missing or of another operation.
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


def array_files(nodes: Iterable[Node]) -> tuple[ArrayFile, ...]:
    """Return the files of constants among nodes, also of those in wrapped blocks."""
    files: list[ArrayFile] = []
    for node in nodes:
        files += [each.array for each in node.arguments if each.array is not None]
        files += () if node.wrapped is None else array_files(node.wrapped.graph.nodes)
    return tuple(files)
