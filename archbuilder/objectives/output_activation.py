"""Detect the activation of an output, for losses that depend on it."""

from __future__ import annotations

import keras

from archbuilder.compiler.ir import Graph


def has_final_activation(graph: Graph, model: keras.Model, output: str, activation: str) -> bool:
    """Return whether the last layer before an output has this activation, or is this activation."""
    ref = dict(graph.outputs)[output]
    # No node where the output is an input of the network.
    node = next((node for node in graph.nodes if node.name == ref.node), None)
    if node is None or node.operation.startswith("ops."):
        return node is not None and node.operation == f"ops.{activation}"
    layer = model.get_layer(node.weight_owner or node.name)
    if activation == "softmax" and isinstance(layer, keras.layers.Softmax):
        return True
    return getattr(layer, "activation", None) is keras.activations.get(activation)
