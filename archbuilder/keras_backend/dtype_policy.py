"""Builds models that compute in fewer bits than their weights have."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager

import keras

from archbuilder.compiler.ir import Graph


@contextmanager
def dtype_policy_scope(policy: str) -> Iterator[None]:
    """Layers that are made in this context have this policy, where they are given no other."""
    previous_policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(previous_policy)


def cast_outputs_to_float32(graph: Graph, model: keras.Model) -> None:
    """Have a model compute the activations that it ends in with float32.

    Eight bits of a probability near one are no basis for its logarithm. Layers that end in no
    activation, such as logits, stay as they are: losses compute in float32 by themselves.
    """
    for _, ref in graph.outputs:
        node = next((node for node in graph.nodes if node.name == ref.node), None)
        if node is None or node.operation.startswith("ops."):
            continue
        layer = model.get_layer(node.weight_owner or node.name)
        linear = keras.activations.linear
        has_activation = getattr(layer, "activation", linear) is not linear
        if (has_activation or isinstance(layer, keras.layers.Softmax)) and _is_mixed(layer):
            layer.dtype_policy = keras.DTypePolicy("float32")


def cast_indices_to_float32(
    graph: Graph, model: keras.Model, embedding_nodes: Collection[str]
) -> None:
    """Have a model compute the indices into these nodes with float32.

    bfloat16 has the integers up to 256, float16 those up to 2048. Keras (3.15) converts floats to
    them before every layer, even one that only reshapes. The layers before one with weights stay as
    they are: it computes features instead of indices.
    """
    nodes = {node.name: node for node in graph.nodes}
    pending, seen = [*embedding_nodes], set[str]()
    while pending:
        node = nodes.get(pending.pop())
        if node is None or node.name in seen:
            continue
        seen.add(node.name)
        if not node.operation.startswith("ops."):
            layer = model.get_layer(node.weight_owner or node.name)
            if layer.weights and node.name not in embedding_nodes:
                continue
            # An Embedding does not convert its indices, and its vectors may have fewer bits.
            if layer.autocast and _is_mixed(layer):
                layer.dtype_policy = keras.DTypePolicy("float32")
        pending.extend(ref.node for ref in node.inputs)


def _is_mixed(layer: keras.layers.Layer) -> bool:
    return layer.compute_dtype != layer.variable_dtype
