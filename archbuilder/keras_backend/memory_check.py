"""Check that a model fits into memory, and can be initialized in time, before it is allocated."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import keras

from archbuilder.compiler.ir import Graph, Node
from archbuilder.diagnostics.errors import Diagnostics
from archbuilder.formatting import format_bytes
from archbuilder.keras_backend.analysis import Analysis, NodeAnalysis
from archbuilder.keras_backend.machine_memory import total_memory
from archbuilder.keras_backend.shape_format import format_shape
from archbuilder.keras_ext.layers.reservoir import Reservoir
from archbuilder.limits import Limits

_MAX_ORTHOGONAL_FLOPS: Final = 10**12
"""Limit for the QR decomposition of one orthogonal initializer: about a minute."""
_MAX_EIG_FLOPS: Final = 10**11
"""Limit for the eigenvalues of one reservoir, as units cubed: about a minute."""


@dataclass(frozen=True, slots=True)
class MemoryLimit:
    """Bytes that may be used: those of an option or, without it, of the machine."""

    num_bytes: int
    is_option: bool

    def __str__(self) -> str:
        size = format_bytes(self.num_bytes)
        if self.is_option:
            return f"the limit memory_bytes allows {size}"
        return f"this machine has {size}"


def memory_limit(limits: Limits) -> MemoryLimit:
    """Return the limit of memory."""
    return MemoryLimit(limits.memory_bytes or total_memory(), bool(limits.memory_bytes))


def check_memory_limit(
    graph: Graph, analysis: Analysis, limits: Limits, diagnostics: Diagnostics
) -> None:
    """Report nodes, or else totals, whose weights or activations exceed the limit of memory.

    It is `memory_bytes` or, if that is 0, the memory of the machine.
    """
    limit = memory_limit(limits)
    limit_bytes = limit.num_bytes
    nodes = {node.name: node for node in graph.nodes}
    tracker = diagnostics.track_errors()
    for node_analysis in analysis.nodes:
        if node_analysis.weight_bytes > limit_bytes:
            description = f"has weights of {format_bytes(node_analysis.weight_bytes)}"
        elif node_analysis.init_peak_bytes > limit_bytes:
            needed = format_bytes(node_analysis.init_peak_bytes)
            description = f"needs up to {needed} while its weights are initialized"
        elif node_analysis.activation_bytes > limit_bytes:
            shapes = ", ".join(format_shape(shape) for shape in node_analysis.shapes)
            needed = format_bytes(node_analysis.activation_bytes)
            description = f"has the output {shapes}, which needs {needed} for one example"
        else:
            continue
        node = nodes[node_analysis.name]
        message = f"'{node_analysis.name}' ({node_analysis.operation}) {description}, but {limit}"
        with diagnostics.within(node.frame):
            diagnostics.error("memory-limit", message, node.span)
    # The totals would only repeat what the errors of single nodes say.
    if not tracker.has_errors():
        _check_totals(graph, analysis, limit, diagnostics)


def check_init_cost(
    node: Node, variable: keras.Variable, initializer: object, diagnostics: Diagnostics
) -> None:
    """Report an initial value that takes too long to compute.

    The work grows with the cube of the size: a matrix that fits into memory may take hours.
    """
    if len(variable.shape) == 0:
        return
    # Keras's Orthogonal flattens all axes but the last, and so makes a matrix.
    *rows, columns = variable.shape
    small_dimension, large_dimension = sorted((math.prod(rows), columns))
    if isinstance(initializer, keras.initializers.Orthogonal) and (
        small_dimension * small_dimension * large_dimension > _MAX_ORTHOGONAL_FLOPS
    ):
        description = f"an orthogonal matrix of {math.prod(rows):,} x {columns:,}, which takes"
        note = "choose another initializer, such as glorot_uniform"
    elif isinstance(initializer, Reservoir) and columns**3 > _MAX_EIG_FLOPS:
        description = f"a reservoir of {columns:,} units, whose eigenvalues take"
        note = "use fewer units, or several reservoirs in parallel"
    else:
        return
    with diagnostics.within(node.frame):
        diagnostics.error(
            "limit-exceeded",
            f"'{node.name}' ({node.operation}) starts with {description} too long to compute",
            node.span,
            notes=(note,),
        )


def check_unrolled(
    node: Node,
    layer: keras.layers.Layer,
    input_shape: Sequence[int | None],
    limits: Limits,
    diagnostics: Diagnostics,
) -> None:
    """Report an unrolled recurrent layer whose sequence is too long or of unknown length.

    Unrolling turns every step into separate operations of the graph. `input_shape` is without the
    batch axis.
    """
    for length in _unrolled_lengths(layer, input_shape):
        if length is None or length > limits.unrolled_steps:
            steps = "an unknown number of" if length is None else f"{length:,}"
            with diagnostics.within(node.frame):
                diagnostics.error(
                    "limit-exceeded",
                    f"'{node.name}' ({node.operation}) unrolls {steps} steps, but"
                    f" {limits.unrolled_steps} are allowed",
                    node.span,
                    notes=("remove 'unroll', or raise it with --limit unrolled_steps=N",),
                )
            return


def _unrolled_lengths(
    layer: keras.layers.Layer, input_shape: Sequence[int | None]
) -> Iterator[int | None]:
    """Yield the length of every sequence that a layer, or one that it wraps, unrolls."""
    if getattr(layer, "unroll", False):
        yield next(iter(input_shape), None)
    # TimeDistributed slices the first axis after that of the batch.
    is_sliced = isinstance(layer, keras.layers.TimeDistributed)
    inner_shape = input_shape[1:] if is_sliced else input_shape
    # `layer` is the attribute of Wrapper; the other two are those of Bidirectional.
    for attribute in ("layer", "forward_layer", "backward_layer"):
        inner = getattr(layer, attribute, None)
        if isinstance(inner, keras.layers.Layer):
            yield from _unrolled_lengths(inner, inner_shape)


def _check_totals(
    graph: Graph, analysis: Analysis, limit: MemoryLimit, diagnostics: Diagnostics
) -> None:
    """Report totals that exceed the limit of memory, with the three largest nodes as notes."""
    sums: tuple[tuple[int, str, Callable[[NodeAnalysis], int]], ...] = (
        (
            analysis.init_peak_bytes,
            "initializing the weights needs",
            lambda node: node.weight_bytes,
        ),
        (
            analysis.peak_activation_bytes,
            "the activations of one example need",
            lambda node: node.activation_bytes,
        ),
    )
    for needed, description, node_bytes in sums:
        if needed > limit.num_bytes:
            largest = sorted(analysis.nodes, key=node_bytes, reverse=True)[:3]
            notes = tuple(
                f"'{node.name}' needs {format_bytes(node_bytes(node))}" for node in largest
            )
            diagnostics.error(
                "memory-limit",
                f"{description} {format_bytes(needed)}, but {limit}",
                graph.span,
                notes=notes,
            )
