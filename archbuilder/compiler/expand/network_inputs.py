"""Inputs of networks that an objective names: those of columns, and shapes of random numbers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Literal

from archbuilder.compiler.expand.objective_checks import check_names
from archbuilder.compiler.ir import Argument, Graph, Node
from archbuilder.compiler.objective_ir import NetworkInput
from archbuilder.diagnostics.errors import Diagnostics, closest_match, quote
from archbuilder.language.objective_ast import Reference
from archbuilder.language.objective_operations import INPUT_OF, RANDOM_OPERATIONS
from archbuilder.yaml.nodes import from_plain, to_plain


def resolve_network_input(
    reference: Reference, graphs: Mapping[str, Graph], diagnostics: Diagnostics
) -> NetworkInput | None:
    """Resolve `generator`, or `generator.noise` of several; report an error and return None."""
    resolved = resolve_in_network(reference, "input", graphs, diagnostics)
    if resolved is None:
        return None
    network, name = resolved
    names = [each.name for each in graphs[network].inputs]
    if name is None and len(names) > 1:
        diagnostics.error(
            "unknown-name",
            f"the network {quote(network)} has {len(names)} inputs; select one",
            reference.span,
            notes=(f"for example: {network}.{names[0]}",),
        )
        return None
    return NetworkInput(network, name or names[0])


def resolve_in_network(
    reference: Reference,
    noun: Literal["input", "output"],
    graphs: Mapping[str, Graph],
    diagnostics: Diagnostics,
) -> tuple[str, str | None] | None:
    """Resolve a network, or an input or output of one, as `generator.noise`.

    Returns the two names, of which the second may be missing; reports an error and returns None.
    """
    network, _, name = reference.name.partition(".")
    if network not in graphs:
        check_names([Reference(network, reference.span)], "network", graphs, diagnostics)
        return None
    if network == reference.name:
        return network, None
    graph = graphs[network]
    names = [each.name for each in graph.inputs]
    if noun == "output":
        names = [each for each, _ in graph.outputs]
    if name not in names:
        diagnostics.error(
            "unknown-name" if noun == "input" else "unknown-output",
            f"the network {quote(network)} has no {noun} {quote(name)}",
            reference.span,
            suggestion=closest_match(name, names),
            notes=(f"its {noun}s are: {', '.join(names)}",),
        )
        return None
    return network, name


def with_input_shape(node: Node, graphs: Mapping[str, Graph], diagnostics: Diagnostics) -> Node:
    """Return a node with the shape of the input that its argument `input_of` names."""
    argument = next((each for each in node.arguments if each.name == INPUT_OF), None)
    if argument is None or node.operation not in RANDOM_OPERATIONS:
        return node
    network_input = resolve_network_input(
        Reference(str(to_plain(argument.value)), argument.value.span), graphs, diagnostics
    )
    if network_input is None:
        return node
    inputs = {each.name: each for each in graphs[network_input.network].inputs}
    shape = inputs[network_input.input].shape
    if None in shape:
        diagnostics.error(
            "invalid-choice",
            f"a size is unknown in the shape of the input '{network_input}': {list(shape)}",
            argument.value.span,
            notes=("name a tensor with the shape under 'from', or write a 'shape'",),
        )
    tree = from_plain([*shape], argument.value.span)
    others = [each for each in node.arguments if each.name not in (INPUT_OF, "shape")]
    return replace(node, arguments=(Argument("shape", tree, argument.span), *others))
