"""What an analysis says: for people as a table, for programs as data.

A person wrote steps and blocks, so that a use of a block can be one row, with the sums of what is
in it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from archbuilder.compiler.ir import Graph, Shape
from archbuilder.diagnostics.errors import ExpansionFrame
from archbuilder.formatting import TableColumn, format_bytes, format_count, format_table, plural
from archbuilder.plain_data import PlainData

if TYPE_CHECKING:
    from archbuilder.keras_backend.analysis import Analysis

SCREEN_ROWS: Final = 40
"""Rows that blocks are written out to where nobody says how deep."""

_COLUMNS: Final = (
    TableColumn("STEP"),
    TableColumn("LAYER OR BLOCK"),
    TableColumn("OUTPUT"),
    TableColumn("PARAMETERS", align_right=True),
    TableColumn("MULTIPLY-ADDS", align_right=True),
    TableColumn("ACTIVATIONS", align_right=True),
)


@dataclass(frozen=True, slots=True)
class _SummaryRow:
    """A layer, or a use of a block; `blocks` are the blocks around it, outermost first."""

    name: str
    operation: str
    blocks: tuple[str, ...]
    shapes: tuple[Shape, ...]
    parameters: int
    multiply_adds: int
    activation_bytes: int


def summary_table(
    analysis: Analysis, graph: Graph, *, depth: int | None = None, expand_blocks: bool = False
) -> list[str]:
    """The lines of a table of the steps of a network.

    Uses of blocks are one row each, except those within fewer than `depth` others (1: none are
    written out); without a depth, as many levels are written out as fit a screen.
    """
    rows = tuple(_rows(analysis, graph))
    visible_rows = (
        rows
        if expand_blocks
        else _collapse(rows, depth)
        if depth is not None
        else _fit_to_screen(rows)
    )
    return format_table(_COLUMNS, [_cells(row) for row in visible_rows])


def format_totals(analysis: Analysis) -> str:
    """The sums of a network in a few lines."""
    trainable = analysis.trainable_parameters
    trainable_note = (
        "" if trainable == analysis.parameters else f" ({format_count(trainable)} trainable)"
    )
    size_note = "" if analysis.is_static else ", open lengths counted as 1"
    shapes = [
        f"{name} {format_shape(spec.shape)}{'' if spec.dtype == 'float32' else f' {spec.dtype}'}"
        for name, spec in analysis.inputs.items()
    ]
    outputs = [f"{name} {format_shape(shape)}" for name, shape in analysis.outputs.items()]
    lines = {
        "network": f"{analysis.name}, {plural(len(analysis.nodes), 'layer')}",
        "inputs": ", ".join(shapes),
        "outputs": ", ".join(outputs),
        "parameters": f"{format_count(analysis.parameters)}{trainable_note},"
        f" {format_bytes(analysis.weight_bytes)}",
        "multiply-adds": f"{format_count(analysis.multiply_adds)} an example{size_note}",
        "activations": f"{format_bytes(analysis.activation_bytes)} an example in training, "
        f"{format_bytes(analysis.peak_activation_bytes)} in inference{size_note}",
    }
    width = max(map(len, lines))
    return "\n".join(f"{key:{width}}  {text}" for key, text in lines.items())


def to_dict(analysis: Analysis) -> dict[str, PlainData]:
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
        "exact": analysis.is_static,
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


def format_shape(shape: Shape) -> str:
    """A shape as people write it: `28x28x1`, with `?` for a length left open."""
    return "x".join("?" if each is None else str(each) for each in shape) or "one number"


def _rows(analysis: Analysis, graph: Graph) -> Iterator[_SummaryRow]:
    for node, node_analysis in zip(graph.nodes, analysis.nodes, strict=True):
        frames = () if node.frame is None else tuple(node.frame.chain())
        yield _SummaryRow(
            name=node.name,
            operation=node.operation if node.weight_owner is None else f"{node.operation} (shared)",
            blocks=tuple(_block_name(frame) for frame in reversed(frames)),
            shapes=node_analysis.shapes,
            parameters=node_analysis.parameters,
            multiply_adds=node_analysis.multiply_adds,
            activation_bytes=node_analysis.activation_bytes,
        )


def _block_name(frame: ExpansionFrame) -> str:
    return frame.text.removeprefix("in block ").strip("'")


def _fit_to_screen(rows: Sequence[_SummaryRow]) -> Sequence[_SummaryRow]:
    """The rows with blocks written out as deep as a screen allows."""
    collapsed = _collapse(rows, 1)
    for depth in range(2, max((len(row.blocks) for row in rows), default=0) + 2):
        deeper = _collapse(rows, depth)
        if len(deeper) > SCREEN_ROWS:
            break
        collapsed = deeper
    return collapsed


def _collapse(rows: Iterable[_SummaryRow], depth: int) -> Sequence[_SummaryRow]:
    """The rows with those within `depth` blocks or more as one row for each use of the block."""
    groups: dict[str, list[_SummaryRow]] = {}
    for row in rows:
        # The path of a layer has one name for each block around it.
        is_nested = len(row.blocks) >= depth
        key = ".".join(row.name.split(".")[:depth]) if is_nested else row.name
        groups.setdefault(key, []).append(row)
    return [
        _sum_rows(name, group, depth) if len(group[0].blocks) >= depth else group[0]
        for name, group in groups.items()
    ]


def _sum_rows(name: str, rows: Sequence[_SummaryRow], depth: int) -> _SummaryRow:
    return _SummaryRow(
        name=name,
        operation=rows[0].blocks[depth - 1],
        blocks=rows[0].blocks[: depth - 1],
        shapes=rows[-1].shapes,
        parameters=sum(row.parameters for row in rows),
        multiply_adds=sum(row.multiply_adds for row in rows),
        activation_bytes=sum(row.activation_bytes for row in rows),
    )


def _cells(row: _SummaryRow) -> tuple[str, ...]:
    return (
        row.name,
        row.operation,
        ", ".join(format_shape(shape) for shape in row.shapes),
        format_count(row.parameters),
        format_count(row.multiply_adds),
        format_bytes(row.activation_bytes),
    )
