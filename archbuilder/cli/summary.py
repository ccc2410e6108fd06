"""Output of a network analysis, as a table or as plain data.

In a table, a use of a block can be one row, with the sums over its layers.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from archbuilder.compiler.ir import Graph, Node, Shape
from archbuilder.formatting import TableColumn, format_bytes, format_count, format_table, plural
from archbuilder.plain_data import PlainData

if TYPE_CHECKING:
    from archbuilder.keras_backend.analysis import Analysis, NodeAnalysis

SCREEN_ROWS: Final = 40
"""Row limit when `--depth` is not given."""

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
    """A layer, or a use of a block."""

    name: str
    operation: str
    """The layer's class, or the block's name."""
    blocks: tuple[str, ...]
    """Names of the enclosing blocks, outermost first."""
    shapes: tuple[Shape, ...]
    parameters: int
    multiply_adds: int
    activation_bytes: int


def summary_table(
    analysis: Analysis, graph: Graph, depth: int | Literal["all"] | None = None
) -> list[str]:
    """Format the steps of a network as the lines of a table.

    Args:
        analysis: the analysis of the network.
        graph: the graph of the network, which has the blocks around each layer.
        depth: the level at which uses of blocks become one row each; 1 expands no block. If
            `"all"`, every layer has a row. If None, the largest level at which the table has at
            most `SCREEN_ROWS` rows.
    """
    rows = tuple(_rows(analysis, graph))
    visible_rows: Sequence[_SummaryRow] = rows
    if isinstance(depth, int):
        visible_rows = _collapse(rows, depth)
    elif depth is None:
        visible_rows = _collapse(rows, 1)
        # One level below the deepest block, nothing is collapsed any more.
        for level in range(2, max((len(row.blocks) for row in rows), default=0) + 2):
            deeper = _collapse(rows, level)
            if len(deeper) > SCREEN_ROWS:
                break
            visible_rows = deeper
    cells = [
        (
            row.name,
            row.operation,
            ", ".join(format_shape(shape) for shape in row.shapes),
            format_count(row.parameters),
            format_count(row.multiply_adds),
            format_bytes(row.activation_bytes),
        )
        for row in visible_rows
    ]
    return format_table(_COLUMNS, cells)


def format_totals(analysis: Analysis) -> str:
    """Format the totals of a network in a few lines."""
    trainable = analysis.trainable_parameters
    trainable_note = (
        "" if trainable == analysis.parameters else f" ({format_count(trainable)} trainable)"
    )
    size_note = "" if analysis.is_static else ", unknown dimensions counted as 1"
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
        "multiply-adds": f"{format_count(analysis.multiply_adds)} per example{size_note}",
        "activations": f"{format_bytes(analysis.activation_bytes)} per example in training, "
        f"{format_bytes(analysis.peak_activation_bytes)} in inference{size_note}",
    }
    width = max(map(len, lines))
    return "\n".join(f"{key:{width}}  {text}" for key, text in lines.items())


def analysis_to_dict(analysis: Analysis) -> dict[str, PlainData]:
    """Convert an analysis into plain data; shapes have no batch axis."""
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
        "static_shapes": analysis.is_static,
        "steps": [_node_to_dict(node) for node in analysis.nodes],
    }


def _node_to_dict(node: NodeAnalysis) -> dict[str, PlainData]:
    """Convert the analysis of a node; `layers` are those of the block that it wraps."""
    data: dict[str, PlainData] = {
        "name": node.name,
        "operation": node.operation,
        "outputs": [list(shape) for shape in node.shapes],
        "parameters": node.parameters,
        "trainable_parameters": node.trainable_parameters,
        "multiply_adds": node.multiply_adds,
        "activation_bytes": node.activation_bytes,
    }
    if node.layers:
        data["layers"] = [_node_to_dict(each) for each in node.layers]
    return data


def format_shape(shape: Shape) -> str:
    """Format a shape as `28x28x1`, with `?` for an unknown dimension."""
    return "x".join("?" if each is None else str(each) for each in shape) or "scalar"


def _rows(analysis: Analysis, graph: Graph) -> Iterator[_SummaryRow]:
    for node, node_analysis in zip(graph.nodes, analysis.nodes, strict=True):
        yield from _node_rows(node, node_analysis, (), 1)


def _node_rows(
    node: Node, node_analysis: NodeAnalysis, wrappers: tuple[tuple[int, str], ...], steps: int
) -> Iterator[_SummaryRow]:
    """Yield the row of a node, after those of the block that it wraps.

    `wrappers` are the layers around the node that wrap blocks, each with the number of the blocks
    around it. All counts are those of `steps` calls of the node.
    """
    frames = () if node.frame is None else node.frame.chain()
    blocks = [frame.name for frame in frames if frame.kind == "block"][::-1]
    layers = node_analysis.layers
    if node.wrapped is not None:
        inner_wrappers = (*wrappers, (len(blocks), node.operation))
        inner_steps = steps * node_analysis.steps
        for inner, inner_analysis in zip(node.wrapped.graph.nodes, layers, strict=True):
            yield from _node_rows(inner, inner_analysis, inner_wrappers, inner_steps)
    # In paths, a layer that wraps a block is a level as a block is.
    for count, operation in reversed(wrappers):
        blocks.insert(count, operation)
    inner_cost = node_analysis.steps * sum(each.multiply_adds for each in layers)
    inner_bytes = node_analysis.steps * sum(each.activation_bytes for each in layers)
    yield _SummaryRow(
        name=node.name,
        operation=node.operation if node.weight_owner is None else f"{node.operation} (shared)",
        blocks=tuple(blocks),
        shapes=node_analysis.shapes,
        parameters=node_analysis.parameters - sum(each.parameters for each in layers),
        multiply_adds=steps * (node_analysis.multiply_adds - inner_cost),
        activation_bytes=steps * (node_analysis.activation_bytes - inner_bytes),
    )


def _collapse(rows: Iterable[_SummaryRow], depth: int) -> Sequence[_SummaryRow]:
    """Replace the layers of each use of a block at the given depth by one row with their sums."""
    groups: dict[str, list[_SummaryRow]] = {}
    for row in rows:
        # The name of a layer is a path with one component per enclosing block.
        is_nested = len(row.blocks) >= depth
        key = ".".join(row.name.split(".")[:depth]) if is_nested else row.name
        groups.setdefault(key, []).append(row)
    return [
        _SummaryRow(
            name=name,
            operation=group[0].blocks[depth - 1],
            blocks=group[0].blocks[: depth - 1],
            # A block usually ends with the layer that gives its output.
            shapes=group[-1].shapes,
            parameters=sum(row.parameters for row in group),
            multiply_adds=sum(row.multiply_adds for row in group),
            activation_bytes=sum(row.activation_bytes for row in group),
        )
        if len(group[0].blocks) >= depth
        else group[0]
        for name, group in groups.items()
    ]
