"""Which inputs of a network are indices into a table, and how large the tables are.

TensorFlow takes a negative index from the end of an `Embedding` (Keras 3.15), cuts the fraction of
0.7 off, and on a GPU returns zeros for what is beyond the end. So indices are checked as data.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from archbuilder.graph import Graph, Node
from archbuilder.training.passing import passed_on
from archbuilder.tree import Plain, plain

_SIZES: Final[Mapping[str, str]] = {
    "Embedding": "input_dim",
    "ReversibleEmbedding": "input_dim",
    "CategoryEncoding": "num_tokens",
    "ops.one_hot": "num_classes",
}
"""Operations that take indices, with the argument that says how many there are."""


@dataclass(frozen=True, slots=True)
class Indices:
    """A table that an input has the indices of: they are from 0 to `size - 1`."""

    size: int
    table: str
    """What messages call it."""
    positions: tuple[int, ...] | None = None
    """Which values of a flattened example are indices; None for all."""
    truncated: bool = False
    """Whether the network casts them to integers, which may be meant to drop fractions."""


def indices_of(graph: Graph) -> Mapping[str, tuple[Indices, ...]]:
    """Return the tables that values of an input are indices into, by the input's name.

    Values are followed through operations that rearrange, cut or cast them. Of several tables that
    take the same values, the smallest is returned.
    """
    inputs: dict[str, dict[tuple[object, bool], Indices]] = {}
    nodes = {node.name: node for node in graph.nodes}
    for node, values in passed_on(graph):
        table = _table(node, nodes)
        if table is None:
            continue
        for each in values:
            indices = replace(table, positions=each.flat(), truncated=each.truncated)
            key = (indices.positions, indices.truncated)
            tables = inputs.setdefault(each.name, {})
            tables[key] = min(tables.get(key, indices), indices, key=lambda other: other.size)
    return {name: tuple(tables.values()) for name, tables in inputs.items()}


def tables_of(graph: Graph) -> tuple[str, ...]:
    """Return the names of the nodes that take indices."""
    nodes = {node.name: node for node in graph.nodes}
    return tuple(node.name for node in graph.nodes if _table(node, nodes) is not None)


def _table(node: Node, nodes: Mapping[str, Node]) -> Indices | None:
    """Return the table that a node looks indices up in; None if it takes something else."""
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
