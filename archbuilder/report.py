"""What an analysis says: for people as a table, for programs as data.

A person wrote steps and blocks, so that a use of a block can be one row, with the sums of what is
in it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from archbuilder.errors import Frame
from archbuilder.graph import Graph, Shape
from archbuilder.tables import Column, count, plural, size, table
from archbuilder.tree import Plain

if TYPE_CHECKING:
    from archbuilder.backend.analysis import Analysis

SCREEN: Final = 40
"""Rows that blocks are written out to where nobody says how deep."""

_COLUMNS: Final = (
    Column("STEP"),
    Column("LAYER OR BLOCK"),
    Column("OUTPUT"),
    Column("PARAMETERS", right=True),
    Column("MULTIPLY-ADDS", right=True),
    Column("ACTIVATIONS", right=True),
)


@dataclass(frozen=True, slots=True)
class _Row:
    """A layer, or a use of a block; `blocks` are the blocks around it, outermost first."""

    name: str
    operation: str
    blocks: tuple[str, ...]
    shapes: tuple[Shape, ...]
    parameters: int
    multiply_adds: int
    activation_bytes: int


def step_table(
    analysis: Analysis, graph: Graph, *, depth: int | None = None, unfold: bool = False
) -> list[str]:
    """The lines of a table of the steps of a network.

    Uses of blocks are one row each, except those within fewer than `depth` others (1: none are
    written out); without a depth, as many levels are written out as fit a screen.
    """
    rows = tuple(_rows(analysis, graph))
    shown = rows if unfold else _folded(rows, depth) if depth is not None else _fitting(rows)
    return table(_COLUMNS, [_cells(row) for row in shown])


def overview(analysis: Analysis) -> str:
    """The sums of a network in a few lines."""
    trainable = analysis.trainable_parameters
    frozen = "" if trainable == analysis.parameters else f" ({count(trainable)} trainable)"
    about = "" if analysis.exact else ", open lengths counted as 1"
    shapes = [
        f"{name} {shape_text(spec.shape)}{'' if spec.dtype == 'float32' else f' {spec.dtype}'}"
        for name, spec in analysis.inputs.items()
    ]
    outputs = [f"{name} {shape_text(shape)}" for name, shape in analysis.outputs.items()]
    lines = {
        "network": f"{analysis.name}, {plural(len(analysis.nodes), 'layer')}",
        "inputs": ", ".join(shapes),
        "outputs": ", ".join(outputs),
        "parameters": f"{count(analysis.parameters)}{frozen}, {size(analysis.weight_bytes)}",
        "multiply-adds": f"{count(analysis.multiply_adds)} an example{about}",
        "activations": f"{size(analysis.activation_bytes)} an example in training, "
        f"{size(analysis.peak_activation_bytes)} in inference{about}",
    }
    width = max(map(len, lines))
    return "\n".join(f"{key:{width}}  {text}" for key, text in lines.items())


def as_data(analysis: Analysis) -> dict[str, Plain]:
    """Everything of an analysis as plain data; shapes come without the batch axis."""
    return {
        "name": analysis.name,
        "inputs": {
            name: {"shape": list(spec.shape), "dtype": spec.dtype}
            for name, spec in analysis.inputs.items()
        },
        "outputs": {name: list(shape) for name, shape in analysis.outputs.items()},
        "parameters": analysis.parameters,
        "trainable_parameters": analysis.trainable_parameters,
        "multiply_adds": analysis.multiply_adds,
        "weight_bytes": analysis.weight_bytes,
        "activation_bytes": analysis.activation_bytes,
        "peak_activation_bytes": analysis.peak_activation_bytes,
        "exact": analysis.exact,
        "steps": [
            {
                "name": node.name,
                "operation": node.operation,
                "outputs": [list(shape) for shape in node.shapes],
                "parameters": node.parameters,
                "trainable_parameters": node.trainable_parameters,
                "multiply_adds": node.multiply_adds,
                "activation_bytes": node.activation_bytes,
            }
            for node in analysis.nodes
        ],
    }


def shape_text(shape: Shape) -> str:
    """A shape as people write it: `28x28x1`, with `?` for a length left open."""
    return "x".join("?" if each is None else str(each) for each in shape) or "one number"


def _rows(analysis: Analysis, graph: Graph) -> Iterator[_Row]:
    for node, done in zip(graph.nodes, analysis.nodes, strict=True):
        frames = () if node.frame is None else tuple(node.frame.chain())
        yield _Row(
            name=node.name,
            operation=node.operation if node.shares is None else f"{node.operation} (shared)",
            blocks=tuple(_block_name(frame) for frame in reversed(frames)),
            shapes=done.shapes,
            parameters=done.parameters,
            multiply_adds=done.multiply_adds,
            activation_bytes=done.activation_bytes,
        )


def _block_name(frame: Frame) -> str:
    return frame.text.removeprefix("in block ").strip("'")


def _fitting(rows: Sequence[_Row]) -> Sequence[_Row]:
    """The rows with blocks written out as deep as a screen allows."""
    fitting = _folded(rows, 1)
    for depth in range(2, max((len(row.blocks) for row in rows), default=0) + 2):
        deeper = _folded(rows, depth)
        if len(deeper) > SCREEN:
            break
        fitting = deeper
    return fitting


def _folded(rows: Iterable[_Row], depth: int) -> Sequence[_Row]:
    """The rows with those within `depth` blocks or more as one row for each use of the block."""
    groups: dict[str, list[_Row]] = {}
    for row in rows:
        # The path of a layer has one name for each block around it.
        inside = len(row.blocks) >= depth
        key = ".".join(row.name.split(".")[:depth]) if inside else row.name
        groups.setdefault(key, []).append(row)
    return [
        _sum(name, group, depth) if len(group[0].blocks) >= depth else group[0]
        for name, group in groups.items()
    ]


def _sum(name: str, rows: Sequence[_Row], depth: int) -> _Row:
    return _Row(
        name=name,
        operation=rows[0].blocks[depth - 1],
        blocks=rows[0].blocks[: depth - 1],
        shapes=rows[-1].shapes,
        parameters=sum(row.parameters for row in rows),
        multiply_adds=sum(row.multiply_adds for row in rows),
        activation_bytes=sum(row.activation_bytes for row in rows),
    )


def _cells(row: _Row) -> tuple[str, ...]:
    return (
        row.name,
        row.operation,
        ", ".join(shape_text(shape) for shape in row.shapes),
        count(row.parameters),
        count(row.multiply_adds),
        size(row.activation_bytes),
    )
