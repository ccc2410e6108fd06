"""Graphs written by hand, for tests of what stands behind the graph."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from archbuilder.compiler.ir import Argument, Graph, GraphInput, Node, TensorRef
from archbuilder.diagnostics.errors import ExpansionFrame
from archbuilder.diagnostics.span import SourceText, Span
from archbuilder.plain_data import PlainData
from archbuilder.yaml.nodes import from_plain

SOURCE = SourceText("test.yaml", "archbuilder: 1\n")
SPAN = Span(SOURCE, 1, 1, 1, 2)


def arguments(values: Mapping[str, PlainData]) -> tuple[Argument, ...]:
    """Arguments as the expander gives them."""
    return tuple(Argument(name, from_plain(value, SPAN), SPAN) for name, value in values.items())


def ref(text: str) -> TensorRef:
    """`lstm.0` is the first output of `lstm`."""
    name, dot, output = text.rpartition(".")
    return TensorRef(name, int(output)) if dot and output.isdigit() else TensorRef(text)


def step(
    name: str,
    operation: str,
    inputs: str | Sequence[str] = (),
    *,
    line: int = 1,
    keywords: Mapping[str, str | Sequence[str]] | None = None,
    call: Mapping[str, PlainData] | None = None,
    shares: str | None = None,
    frame: ExpansionFrame | None = None,
    **values: PlainData,
) -> Node:
    """A node; `line` is where messages say that it stands."""
    inputs = [inputs] if isinstance(inputs, str) else inputs
    named = tuple(
        (key, ref(value) if isinstance(value, str) else tuple(ref(each) for each in value))
        for key, value in (keywords or {}).items()
    )
    return Node(
        name,
        operation,
        arguments(values),
        tuple(ref(each) for each in inputs),
        named,
        arguments(call or {}),
        shares,
        Span(SOURCE, line, 1, line, 2),
        frame,
    )


def network(
    inputs: Mapping[str, Any],
    *nodes: Node,
    outputs: Mapping[str, str] | None = None,
    name: str = "net",
) -> Graph:
    """A graph; an input is a shape, or a shape and a dtype. The last node is the output."""
    outputs = {"output": nodes[-1].name} if outputs is None else outputs
    specs = {
        key: value if value and isinstance(value[-1], str) else (value, "float32")
        for key, value in inputs.items()
    }
    return Graph(
        name,
        tuple(GraphInput(key, tuple(shape), dtype, SPAN) for key, (shape, dtype) in specs.items()),
        nodes,
        tuple((key, ref(value)) for key, value in outputs.items()),
        SPAN,
    )


def chain(shape: Sequence[int | None], *steps: tuple[str, Mapping[str, PlainData]]) -> Graph:
    """A network of layers one behind the other, named `step0`, `step1` and so on."""
    nodes = []
    previous = "input"
    for index, (operation, values) in enumerate(steps):
        nodes.append(step(f"step{index}", operation, previous, **values))
        previous = nodes[-1].name
    return network({"input": tuple(shape)}, *nodes)
