"""Graph -> blueprint text: what is left when everything is resolved, as a blueprint again.

Reading the text gives the same graph: the same names, arguments and wiring.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Final

from archbuilder.graph import Argument, Graph, GraphInput, Node, Ref
from archbuilder.tree import Atom, Plain, plain

_BARE: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_.]*", re.ASCII)
_WORDS: Final = frozenset(["null", "true", "false", "yes", "no", "on", "off", "y", "n"])


def encode(graphs: Mapping[str, Graph], *, name: str, title: str = "") -> str:
    """The text of a blueprint that has no parameters, blocks or loops left.

    `graphs` are one network under the blueprint's name, or several, which then stand under
    `networks`.
    """
    lines = ["archbuilder: 1", f"name: {name}"]
    if title:
        lines.append(f"title: {json.dumps(title, ensure_ascii=False)}")
    if list(graphs) == [name]:
        lines += _network(graphs[name])
    else:
        lines.append("networks:")
        for network, graph in graphs.items():
            lines.append(f"  {network}:")
            lines += [f"    {line}" for line in _network(graph)]
    return "\n".join(lines) + "\n"


def _network(graph: Graph) -> Iterator[str]:
    yield "inputs:"
    for graph_input in graph.inputs:
        yield f"  {graph_input.name}: {_input(graph_input)}"
    yield "layers:"
    operations = {node.name: node for node in graph.nodes}
    for node in graph.nodes:
        yield f"  - {_body(node)}"
        yield f"    name: {node.name}"
        yield f"    from: {_sources(node)}"
        if node.call:
            yield f"    call: {_arguments(node.call)}"
    if not operations:
        yield "  []"
    yield "outputs:"
    for name, ref in graph.outputs:
        yield f"  {name}: {ref}"


def _input(graph_input: GraphInput) -> str:
    sizes: list[Plain] = list(graph_input.shape)
    if graph_input.dtype == "float32":
        return flow(sizes)
    return flow({"shape": sizes, "dtype": graph_input.dtype})


def _body(node: Node) -> str:
    if node.shares is not None:
        return f"use: {node.shares}"
    if not node.arguments:
        return f"{node.operation}:"
    return f"{node.operation}: {_arguments(node.arguments)}"


def _arguments(arguments: tuple[Argument, ...]) -> str:
    return flow({argument.name: plain(argument.value) for argument in arguments})


def _sources(node: Node) -> str:
    if not node.keywords:
        refs: list[Plain] = [str(ref) for ref in node.inputs]
        return flow(refs if len(refs) > 1 else refs[0])
    return flow({name: _refs(value) for name, value in node.keywords})


def _refs(value: Ref | tuple[Ref, ...]) -> Plain:
    return str(value) if isinstance(value, Ref) else [str(ref) for ref in value]


def flow(value: Plain) -> str:
    """A value on one line of YAML."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_scalar(key)}: {flow(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(flow(item) for item in value) + "]"
    return _scalar(value)


def _scalar(value: Atom) -> str:
    if isinstance(value, str):
        if _BARE.fullmatch(value) and value.lower() not in _WORDS:
            return value
        return json.dumps(value.replace("$", "$$"), ensure_ascii=False)
    return json.dumps(value)
