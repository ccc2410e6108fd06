"""Checks of what the call of a layer or function returned, and the errors of such a call."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import keras

from archbuilder.compiler.ir import Node
from archbuilder.keras_backend.call_errors import empty_output_error
from archbuilder.keras_backend.keras_errors import BuildError
from archbuilder.keras_backend.node_checks import check_bias, check_learned_size
from archbuilder.keras_backend.regularization import check_regularizers
from archbuilder.keras_backend.shape_format import CallTensor, example_shape, format_shape, is_empty


def flatten_outputs(result: object, node: Node) -> tuple[keras.KerasTensor, ...]:
    """Return the output tensors of a call in order; Keras nests them in lists and dictionaries."""
    if isinstance(result, keras.KerasTensor):
        return (result,)
    if isinstance(result, Mapping):
        result = list(result.values())
    if not isinstance(result, Sequence) or not result:
        message = f"'{node.name}' ({node.operation}) does not return a tensor with these arguments"
        raise BuildError("keras-rejected", message, node.span)
    return tuple(tensor for item in result for tensor in flatten_outputs(item, node))


def check_layer_call(
    node: Node,
    layer: keras.layers.Layer,
    call_tensors: Sequence[CallTensor],
    outputs: Sequence[keras.KerasTensor],
) -> None:
    """Check what a layer returned for these tensors."""
    if any(tensor is each.tensor for tensor in outputs for each in call_tensors):
        # Keras 3.15.1 reports a cycle for a model with such a layer, for example Equalization.
        message = f"'{node.name}' ({node.operation}) returns its input unchanged"
        notes = ("Keras cannot use such a layer in a model; write it under 'augment'",)
        raise BuildError("keras-rejected", message, node.span, notes)
    check_learned_size(node, call_tensors, outputs[0])
    check_bias(node, layer, call_tensors, outputs[0])
    check_regularizers(node, layer)


def check_output_shapes(
    node: Node,
    call_tensors: Sequence[CallTensor],
    outputs: Sequence[keras.KerasTensor],
    *,
    has_batch_axis: bool,
) -> None:
    """Check that no output is empty, and that a batch axis comes first."""
    for tensor in outputs:
        shape = example_shape(tensor, has_batch_axis=has_batch_axis)
        if is_empty(shape):
            raise empty_output_error(node, call_tensors, (f"its output is {format_shape(shape)}",))
        # Inputs have an unknown batch size: a known first size means that the axis was lost.
        if has_batch_axis and (not tensor.shape or tensor.shape[0] is not None):
            message = (
                f"'{node.name}' ({node.operation}) loses the batch axis: its output is"
                f" {tensor.shape}"
            )
            notes = ["the first axis is the batch axis, whose size is unknown"]
            notes += [
                f"{each} has no batch axis; BroadcastToBatch adds one"
                for each in call_tensors
                if not each.has_batch_axis
            ]
            raise BuildError("shape-mismatch", message, node.span, tuple(notes))
