"""Dtype policies of models that compute in fewer bits than their weights have."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager

import keras

from archbuilder.compiler.ir import Graph


@contextmanager
def dtype_policy_scope(policy: str) -> Iterator[None]:
    """Make this the default dtype policy of all layers created in the context."""
    previous_policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(previous_policy)


def cast_outputs_to_float32(graph: Graph, model: keras.Model) -> None:
    """Let the output layers of a mixed-precision model compute in float32.

    The 8 significant bits of bfloat16 are too few for the logarithm of a probability near 1.
    Output layers without an activation (logits) keep their policy: losses use float32 anyway.
    """
    for _, ref in graph.outputs:
        node = next((node for node in graph.nodes if node.name == ref.node), None)
        if node is None or node.operation.startswith("ops."):
            continue
        layer = model.get_layer(node.weight_owner or node.name)
        # Keras replaces `activation: null` with `linear`.
        linear = keras.activations.linear
        has_activation = getattr(layer, "activation", linear) is not linear
        if (has_activation or isinstance(layer, keras.layers.Softmax)) and _is_mixed(layer):
            layer.dtype_policy = keras.DTypePolicy("float32")


def cast_indices_to_float32(
    graph: Graph, model: keras.Model, embedding_nodes: Collection[str]
) -> None:
    """Let all layers between the inputs of a model and its embeddings compute in float32.

    bfloat16 holds integers exactly up to 256, float16 up to 2048. Keras (3.15) casts float inputs
    to the compute dtype before every layer, even one that only reshapes, so large indices would
    become those of another row. The search upwards ends at layers with weights: what they compute
    are features, not indices.
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
            # Keras sets `autocast = False` on Embedding itself: it does not cast its indices, and
            # its vectors should stay in half precision.
            if layer.autocast and _is_mixed(layer):
                layer.dtype_policy = keras.DTypePolicy("float32")
        pending.extend(ref.node for ref in node.inputs)


def _is_mixed(layer: keras.layers.Layer) -> bool:
    return layer.compute_dtype != layer.variable_dtype
