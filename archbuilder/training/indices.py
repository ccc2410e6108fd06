"""Which inputs of a network are indices into a table, and how large the tables are.

TensorFlow takes a negative index from the end of an `Embedding` (Keras 3.15), cuts the fraction of
0.7 off, and on a GPU returns zeros for what is beyond the end. So indices are checked as data.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from archbuilder.graph import Graph, Node
from archbuilder.tree import Plain, plain

_SIZES: Final[Mapping[str, str]] = {
    "Embedding": "input_dim",
    "ReversibleEmbedding": "input_dim",
    "CategoryEncoding": "num_tokens",
    "ops.one_hot": "num_classes",
}
"""Operations that take indices, with the argument that says how many there are."""

_REARRANGING: Final = frozenset(
    (
        *("Concatenate", "Flatten", "Identity", "Permute", "RepeatVector", "Reshape"),
        *("ops.broadcast_to", "ops.concatenate", "ops.copy", "ops.expand_dims", "ops.flip"),
        *("ops.hstack", "ops.moveaxis", "ops.repeat", "ops.reshape", "ops.roll", "ops.squeeze"),
        *("ops.stack", "ops.swapaxes", "ops.tile", "ops.transpose", "ops.vstack"),
    )
)
"""Operations that pass on every value of what they take, and change none."""


@dataclass(frozen=True, slots=True)
class Indices:
    """A table that an input has the indices of: they are from 0 to `size - 1`."""

    size: int
    table: str
    """What messages call it."""


def indices_of(graph: Graph) -> Mapping[str, Indices]:
    """Return the smallest table that every value of an input is an index into, by the input's name.

    An input is followed through operations that only rearrange it.
    """
    found: dict[str, Indices] = {}
    carried = {each.name: frozenset([each.name]) for each in graph.inputs}
    nodes = {node.name: node for node in graph.nodes}
    for node in graph.nodes:
        sources = frozenset[str]().union(*(carried.get(ref.node, ()) for ref in node.inputs))
        if node.operation in _REARRANGING:
            carried[node.name] = sources
        indices = _taken(node, nodes)
        if indices is None:
            continue
        for name in sources:
            found[name] = min(found.get(name, indices), indices, key=lambda each: each.size)
    return found


def tables_of(graph: Graph) -> tuple[str, ...]:
    """Return the names of the nodes that take indices."""
    nodes = {node.name: node for node in graph.nodes}
    return tuple(node.name for node in graph.nodes if _taken(node, nodes) is not None)


def _taken(node: Node, nodes: Mapping[str, Node]) -> Indices | None:
    owner = node if node.shares is None else nodes[node.shares]
    operation = owner.operation
    arguments = {each.name: plain(each.value) for each in owner.arguments}
    if operation == "TimeDistributed":
        operation, arguments = _wrapped(arguments.get("layer"))
    argument = _SIZES.get(operation)
    size = arguments.get(argument) if argument is not None else None
    # A reversed embedding takes vectors.
    reversed_ = any(each.name == "reverse" and plain(each.value) for each in node.call)
    if reversed_ or not isinstance(size, int):
        return None
    return Indices(size, f"'{node.name}' ({argument}: {size})")


def _wrapped(layer: Plain) -> tuple[str, dict[str, Plain]]:
    """Return the operation and the arguments of a layer that is an argument of another one."""
    if not isinstance(layer, dict) or len(layer) != 1:
        return "", {}
    ((operation, arguments),) = layer.items()
    return operation, arguments if isinstance(arguments, dict) else {}
