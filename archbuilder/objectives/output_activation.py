"""The activation of an output: whether the network has it, or the loss implies it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import keras
import tensorflow as tf

from archbuilder.compiler.ir import Graph
from archbuilder.compiler.keras_object import KerasObject
from archbuilder.config.loss_traits import traits_of
from archbuilder.keras_backend.instantiate import build_object

Activation: TypeAlias = Callable[[tf.Tensor], tf.Tensor]


def as_float32(values: tf.Tensor) -> tf.Tensor:
    """Return values in the precision of predictions."""
    return tf.cast(values, tf.float32)


def output_activation(
    loss: KerasObject | None, graph: Graph, model: keras.Model, output: str
) -> Activation:
    """Return the function that turns the logits of an output, if they are, into probabilities."""
    traits = traits_of(loss)
    if loss is None or not getattr(build_object(loss), "from_logits", False):
        return as_float32
    if traits.activation is None:
        return as_float32
    if traits.skips_activation and has_final_activation(graph, model, output, traits.activation):
        return as_float32
    activation = tf.nn.softmax if traits.activation == "softmax" else tf.sigmoid
    return lambda values: activation(as_float32(values))


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
