"""Which values of its inputs a graph passes on unchanged, and to which nodes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from archbuilder.compiler.ir import Graph, GraphInput, Node, TensorRef
from archbuilder.plain_data import PlainData
from archbuilder.yaml.nodes import to_plain

_REORDERING_OPS: Final = frozenset(
    (
        *("Concatenate", "Flatten", "Identity", "Permute", "RepeatVector", "Reshape"),
        *("ops.broadcast_to", "ops.concatenate", "ops.copy", "ops.expand_dims", "ops.flip"),
        *("ops.hstack", "ops.moveaxis", "ops.repeat", "ops.reshape", "ops.roll", "ops.squeeze"),
        *("ops.stack", "ops.swapaxes", "ops.tile", "ops.transpose", "ops.vstack"),
    )
)
"""Operations that pass on every value of what they take, and change none."""
_SLICING_OPS: Final = frozenset(("ops.slice", "ops.split", "ops.take", "ops.unstack"))
"""Operations that pass on some of the values, and change none."""

_Positions: TypeAlias = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class InputValues:
    """Values of an input."""

    name: str
    count: int
    """How many values an example of the input has."""
    positions: _Positions | None
    """Where they stand in a flattened example, in the shape that they have now, with a batch axis
    of 1; in one axis where the shape is not known, and None for all of an input of open length."""
    truncated: bool = False
    """Whether they were cast to integers."""

    def flat(self) -> tuple[int, ...] | None:
        """Return the positions in ascending order, or None for all."""
        if self.positions is None:
            return None
        positions = np.unique(self.positions)
        return None if len(positions) == self.count else tuple(positions.tolist())


_NodeOutputs: TypeAlias = list[list[InputValues]]
"""The values in every output of a node."""


def trace_input_values(graph: Graph) -> Iterator[tuple[Node, list[InputValues]]]:
    """Yield every node with the values of the graph's inputs that it takes."""
    outputs: dict[str, _NodeOutputs] = {each.name: [[_all_values(each)]] for each in graph.inputs}
    for node in graph.nodes:
        values = [value for ref in node.inputs for value in _resolve_ref(outputs, ref)]
        outputs[node.name] = _propagate(node, values)
        yield node, values


def _all_values(graph_input: GraphInput) -> InputValues:
    sizes = [size for size in graph_input.shape if size is not None]
    count = int(np.prod(sizes, dtype=np.int64))
    if len(sizes) < len(graph_input.shape):
        return InputValues(graph_input.name, count, None)
    return InputValues(graph_input.name, count, np.arange(count).reshape(1, *sizes))


def _resolve_ref(outputs: Mapping[str, _NodeOutputs], ref: TensorRef) -> list[InputValues]:
    selected = outputs[ref.node]
    if ref.output is not None:
        selected = selected[ref.output : ref.output + 1]
    return [value for each in selected for value in each]


def _propagate(node: Node, values: list[InputValues]) -> _NodeOutputs:
    arguments = {each.name: to_plain(each.value) for each in node.arguments}
    if node.operation in _REORDERING_OPS:
        return [[_flatten_positions(value) for value in values]]
    if node.operation == "ops.cast" and arguments.get("dtype") != "bool":
        truncated = "int" in str(arguments.get("dtype"))
        return [[replace(each, truncated=each.truncated or truncated) for each in values]]
    if node.operation in _SLICING_OPS and len(values) == 1 and values[0].positions is not None:
        positions_by_output = _output_positions(node.operation, arguments, values[0].positions)
        return [[replace(values[0], positions=positions)] for positions in positions_by_output]
    return []


def _flatten_positions(value: InputValues) -> InputValues:
    positions = value.positions
    return value if positions is None else replace(value, positions=positions.ravel())


def _output_positions(
    operation: str, arguments: Mapping[str, PlainData], positions: _Positions
) -> list[_Positions]:
    """Return the positions in every output, or nothing where they are not known."""
    if positions.ndim < 2:
        return []
    if operation == "ops.slice":
        return [positions[_slice_indices(arguments)[: positions.ndim]]]
    axis = arguments.get("axis", 0)
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


def _slice_indices(arguments: Mapping[str, PlainData]) -> tuple[slice, ...]:
    """Return what `ops.slice` takes of all axes but that of the batch, of which it takes all."""
    starts = [each or 0 for each in _int_list(arguments["start_indices"])]
    slices = [
        slice(start, None if size is None or size < 0 else start + size)
        for start, size in zip(starts, _int_list(arguments["shape"]), strict=False)
    ]
    return slice(None), *slices[1:]


def _int_list(value: PlainData) -> list[int | None]:
    items = value if isinstance(value, list) else []
    return [each if isinstance(each, int) else None for each in items]
