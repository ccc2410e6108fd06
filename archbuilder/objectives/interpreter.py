"""Run the steps of an objective on the tensors of a batch.

The steps are not a Keras model: one network may be called several times, rows of other replicas
have an unknown number, and gradients are steps too. They run on concrete tensors within the train
step.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Final, TypeAlias

import keras
import tensorflow as tf

from archbuilder import registry
from archbuilder.compiler.ir import Node
from archbuilder.compiler.objective_ir import (
    ObjectiveGraph,
    gradient_inputs,
    has_automatic_logits,
    predictions_of,
)
from archbuilder.diagnostics.errors import BlueprintError, Diagnostics, InternalError
from archbuilder.distribution.slices import all_gather, replica_offset
from archbuilder.keras_backend.instantiate import (
    build_layer,
    convert_arguments,
)
from archbuilder.keras_backend.keras_errors import BuildError, error_notes, translate_keras_errors
from archbuilder.keras_backend.operation_constants import build_function
from archbuilder.language.objective_operations import (
    GATHER,
    GRADIENT,
    GRADIENT_BY,
    GRADIENT_OF,
    LOSS_PREFIX,
    PIPELINE_OPERATIONS,
    ROWS,
    SHUFFLE,
    UNSHUFFLE,
    WEIGHTED,
)
from archbuilder.objectives.losses import (
    build_loss,
    ends_in_activation,
    loss_values,
    weighted_values,
)
from archbuilder.objectives.step_context import Call, Network, StepContext, Tensors, Values, select
from archbuilder.trainer.step_errors import MEMORY_HINT, OUT_OF_MEMORY
from archbuilder.yaml.nodes import to_plain

_Operation: TypeAlias = Callable[[Call], Any]


@dataclass(slots=True, eq=False)
class Interpreter:
    """Runs the steps of an objective; creates the layers of its own at their first call."""

    graph: ObjectiveGraph
    networks: Mapping[str, Network]
    """The networks, and their copies."""
    _operations: dict[str, _Operation] = field(default_factory=dict)
    _layers: dict[str, keras.layers.Layer] = field(default_factory=dict)

    @property
    def layers(self) -> list[keras.layers.Layer]:
        """The layers of the objective itself."""
        return [*self._layers.values()]

    def run(self, nodes: Sequence[Node], values: Values, context: StepContext) -> Values:
        """Return the values with those of some steps; `values` has those before them.

        Raises:
            BlueprintError: if a step does not take its inputs.
        """
        computed = {**values}
        gradients = [gradient_inputs(each) for each in nodes if each.operation == GRADIENT]
        watched = {ref.node for _, by in gradients for ref in by}
        tape = tf.GradientTape(persistent=True)
        recorded_context = replace(context, tape=tape)
        with tape if gradients else nullcontext():
            for name in watched & computed.keys():
                tape.watch(computed[name])
            for node in nodes:
                # Those that are computed when a batch is read have their values already.
                if node.name not in computed:
                    computed[node.name] = self._call(node, computed, recorded_context)
                    if node.name in watched:
                        tape.watch(computed[node.name])
        return computed

    def _call(self, node: Node, values: Values, context: StepContext) -> Tensors:
        diagnostics = Diagnostics()
        try:
            operation = self._operations.get(node.name) or self._resolve(node)
            self._operations[node.name] = operation
            call = self._arguments(node, values, context)
            tensors = [*call.positional, *call.keywords.values()]
            with translate_keras_errors(partial(_step_error, node, tensors)):
                result = operation(call)
        except BuildError as error:
            with diagnostics.within(node.frame):
                error.report(diagnostics)
            raise BlueprintError(diagnostics) from error.__cause__
        return _flatten(result)

    def _arguments(self, node: Node, values: Values, context: StepContext) -> Call:
        positional: list[Any] = [each for ref in node.inputs for each in select(ref, values)]
        keywords: dict[str, Any] = {}
        for name, value in node.keywords:
            refs = value if isinstance(value, tuple) else (value,)
            tensors = [each for ref in refs for each in select(ref, values)]
            keywords[name] = tensors if isinstance(value, tuple) else tensors[0]
        return Call(positional, keywords, context)

    def _resolve(self, node: Node) -> _Operation:
        """Return the function that runs a step.

        Raises:
            BuildError: if Keras rejects its arguments.
        """
        if node.operation in self.networks:
            network = self.networks[node.operation]
            if node.operation in self.graph.frozen:
                return partial(_call_network, node, network, training=False)
            return partial(_call_network, node, network)
        if node.operation == GRADIENT:
            return partial(_gradient, node)
        if node.operation.startswith(LOSS_PREFIX):
            is_activated = has_automatic_logits(node) and self._is_activated(node)
            return partial(loss_values, node, build_loss(node, is_activated=is_activated))
        if node.operation == WEIGHTED:
            return partial(weighted_values, node)
        if node.operation in _WHOLE_BATCH:
            return _WHOLE_BATCH[node.operation]
        if node.operation in PIPELINE_OPERATIONS:
            raise InternalError(f"'{node.name}' has no value when the objective runs")
        return self._keras_operation(node)

    def _is_activated(self, node: Node) -> bool:
        """Return whether the network that a loss compares ends in the activation of the loss."""
        ref = predictions_of(node)
        network_call = next(each for each in self.graph.nodes if each.name == ref.node)
        network = self.networks[network_call.operation]
        return ends_in_activation(node, network, network.outputs[ref.output or 0])

    def _keras_operation(self, node: Node) -> _Operation:
        signature = registry.load().signature(node.operation)
        if signature is None:
            raise InternalError(f"'{node.operation}' is not in the registry")
        constants = convert_arguments(node.call_constants, signature.call_arguments, node.name)
        if node.operation.startswith("ops."):
            function = build_function(node, signature)
            names = signature.open_tensor_arguments([each.name for each in node.arguments])

            def call_function(call: Call) -> Any:
                if signature.is_variadic:
                    return function(*call.positional)
                if signature.accepts_list:
                    return function(call.positional)
                tensors = dict(zip(names, call.positional, strict=False))
                return function(**tensors, **call.keywords)

            return call_function
        owner = node.weight_owner or node.name
        if owner not in self._layers:
            self._layers[owner] = build_layer(signature, node.arguments, node.name, node.span)
        layer = self._layers[owner]

        def call_layer(call: Call) -> Any:
            positional = [call.positional] if signature.accepts_list else call.positional
            if not signature.tensor_arguments:
                # `Parameter` and `Constant` ignore what they are called on.
                positional = [tf.zeros([1])]
            return layer(*positional, **call.keywords, **constants, training=call.context.training)

        return call_layer


def _flatten(result: object) -> Tensors:
    if isinstance(result, tuple | list):
        return tuple(each for item in result for each in _flatten(item))
    return (result,)


def _call_network(
    node: Node, network: Network, call: Call, *, training: bool | None = None
) -> Tensors:
    """Call a network in training or in evaluation, which its step or the batch decides if None."""
    tensors = dict(zip(network.inputs, call.positional, strict=False)) | call.keywords
    constants = {each.name: to_plain(each.value) for each in node.call_constants}
    if training is None:
        training = bool(constants.get("training", call.context.training))
    outputs = network(tensors, training=training)
    if network.function is None:
        call.context.added_losses[node.operation] += _added_losses(network.model)
    return outputs


def _added_losses(layer: keras.layers.Layer) -> list[tf.Tensor]:
    """Return what the last call of a layer has added to the loss."""
    # After these, `losses` of Keras 3.15 has one for each regularizer of a weight, which does not
    # depend on the call.
    count = sum(each.regularizer is not None for each in layer.trainable_variables)
    losses: list[tf.Tensor] = layer.losses
    return losses[: len(losses) - count]


def _gradient(node: Node, call: Call) -> list[tf.Tensor]:
    """Return the gradients of some tensors, summed, by others.

    Raises:
        BuildError: if what is between them has no gradient, as `argmax` and integers.
    """
    of, by = call.positional or (call.keywords[GRADIENT_OF], call.keywords[GRADIENT_BY])
    tape = call.context.tape
    if tape is None:
        raise InternalError(f"no tape records the steps before '{node.name}'")
    # Only a tape around this one, that of training, records how the gradient is computed.
    with tape.stop_recording():
        gradients = tape.gradient(of, by)
    flat = gradients if isinstance(gradients, list) else [gradients]
    for ref, gradient in zip(gradient_inputs(node)[1], flat, strict=True):
        if gradient is None:
            raise BuildError("invalid-inputs", f"there is no gradient by '{ref}'", node.span)
    return flat


def _gather(call: Call) -> tf.Tensor:
    if not call.context.on_replica:
        return call.first
    return all_gather(call.first, call.context.is_duplicate)


def _rows(call: Call) -> tf.Tensor:
    """Return the positions of the rows of this replica among those of all."""
    return replica_offset(_gather(call)) + tf.range(tf.shape(call.first)[0])


def _permuted(call: Call, order: Callable[[tf.Tensor], tf.Tensor]) -> tf.Tensor:
    """Return this replica's part of the rows of all replicas in an order.

    On a single replica, an order of the rows changes nothing, nor does it in an evaluation.
    """
    if not call.context.training or tf.distribute.get_replica_context().num_replicas_in_sync == 1:
        return call.first
    all_rows = all_gather(call.first)
    # All replicas need the same permutation.
    permutation = tf.random.experimental.stateless_shuffle(
        tf.range(tf.shape(all_rows)[0]), seed=call.context.shuffle_seed
    )
    offset, count = replica_offset(all_rows), tf.shape(call.first)[0]
    return tf.gather(all_rows, order(permutation)[offset : offset + count])


def _shuffle(call: Call) -> tf.Tensor:
    return _permuted(call, lambda permutation: permutation)


def _unshuffle(call: Call) -> tf.Tensor:
    return _permuted(call, tf.math.invert_permutation)


_WHOLE_BATCH: Mapping[str, _Operation] = {
    GATHER: _gather,
    ROWS: _rows,
    SHUFFLE: _shuffle,
    UNSHUFFLE: _unshuffle,
}


_TYPES: Final = re.compile(r"Value for attr '\w+' of \w+ is not|tensor but is a|Cast \w+ to")
_SHAPES: Final = re.compile(r"shape|rank|dim|ax[ie]s|size|broadcast|length", re.IGNORECASE)
"""Messages of Keras and TensorFlow about dtypes, and about shapes."""


def _step_error(node: Node, tensors: list[Any], error: Exception) -> BuildError:
    """Return the error of a step that cannot take its inputs, or that failed otherwise."""
    step, notes = f"'{node.name}' ({node.operation})", error_notes(error)
    inputs = [each for each in tensors if hasattr(each, "shape")]
    dtypes = [keras.backend.standardize_dtype(each.dtype) for each in inputs]
    if isinstance(error, OUT_OF_MEMORY):
        message = f"the memory is too small for {step}"
        return BuildError("memory-limit", message, node.span, (*notes, MEMORY_HINT))
    if _TYPES.search("".join(notes)):
        hint = "convert values with the formula cast(x, 'float32') or cast(x, 'int32')"
        message = f"{step} cannot take {' and '.join(dtypes)}"
        return BuildError("type-mismatch", message, node.span, (*notes, hint))
    shapes = " and ".join(str([*each.shape[1:]]) for each in inputs)
    if inputs and _SHAPES.search("".join(notes)):
        return BuildError("shape-mismatch", f"{step} cannot take {shapes}", node.span, notes)
    return BuildError("keras-rejected", f"Keras rejects the step {step}", node.span, notes)
