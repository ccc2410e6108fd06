"""The activation of an output: whether the network has it, or the loss implies it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Final, TypeAlias

import keras
import tensorflow as tf

from archbuilder.compiler.ir import Graph
from archbuilder.compiler.keras_object import KerasObject
from archbuilder.config.loss_traits import LOSS_TRAITS, LossTraits, traits_of
from archbuilder.keras_backend.instantiate import build_object

Activation: TypeAlias = Callable[[tf.Tensor], tf.Tensor]
_MOVES: Final = frozenset({"Flatten", "Identity", "Permute", "Reshape"})


def activation_warnings(
    title: str, loss: keras.losses.Loss, graph: Graph, model: keras.Model, output: str
) -> Iterator[str]:
    """Yield warnings about an output of a network whose activation does not match its loss."""
    name = type(loss).__name__
    traits = LOSS_TRAITS.get(name, LossTraits())
    if traits.targets == "label_sequence" and has_final_activation(graph, model, output, "softmax"):
        yield (
            f"{title} has a softmax activation, but the loss '{name}' expects logits; remove the"
            " activation"
        )
    # Losses without this option, such as MeanSquaredError, take any output.
    from_logits = getattr(loss, "from_logits", None)
    activation = traits.activation
    has_activation = partial(has_final_activation, graph, model, output, activation or "")
    # Keras skips one that is the very last layer.
    skips = traits.skips_activation and has_activation()
    if from_logits and activation and not skips and has_activation(before_moves=True):
        yield (
            f"{title} has a {activation} activation, which the loss '{name}' with 'from_logits:"
            " true' applies again; remove one of them"
        )
    if from_logits is not False:
        return
    if has_final_activation(graph, model, output, "linear", before_moves=True):
        yield (
            f"{title} has no activation, but the loss '{name}' expects probabilities; add"
            f" 'activation: {traits.activation}' to its layer, or 'from_logits: true' to the loss"
        )
    # A softmax is normalized over its last axis.
    output_tensor = model.output[output] if isinstance(model.output, dict) else model.output
    if output_tensor.shape[-1] == 1 and has_final_activation(graph, model, output, "softmax"):
        yield f"{title} is a softmax over one value, which is always 1"


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


def has_final_activation(
    graph: Graph, model: keras.Model, output: str, activation: str, *, before_moves: bool = False
) -> bool:
    """Return whether the last layer before an output has this activation, or is this activation.

    With `before_moves`, layers after it that only move values do not count.
    """
    ref = dict(graph.outputs)[output]
    nodes = {node.name: node for node in graph.nodes}
    # No node where the output is an input of the network.
    node = nodes.get(ref.node)
    while before_moves and node is not None and node.operation in _MOVES:
        node = nodes.get(node.input_refs()[0].node)
    if node is None or node.operation.startswith("ops."):
        return node is not None and node.operation == f"ops.{activation}"
    layer = model.get_layer(node.weight_owner or node.name)
    if activation == "softmax" and isinstance(layer, keras.layers.Softmax):
        return True
    return getattr(layer, "activation", None) is keras.activations.get(activation)
