"""Inputs of a network that are positions in lists, and which of them the data does not check."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from archbuilder.compiler.ir import Graph, Node
from archbuilder.config.sources import DataSource, FeatureConfig
from archbuilder.config.sources.tables import FeatureSource
from archbuilder.data.input_tracing import trace_input_values
from archbuilder.diagnostics.errors import quote

_POSITION_ARGUMENTS: Final[Mapping[str, str]] = {
    "SegmentSum": "segments",
    "ops.segment_max": "segment_ids",
    "ops.segment_sum": "segment_ids",
    "ops.take": "indices",
    "ops.take_along_axis": "indices",
}
"""The argument of each operation that takes positions, which is its second one."""


def position_inputs(graph: Graph) -> Mapping[str, Node]:
    """Return the inputs whose values are positions in another tensor, with the node they are for.

    Values are followed through operations that reorder, slice or cast them.
    """
    inputs: dict[str, Node] = {}
    for node, values_by_ref in trace_input_values(graph):
        argument = _POSITION_ARGUMENTS.get(node.operation)
        if argument is None:
            continue
        keywords = [name for name, value in node.keywords if not isinstance(value, tuple)]
        names = ["", argument, *[""] * len(node.inputs)][: len(node.inputs)] + keywords
        for name, values in zip(names, values_by_ref, strict=False):
            for input_values in values if name == argument else ():
                inputs.setdefault(input_values.name, node)
    return inputs


def unchecked_positions(graph: Graph, source: DataSource) -> Iterator[str]:
    """Yield a sentence on each input of positions that a table has without saying of what."""
    if not isinstance(source, FeatureSource):
        return
    inputs, _ = source.inputs_and_targets
    for name, node in position_inputs(graph).items():
        config = inputs.get(name) if isinstance(inputs, Mapping) else None
        if config is None or (isinstance(config, FeatureConfig) and config.positions_of):
            continue
        yield (
            f"the input {quote(name)} has positions for {quote(node.name)} ({node.operation}), of"
            " which wrong ones take other values: 'positions_of' in its feature checks them"
        )
