"""Which tensors of a graph have a batch axis: those that depend on an input of the network."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from archbuilder.compiler.ir import Graph


@dataclass(frozen=True, slots=True)
class BatchAxes:
    """The nodes of a graph whose outputs have no batch axis, and inputs that they accompany.

    Attributes:
        unbatched: The names of the nodes that depend on no input of the graph: `Parameter`,
            `Constant`, and what is computed from these alone.
        companions: For each of these nodes, an input of the graph that the first node that uses it
            beside a batch depends on too. In Keras, a layer without inputs is called on it.
    """

    unbatched: frozenset[str]
    companions: Mapping[str, str]


def find_batch_axes(graph: Graph) -> BatchAxes:
    """Return which nodes of a graph have no batch axis."""
    # Each name with one of the inputs that it depends on; None if there are none.
    inputs: dict[str, str | None] = {each.name: each.name for each in graph.inputs}
    for node in graph.nodes:
        input_names = (inputs[ref.node] for ref in node.input_refs())
        inputs[node.name] = next((each for each in input_names if each is not None), None)
    unbatched = frozenset(node.name for node in graph.nodes if inputs[node.name] is None)
    # A part of the network, such as that of some of the outputs, has the input beside which a
    # tensor is used, but may lack the others. Backwards, so that the first use counts.
    companions = dict.fromkeys(unbatched, graph.inputs[0].name)
    for node in reversed(graph.nodes):
        companion = inputs[node.name] or companions[node.name]
        companions.update(
            (ref.node, companion) for ref in node.input_refs() if ref.node in unbatched
        )
    return BatchAxes(unbatched, companions)
