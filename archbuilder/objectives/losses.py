"""Losses of Keras as steps of an objective, and means with weights."""

from __future__ import annotations

import math

import keras
import tensorflow as tf

from archbuilder.compiler.ir import Node
from archbuilder.compiler.keras_object import KerasObject
from archbuilder.compiler.objective_ir import has_automatic_logits
from archbuilder.config.loss_traits import LOSS_TRAITS
from archbuilder.keras_backend.instantiate import build_object
from archbuilder.language.objective_operations import FROM_LOGITS, LOSS_PREFIX, SAMPLE_WEIGHT
from archbuilder.objectives.output_activation import has_final_activation
from archbuilder.objectives.step_context import Call, Network
from archbuilder.trainer.loss_reduction import broadcast_weights, losses_of_positions
from archbuilder.yaml.nodes import MappingEntry, MappingNode, ScalarNode


def build_loss(node: Node, *, is_activated: bool) -> keras.losses.Loss:
    """Return the loss of a step; `is_activated` decides about `from_logits: auto`."""
    arguments = {each.name: each.value for each in node.arguments}
    if has_automatic_logits(node):
        arguments[FROM_LOGITS] = ScalarNode(not is_activated, node.span)
    entries = tuple(MappingEntry(key, each, node.span) for key, each in arguments.items())
    name = node.operation.removeprefix(LOSS_PREFIX)
    tree = MappingNode((MappingEntry(name, MappingNode(entries, node.span), node.span),), node.span)
    loss: keras.losses.Loss = build_object(KerasObject("loss", name, tree), {"reduction": "none"})
    return loss


def ends_in_activation(node: Node, network: Network, output: str) -> bool:
    """Return whether an output of a network has the activation whose logits a loss takes."""
    activation = LOSS_TRAITS[node.operation.removeprefix(LOSS_PREFIX)].activation
    return activation is not None and has_final_activation(
        network.graph, network.model, output, activation, before_moves=True
    )


def loss_values(node: Node, loss: keras.losses.Loss, call: Call) -> tf.Tensor:
    """Return the loss of each example, a mean over its other axes."""
    names = dict(zip(("y_true", "y_pred", SAMPLE_WEIGHT), call.positional, strict=False))
    names |= call.keywords
    weights = names.get(SAMPLE_WEIGHT)
    values, counts = losses_of_positions(loss, names["y_true"], names["y_pred"], weights)
    factors = [] if counts is None else [counts]
    factors += [] if weights is None else [broadcast_weights(weights, values)]
    if factors:
        return call.context.weighted(node.name, values, math.prod(factors))
    return tf.reduce_mean(tf.reshape(values, [tf.shape(values)[0], -1]), axis=1)


def weighted_values(node: Node, call: Call) -> tf.Tensor:
    """Return the values of each example with weights."""
    names = dict(zip(("values", "weights"), call.positional, strict=False)) | call.keywords
    values = tf.cast(names["values"], tf.float32)
    return call.context.weighted(node.name, values, broadcast_weights(names["weights"], values))
