"""Helps tests to write small blueprints and to look at what becomes of them."""

from __future__ import annotations

from pathlib import Path

import archbuilder
from archbuilder.compiler.ir import Graph, Node
from archbuilder.diagnostics.errors import BlueprintError
from archbuilder.yaml.nodes import to_plain

HEADER = "archbuilder: 1\nname: net\n"


def write(folder: Path, text: str, name: str = "net.yaml") -> Path:
    """A file with the text, and with the version and name in front where it has none."""
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text if text.startswith("archbuilder:") else HEADER + text.lstrip("\n"))
    return path


def expand(folder: Path, text: str, **params: object) -> Graph:
    """The graph of the one network of a blueprint."""
    graphs = archbuilder.load(write(folder, text)).graphs(**params)
    (graph,) = graphs.values()
    return graph


def edges(graph: Graph) -> dict[str, list[str]]:
    """What each node reads, by name."""
    return {node.name: [str(ref) for ref in node.input_refs()] for node in graph.nodes}


def arguments(node: Node) -> dict[str, object]:
    """The arguments of a node as plain data."""
    return {argument.name: to_plain(argument.value) for argument in node.arguments}


def error_codes(folder: Path, text: str, **params: object) -> list[str]:
    """The codes of all errors of a blueprint with their places, as 'code line:column'."""
    try:
        archbuilder.load(write(folder, text)).graphs(**params)
    except BlueprintError as error:
        return [
            f"{each.code} {each.span.line}:{each.span.column}" if each.span else each.code
            for each in error.diagnostics
            if each.severity == "error"
        ]
    return []
