"""Data-flow analysis: which nodes of a graph receive unchanged values of its inputs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import chain
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from archbuilder.compiler.ir import Graph, Node
from archbuilder.plain_data import PlainData
from archbuilder.yaml.nodes import to_plain

_REORDERING_OPS: Final = frozenset(
    (
        "Concatenate",
        "Flatten",
        "Identity",
        "Permute",
        "RepeatVector",
        "Reshape",
        "ops.broadcast_to",
        "ops.concatenate",
        "ops.copy",
        "ops.expand_dims",
        "ops.flip",
        "ops.hstack",
        "ops.moveaxis",
        "ops.repeat",
        "ops.reshape",
        "ops.roll",
        "ops.squeeze",
        "ops.stack",
        "ops.swapaxes",
        "ops.tile",
        "ops.transpose",
        "ops.vstack",
    )
)
"""Operations that output all input values unchanged, in any order."""
_SLICING_OPS: Final = frozenset(("ops.slice", "ops.split", "ops.take", "ops.unstack"))
"""Operations that output some of the input values unchanged."""
_MAX_OUTPUTS: Final = 1024
"""How many outputs are followed whose values are not known."""

_Positions: TypeAlias = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class InputValues:
    """Values of an input of the graph in a tensor."""

    name: str
    count: int
    """Number of values in an example of the input."""
    positions: _Positions | None
    """Their positions in a flattened example.

    The array has the shape of the tensor with a batch axis of 1, or one axis if the shape is not
    known. None stands for all values of an input with an axis of unknown length.
    """
    truncated: bool = False
    """Whether they were cast to integers."""
    is_part: bool = False
    """Whether they are only some of the values of such an input, of unknown positions."""

    def flat_positions(self) -> tuple[int, ...] | None:
        """Return the positions in ascending order, or None for all of them."""
        if self.positions is None:
            return None
        positions = np.unique(self.positions)
        return None if len(positions) == self.count else tuple(positions.tolist())


_NodeOutputs: TypeAlias = list[list[InputValues]]
"""The values in every output of a node; empty if the node computes new values."""


def trace_input_values(graph: Graph) -> Iterator[tuple[Node, list[list[InputValues]]]]:
    """Yield every node with the unchanged values of the graph's inputs that it receives.

    There is a list for each of the `input_refs` of the node.
    """
    outputs: dict[str, _NodeOutputs] = {}
    for graph_input in graph.inputs:
        sizes = [size for size in graph_input.shape if size is not None]
        count = int(np.prod(sizes, dtype=np.int64))
        has_static_shape = len(sizes) == len(graph_input.shape)
        positions = np.arange(count).reshape(1, *sizes) if has_static_shape else None
        outputs[graph_input.name] = [[InputValues(graph_input.name, count, positions)]]
    for node in graph.nodes:
        values_by_ref: list[list[InputValues]] = []
        for ref in node.input_refs():
            # Slices, since the outputs are an empty list where nothing is passed on.
            output = slice(None) if ref.output is None else slice(ref.output, ref.output + 1)
            values_by_ref.append([*chain.from_iterable(outputs[ref.node][output])])
        values = [*chain.from_iterable(values_by_ref)]
        arguments = {each.name: to_plain(each.value) for each in node.arguments}
        outputs[node.name] = []
        if node.operation in _REORDERING_OPS:
            # Flat from here on: following the order through every operation is not worth it, and
            # only slicing needs it.
            flattened = [
                each if each.positions is None else replace(each, positions=each.positions.ravel())
                for each in values
            ]
            outputs[node.name] = [flattened]
        # A cast to bool makes new values: 0 and 1.
        elif node.operation == "ops.cast" and arguments.get("dtype") != "bool":
            truncates = "int" in str(arguments.get("dtype"))
            outputs[node.name] = [
                [replace(each, truncated=each.truncated or truncates) for each in values]
            ]
        elif node.operation in _SLICING_OPS and len(values) == len(values_by_ref) == 1:
            parts = [
                replace(values[0], positions=each)
                for each in _output_positions(node.operation, arguments, values[0].positions)
            ]
            unknown = [replace(values[0], positions=None, is_part=True)]
            outputs[node.name] = [
                [each] for each in parts or unknown * _num_outputs(node.operation, arguments)
            ]
        yield node, values_by_ref


def _num_outputs(operation: str, arguments: Mapping[str, PlainData]) -> int:
    """Return how many outputs a slicing operation has, or 1 if its arguments do not say it."""
    count = arguments.get({"ops.split": "indices_or_sections"}.get(operation, "num"))
    if isinstance(count, list):
        return len(count) + 1
    return min(count, _MAX_OUTPUTS) if isinstance(count, int) else 1


def _output_positions(
    operation: str, arguments: Mapping[str, PlainData], positions: _Positions | None
) -> list[_Positions]:
    """Return the positions in every output of a slicing operation, or nothing if not known."""
    # One axis: the shape was lost on the way.
    if positions is None or positions.ndim < 2:
        return []
    if operation == "ops.slice":
        starts = [each or 0 for each in _int_list(arguments["start_indices"])]
        # A size of -1 stands for the rest of an axis.
        slices = [
            slice(start, None if size is None or size < 0 else start + size)
            for start, size in zip(starts, _int_list(arguments["shape"]), strict=False)
        ]
        # All of the batch axis, whatever the operation takes of it.
        return [positions[(slice(None), *slices[1:])[: positions.ndim]]]
    axis = arguments.get("axis", 0)
    # Axis 0, the batch, would pick examples rather than positions.
    if not isinstance(axis, int) or not -positions.ndim < axis < positions.ndim or axis == 0:
        return []
    size = positions.shape[axis]
    moved = np.moveaxis(positions, axis, 0)
    if operation == "ops.unstack":
        return [*moved]
    if operation == "ops.take":
        index = arguments.get("indices")
        return [moved[index]] if isinstance(index, int) and -size <= index < size else []
    sections = arguments.get("indices_or_sections")
    if not isinstance(sections, int):
        return np.split(positions, [each or 0 for each in _int_list(sections)], axis)
    return [] if size % sections else np.split(positions, sections, axis)


def _int_list(value: PlainData) -> list[int | None]:
    items = value if isinstance(value, list) else []
    return [each if isinstance(each, int) else None for each in items]
