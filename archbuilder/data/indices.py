"""Which inputs of a network are indices into a table, and how large the tables are.

TensorFlow takes a negative index from the end of an `Embedding` (Keras 3.15), cuts the fraction of
0.7 off, and on a GPU returns zeros for what is beyond the end. So indices are checked as data.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from archbuilder.compiler.ir import Graph, Node
from archbuilder.data.index_flow import trace_input_values
from archbuilder.plain_data import PlainData
from archbuilder.yaml.nodes import to_plain

_SIZE_ARGUMENTS: Final[Mapping[str, str]] = {
    "Embedding": "input_dim",
    "ReversibleEmbedding": "input_dim",
    "CategoryEncoding": "num_tokens",
    "ops.one_hot": "num_classes",
}
"""Operations that take indices, with the argument that says how many there are."""


@dataclass(frozen=True, slots=True)
class LookupTable:
    """A table that an input has the indices of: they are from 0 to `size - 1`."""

    size: int
    description: str
    """What messages call it."""
    positions: tuple[int, ...] | None = None
    """Which values of a flattened example are indices; None for all."""
    truncated: bool = False
    """Whether the network casts them to integers, which may be meant to drop fractions."""


def lookup_tables_by_input(graph: Graph) -> Mapping[str, tuple[LookupTable, ...]]:
    """Return the tables that values of an input are indices into, by the input's name.

    Values are followed through operations that rearrange, cut or cast them. Of several tables that
    take the same values, the smallest is returned.
    """
    tables_by_input: dict[str, dict[tuple[object, bool], LookupTable]] = {}
    nodes = {node.name: node for node in graph.nodes}
    for node, values in trace_input_values(graph):
        table = _lookup_table(node, nodes)
        if table is None:
            continue
        for input_values in values:
            input_table = replace(
                table, positions=input_values.flat(), truncated=input_values.truncated
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
    owner = node if node.weight_owner is None else nodes[node.weight_owner]
    operation = owner.operation
    arguments = {each.name: to_plain(each.value) for each in owner.arguments}
    if operation == "TimeDistributed":
        operation, arguments = _wrapped_layer(arguments.get("layer"))
    argument = _SIZE_ARGUMENTS.get(operation)
    size = arguments.get(argument) if argument is not None else None
    # A reversed embedding takes vectors.
    is_reversed = any(each.name == "reverse" and to_plain(each.value) for each in node.call)
    if is_reversed or not isinstance(size, int):
        return None
    return LookupTable(size, f"'{node.name}' ({argument}: {size})")


def _wrapped_layer(layer: PlainData) -> tuple[str, dict[str, PlainData]]:
    """Return the operation and the arguments of a layer that is an argument of another one."""
    if not isinstance(layer, dict) or len(layer) != 1:
        return "", {}
    ((operation, arguments),) = layer.items()
    return operation, arguments if isinstance(arguments, dict) else {}
