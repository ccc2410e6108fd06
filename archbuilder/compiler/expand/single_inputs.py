"""Warnings about merging layers that have only one tensor to merge."""

from __future__ import annotations

from archbuilder import registry
from archbuilder.compiler.ir import Graph, Node
from archbuilder.diagnostics.errors import Diagnostics
from archbuilder.registry.signatures import ALWAYS, Signature
from archbuilder.yaml.nodes import ScalarNode


def warn_single_inputs(graph: Graph, diagnostics: Diagnostics) -> None:
    """Warn about layers such as `Add` and `Concatenate` whose only input is a single tensor.

    They return it unchanged. A layer or function that may have several outputs is enough, because
    their number may depend on a parameter.
    """
    signatures = registry.load()
    nodes = {node.name: node for node in graph.nodes}
    for node in graph.nodes:
        signature = signatures.signature(node.operation)
        if signature is None or len(node.inputs) != 1 or not _is_merge(signature):
            continue
        (ref,) = node.inputs
        source = nodes.get(ref.node)
        if ref.output is None and source is not None and _may_have_several_outputs(source):
            continue
        with diagnostics.within(node.frame):
            diagnostics.warning(
                "single-input",
                # Without the name of the input, so that iterations of a loop do not differ.
                f"this {node.operation} has only one input, which it returns unchanged",
                node.span,
                notes=("list all inputs: from: [a, b]; or remove this step",),
            )


def _is_merge(signature: Signature) -> bool:
    is_layer_of_lists = signature.accepts_list and signature.origin == "keras.layers"
    # Layers that need two inputs, such as Subtract, are errors of `keras_backend`.
    return is_layer_of_lists and signature.min_inputs == 1


def _may_have_several_outputs(node: Node) -> bool:
    signature = registry.load().signature(node.operation)
    if signature is None or signature.several_outputs == ALWAYS:
        return True
    return any(
        argument.name == signature.several_outputs
        and not (isinstance(argument.value, ScalarNode) and argument.value.value is False)
        for argument in (*node.arguments, *node.call_constants)
    )
