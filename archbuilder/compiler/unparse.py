"""Unparser: writes graphs as the text of a blueprint without parameters, blocks and loops.

Reading the text gives the same graph: the same names, arguments and edges.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Final

from archbuilder.compiler.ir import Graph, Node, TensorRef
from archbuilder.files.array_files import ArrayFile
from archbuilder.plain_data import PlainData, ScalarValue
from archbuilder.yaml.nodes import to_plain

_UNQUOTED_TEXT: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_.]*", re.ASCII)
# Beyond the keywords of YAML 1.2, those of 1.1, so that other readers of the text agree.
_YAML_KEYWORDS: Final = frozenset(["null", "true", "false", "yes", "no", "on", "off", "y", "n"])


def unparse(
    graphs: Mapping[str, Graph],
    *,
    name: str,
    title: str = "",
    array_path: Callable[[ArrayFile], str],
) -> str:
    """Return graphs as the text of a blueprint.

    `array_path` returns the path by which the text names a file of a `Constant`.

    A single graph with the blueprint's name becomes the network of the file; otherwise all graphs
    are written under `networks`.
    """
    lines = ["archbuilder: 1", f"name: {_scalar_to_yaml(name)}"]
    if title:
        # A title has no expressions, so its `$` are not doubled as those of arguments are.
        lines.append(f"title: {json.dumps(title, ensure_ascii=False)}")
    if list(graphs) == [name]:
        lines += _network_lines(graphs[name], array_path)
    else:
        lines.append("networks:")
        for network, graph in graphs.items():
            lines.append(f"  {_scalar_to_yaml(network)}:")
            lines += [f"    {line}" for line in _network_lines(graph, array_path)]
    return "\n".join(lines) + "\n"


def _network_lines(graph: Graph, array_path: Callable[[ArrayFile], str]) -> Iterator[str]:
    yield "inputs:"
    for graph_input in graph.inputs:
        sizes: list[PlainData] = list(graph_input.shape)
        # 'float32' is the default, for which the short form is enough.
        declaration: PlainData = (
            sizes
            if graph_input.dtype == "float32"
            else {"shape": sizes, "dtype": graph_input.dtype}
        )
        yield f"  {_scalar_to_yaml(graph_input.name)}: {to_flow_yaml(declaration)}"
    yield "layers:"
    for node in graph.nodes:
        first, *others = step_to_dict(node, array_path).items()
        yield f"  - {_entry(*first)}"
        for entry in others:
            yield f"    {_entry(*entry)}"
    if not graph.nodes:
        # An output may be an input. Without the empty list, 'layers' would be null.
        yield "  []"
    yield "outputs:"
    for name, ref in graph.outputs:
        yield f"  {_scalar_to_yaml(name)}: {_scalar_to_yaml(str(ref))}"


def _entry(key: str, value: PlainData) -> str:
    # `ReLU:` is a layer without arguments.
    return f"{key}:" if value is None else f"{key}: {to_flow_yaml(value)}"


def step_to_dict(
    node: Node, array_path: Callable[[ArrayFile], str], prefix: str = ""
) -> dict[str, PlainData]:
    """Return the step of a node as plain data; `prefix` is left out of the names of steps.

    A `$` is not doubled yet.
    """
    step: dict[str, PlainData] = {}
    if node.weight_owner is not None:
        step["reuse"] = node.weight_owner.removeprefix(prefix)
    else:
        step[node.operation] = _arguments(node, array_path) or None
    step["name"] = node.name.removeprefix(prefix)
    # The inputs of a step are all positional or all by name, see `expand.inputs`.
    refs: list[PlainData] = [str(ref).removeprefix(prefix) for ref in node.inputs]
    refs_by_name: dict[str, PlainData] = {
        name: str(value).removeprefix(prefix)
        if isinstance(value, TensorRef)
        else [str(ref).removeprefix(prefix) for ref in value]
        for name, value in node.keywords
    }
    # A layer without inputs, such as `Parameter`, takes no `from`.
    if refs or refs_by_name:
        step["from"] = refs_by_name or (refs if len(refs) > 1 else refs[0])
    if node.call_constants:
        step["call"] = {each.name: to_plain(each.value) for each in node.call_constants}
    return step


def _arguments(node: Node, array_path: Callable[[ArrayFile], str]) -> dict[str, PlainData]:
    arguments = {
        each.name: to_plain(each.value) if each.array is None else array_path(each.array)
        for each in node.arguments
    }
    if node.wrapped is not None:
        wrapped = node.wrapped
        arguments[wrapped.argument] = [
            step_to_dict(each, array_path, wrapped.prefix) for each in wrapped.graph.nodes
        ]
    return arguments


def to_flow_yaml(value: PlainData) -> str:
    """Return a value as one line of YAML, in flow style."""
    if isinstance(value, dict):
        return (
            "{"
            + ", ".join(
                f"{_scalar_to_yaml(key)}: {to_flow_yaml(item)}" for key, item in value.items()
            )
            + "}"
        )
    if isinstance(value, list):
        return "[" + ", ".join(to_flow_yaml(item) for item in value) + "]"
    return _scalar_to_yaml(value)


def _scalar_to_yaml(value: ScalarValue) -> str:
    if isinstance(value, str):
        if _UNQUOTED_TEXT.fullmatch(value) and value.lower() not in _YAML_KEYWORDS:
            return value
        # A JSON string is a double-quoted scalar of YAML. `$$` is a literal `$` in a blueprint.
        return json.dumps(value.replace("$", "$$"), ensure_ascii=False)
    return json.dumps(value)
