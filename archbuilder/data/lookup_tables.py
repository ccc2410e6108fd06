"""Inputs of a network that are indices into a table, such as an `Embedding`, and its size.

Indices are checked with the data, since a wrong one is no error on TensorFlow: Keras 3.15 counts
negative indices from the end of the table and truncates fractions, and on a GPU an index beyond the
end gives zeros.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import chain
from typing import Final

from archbuilder.compiler.ir import Graph, Node
from archbuilder.data.input_tracing import trace_input_values
from archbuilder.yaml.nodes import to_plain

_SIZE_ARGUMENTS: Final[Mapping[str, str]] = {
    "Embedding": "input_dim",
    "ReversibleEmbedding": "input_dim",
    "CategoryEncoding": "num_tokens",
    "ops.one_hot": "num_classes",
}
"""Operations that take indices, with the argument for the size of the table."""


@dataclass(frozen=True, slots=True)
class LookupTable:
    """A table that values of an input index, from 0 to `size - 1`."""

    size: int
    description: str
    """The node and the size, for messages."""
    positions: tuple[int, ...] | None = None
    """Positions of the indices in a flattened example; None for all."""
    truncated: bool = False
    """Whether the network casts them to integers, perhaps to drop fractions on purpose."""


def lookup_tables_by_input(graph: Graph) -> Mapping[str, tuple[LookupTable, ...]]:
    """Return the tables that values of an input index, by the name of the input.

    Values are followed through operations that reorder, slice or cast them. If several tables take
    the same values, only the smallest is returned.
    """
    tables_by_input: dict[str, dict[tuple[object, bool], LookupTable]] = {}
    nodes = {node.name: node for node in graph.nodes}
    for node, values_by_ref in trace_input_values(graph):
        table = _lookup_table(node, nodes)
        if table is None:
            continue
        for input_values in chain.from_iterable(values_by_ref):
            # Other values of the input may be quantities.
            if input_values.is_part:
                continue
            input_table = replace(
                table, positions=input_values.flat_positions(), truncated=input_values.truncated
            )
            key = (input_table.positions, input_table.truncated)
            input_tables = tables_by_input.setdefault(input_values.name, {})
            input_tables[key] = min(
                input_tables.get(key, input_table),
                input_table,
                key=lambda candidate: candidate.size,
            )
    return {name: tuple(tables.values()) for name, tables in tables_by_input.items()}


def lookup_nodes(graph: Graph) -> tuple[str, ...]:
    """Return the names of the nodes that take indices."""
    nodes = {node.name: node for node in graph.nodes}
    return tuple(node.name for node in graph.nodes if _lookup_table(node, nodes) is not None)


def _lookup_table(node: Node, nodes: Mapping[str, Node]) -> LookupTable | None:
    """Return the table that a node looks indices up in; None if it takes something else."""
    # A call of a shared layer has no arguments of its own.
    owner = node if node.weight_owner is None else nodes[node.weight_owner]
    operation = owner.operation
    arguments = {each.name: to_plain(each.value) for each in owner.arguments}
    if operation == "TimeDistributed":
        layer = arguments.get("layer")
        if not isinstance(layer, dict) or len(layer) != 1:
            return None
        ((operation, layer_arguments),) = layer.items()
        arguments = layer_arguments if isinstance(layer_arguments, dict) else {}
    argument = _SIZE_ARGUMENTS.get(operation)
    size = arguments.get(argument) if argument is not None else None
    # ReversibleEmbedding with `reverse: true` multiplies vectors by the table.
    is_reversed = any(
        each.name == "reverse" and to_plain(each.value) for each in node.call_constants
    )
    if is_reversed or not isinstance(size, int):
        return None
    return LookupTable(size, f"'{node.name}' ({argument}: {size})")
