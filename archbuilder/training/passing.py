"""Which values of its inputs a graph passes on unchanged, and to which nodes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from archbuilder.graph import Graph, GraphInput, Node, Ref
from archbuilder.tree import Plain, plain

_REARRANGING: Final = frozenset(
    (
        *("Concatenate", "Flatten", "Identity", "Permute", "RepeatVector", "Reshape"),
        *("ops.broadcast_to", "ops.concatenate", "ops.copy", "ops.expand_dims", "ops.flip"),
        *("ops.hstack", "ops.moveaxis", "ops.repeat", "ops.reshape", "ops.roll", "ops.squeeze"),
        *("ops.stack", "ops.swapaxes", "ops.tile", "ops.transpose", "ops.vstack"),
    )
)
"""Operations that pass on every value of what they take, and change none."""
_CUTTING: Final = frozenset(("ops.slice", "ops.split", "ops.take", "ops.unstack"))
"""Operations that pass on some of the values, and change none."""

_Positions: TypeAlias = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Values:
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


_Outputs: TypeAlias = list[list[Values]]
"""The values in every output of a node."""


def passed_on(graph: Graph) -> Iterator[tuple[Node, list[Values]]]:
    """Yield every node with the values of the graph's inputs that it takes."""
    outputs: dict[str, _Outputs] = {each.name: [[_all_of(each)]] for each in graph.inputs}
    for node in graph.nodes:
        values = [value for ref in node.inputs for value in _read(outputs, ref)]
        outputs[node.name] = _outputs(node, values)
        yield node, values


def _all_of(graph_input: GraphInput) -> Values:
    sizes = [size for size in graph_input.shape if size is not None]
    count = int(np.prod(sizes, dtype=np.int64))
    if len(sizes) < len(graph_input.shape):
        return Values(graph_input.name, count, None)
    return Values(graph_input.name, count, np.arange(count).reshape(1, *sizes))


def _read(outputs: Mapping[str, _Outputs], ref: Ref) -> list[Values]:
    every = outputs[ref.node]
    if ref.output is not None:
        every = every[ref.output : ref.output + 1]
    return [value for each in every for value in each]


def _outputs(node: Node, values: list[Values]) -> _Outputs:
    arguments = {each.name: plain(each.value) for each in node.arguments}
    if node.operation in _REARRANGING:
        return [[_rearranged(value) for value in values]]
    if node.operation == "ops.cast" and arguments.get("dtype") != "bool":
        to_integers = "int" in str(arguments.get("dtype"))
        return [[replace(each, truncated=each.truncated or to_integers) for each in values]]
    if node.operation in _CUTTING and len(values) == 1 and values[0].positions is not None:
        parts = _parts(node.operation, arguments, values[0].positions)
        return [[replace(values[0], positions=part)] for part in parts]
    return []


def _rearranged(value: Values) -> Values:
    positions = value.positions
    return value if positions is None else replace(value, positions=positions.ravel())


def _parts(
    operation: str, arguments: Mapping[str, Plain], positions: _Positions
) -> list[_Positions]:
    """Return the positions in every output, or nothing where they are not known."""
    if positions.ndim < 2:
        return []
    if operation == "ops.slice":
        return [positions[_window(arguments)[: positions.ndim]]]
    axis = arguments.get("axis", 0)
    if not isinstance(axis, int) or not -positions.ndim < axis < positions.ndim or axis == 0:
        return []
    size = positions.shape[axis]
    along = np.moveaxis(positions, axis, 0)
    if operation == "ops.unstack":
        return [*along]
    if operation == "ops.take":
        index = arguments.get("indices")
        return [along[index]] if isinstance(index, int) and -size <= index < size else []
    sections = arguments.get("indices_or_sections")
    if not isinstance(sections, int):
        return np.split(positions, [each or 0 for each in _sizes(sections)], axis)
    return [] if size % sections else np.split(positions, sections, axis)


def _window(arguments: Mapping[str, Plain]) -> tuple[slice, ...]:
    """Return what `ops.slice` takes of all axes but that of the batch, of which it takes all."""
    starts = [each or 0 for each in _sizes(arguments["start_indices"])]
    windows = [
        slice(start, None if size is None or size < 0 else start + size)
        for start, size in zip(starts, _sizes(arguments["shape"]), strict=False)
    ]
    return slice(None), *windows[1:]


def _sizes(value: Plain) -> list[int | None]:
    items = value if isinstance(value, list) else []
    return [each if isinstance(each, int) else None for each in items]
