"""Refuses models that would not fit into memory, before any of it is taken."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Final

import keras

from archbuilder.backend.analysis import Analysis, NodeAnalysis
from archbuilder.backend.memory import machine_bytes
from archbuilder.backend.shapes import shape_text
from archbuilder.errors import Diagnostics
from archbuilder.graph import Graph, Node
from archbuilder.layers.reservoir import Reservoir
from archbuilder.limits import Limits
from archbuilder.tables import size

_ORTHOGONAL_WORK: Final = 10**12
"""Operations that making one matrix orthogonal may take: about a minute."""
_EIGENVALUE_WORK: Final = 10**11
"""The cube of the units that a reservoir may have: as many as take about a minute."""


def check_budget(
    graph: Graph, analysis: Analysis, limits: Limits, diagnostics: Diagnostics
) -> None:
    """Report the nodes whose weights or activations go beyond what may be taken."""
    allowed = limits.memory_bytes or machine_bytes()
    has = (
        f"the limit memory_bytes allows {size(allowed)}"
        if limits.memory_bytes
        else f"this machine has {size(allowed)}"
    )
    nodes = {node.name: node for node in graph.nodes}
    errors = diagnostics.error_count
    for each in analysis.nodes:
        need = _too_large(each, allowed)
        if need:
            node = nodes[each.name]
            with diagnostics.inside(node.frame):
                diagnostics.error(
                    "too-large", f"'{each.name}' ({each.operation}) {need}, but {has}", node.span
                )
    if diagnostics.error_count == errors:
        _check_sums(graph, analysis, allowed, has, diagnostics)


def check_work(
    node: Node, variable: keras.Variable, initializer: object, diagnostics: Diagnostics
) -> None:
    """Report a matrix that is to begin with numbers that take too long to compute.

    The work grows with the cube of the size: a matrix that fits into memory may take hours.
    """
    if len(variable.shape) == 0:
        return
    *rows, columns = variable.shape
    short, long = sorted((math.prod(rows), columns))
    if isinstance(initializer, keras.initializers.Orthogonal) and (
        short * short * long > _ORTHOGONAL_WORK
    ):
        what = f"an orthogonal matrix of {math.prod(rows):,} x {columns:,}, which takes"
        note = "choose another initializer, such as glorot_uniform"
    elif isinstance(initializer, Reservoir) and columns**3 > _EIGENVALUE_WORK:
        what = f"a reservoir of {columns:,} units, whose eigenvalues take"
        note = "take fewer units, or several reservoirs side by side"
    else:
        return
    with diagnostics.inside(node.frame):
        diagnostics.error(
            "too-large",
            f"'{node.name}' ({node.operation}) begins with {what} too long to compute",
            node.span,
            notes=(note,),
        )


def check_unrolled(
    node: Node,
    layer: keras.layers.Layer,
    length: int | None,
    limits: Limits,
    diagnostics: Diagnostics,
) -> None:
    """Report a recurrent layer that would write out more steps than a compiler takes well."""
    wrapped = (layer, getattr(layer, "forward_layer", None), getattr(layer, "layer", None))
    unrolled = any(getattr(each, "unroll", False) for each in wrapped)
    if unrolled and (length is None or length > limits.unrolled_steps):
        steps = "an open number of" if length is None else f"{length:,}"
        with diagnostics.inside(node.frame):
            diagnostics.error(
                "limit",
                f"'{node.name}' ({node.operation}) writes out {steps} steps, and"
                f" {limits.unrolled_steps} are allowed",
                node.span,
                notes=("without 'unroll' it loops; or raise it with the limit 'unrolled_steps'",),
            )


def _too_large(node: NodeAnalysis, allowed: int) -> str:
    """What a node needs that is more than is allowed, empty where it needs less."""
    if node.weight_bytes > allowed:
        return f"has weights of {size(node.weight_bytes)}"
    if node.build_bytes > allowed:
        return f"takes up to {size(node.build_bytes)} while its weights are made"
    if node.activation_bytes > allowed:
        shapes = ", ".join(shape_text(shape) for shape in node.shapes)
        return f"makes {shapes}, which takes {size(node.activation_bytes)} for one example"
    return ""


def _check_sums(
    graph: Graph, analysis: Analysis, allowed: int, has: str, diagnostics: Diagnostics
) -> None:
    sums: tuple[tuple[int, str, Callable[[NodeAnalysis], int]], ...] = (
        (analysis.build_bytes, "making the weights takes", lambda node: node.weight_bytes),
        (
            analysis.peak_activation_bytes,
            "the activations of one example take",
            lambda node: node.activation_bytes,
        ),
    )
    for needed, what, weigh in sums:
        if needed > allowed:
            largest = sorted(analysis.nodes, key=weigh, reverse=True)[:3]
            notes = tuple(f"'{node.name}' takes {size(weigh(node))}" for node in largest)
            diagnostics.error(
                "too-large", f"{what} {size(needed)}, but {has}", graph.span, notes=notes
            )
