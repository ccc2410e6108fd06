"""Removal of nodes that no output depends on, with warnings about them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import replace

from archbuilder.compiler.ir import Graph, Node
from archbuilder.diagnostics.errors import Diagnostics


def remove_dead_nodes(graph: Graph, diagnostics: Diagnostics) -> Graph:
    """Return the graph without the nodes that no output depends on, and warn about them."""
    outputs = {ref.node for _, ref in graph.outputs}
    nodes = eliminate_dead_nodes(graph.nodes, outputs, diagnostics)
    used = outputs | {ref.node for node in nodes for ref in node.input_refs()}
    for graph_input in graph.inputs:
        if graph_input.name not in used:
            diagnostics.warning(
                "unused-step",
                f"no output depends on the input '{graph_input.name}'",
                graph_input.span,
            )
    return replace(graph, nodes=nodes)


def eliminate_dead_nodes(
    nodes: Sequence[Node],
    outputs: Collection[str],
    diagnostics: Diagnostics,
    *,
    output_noun: str = "output",
    result: str = "model",
) -> tuple[Node, ...]:
    """Return the nodes that some outputs depend on, and warn about the others.

    Each chain of dead nodes gets one warning, at its last node. By `output_noun` and `result`, it
    says what the outputs are, and what the nodes do not belong to.
    """
    used = set(outputs)
    live_nodes: list[Node] = []
    dead_nodes: list[Node] = []
    # In reverse topological order, all readers of a node come before it, so one pass is enough.
    for node in reversed(nodes):
        if node.name in used:
            live_nodes.append(node)
            used.update(ref.node for ref in node.input_refs())
        else:
            # Its inputs are not marked: they are used only if a live node reads them too.
            dead_nodes.append(node)
    # Back in the order of the file.
    for last, preceding_count in reversed(_dead_ends(dead_nodes)):
        count_text = "one" if preceding_count == 1 else str(preceding_count)
        steps = f", and the {count_text} before it" if preceding_count else ""
        message = f"no {output_noun} depends on this step{steps}; it is not part of the {result}"
        with diagnostics.within(last.frame):
            diagnostics.warning("unused-step", message, last.span)
    if not dead_nodes:
        return tuple(nodes)
    # The owner of shared weights may be a dead node: the first remaining use becomes the owner.
    owners: dict[str, str] = {}
    kept_nodes = []
    for node in reversed(live_nodes):
        owner = owners.setdefault(node.weight_owner or node.name, node.name)
        kept_nodes.append(replace(node, weight_owner=None if owner == node.name else owner))
    return tuple(kept_nodes)


def _dead_ends(dead_nodes: Sequence[Node]) -> list[tuple[Node, int]]:
    """Return the dead nodes that no other node reads, each with the number of its predecessors.

    `dead_nodes` are in reverse topological order. A node that leads to several ends counts for the
    last of them. All nodes of a formula count as one.
    """
    names = {node.name for node in dead_nodes}
    ends: dict[str, Node] = {}
    counts: Counter[str] = Counter()
    end_of: dict[str, str] = {}
    for node in dead_nodes:
        end = end_of.get(node.name)
        if end is None:
            ends[node.name] = node
        elif node.name.rpartition(".")[0] not in names:
            counts[end] += 1
        for ref in node.input_refs():
            end_of.setdefault(ref.node, end or node.name)
    return [(node, counts[name]) for name, node in ends.items()]
