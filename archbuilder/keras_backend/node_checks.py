"""Holds the call of a node to rules that Keras does not check."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import cast

import keras

from archbuilder.compiler.ir import Node, Shape
from archbuilder.keras_backend.broadcast_add import (
    add_as_difference,
    bias_workaround,
    may_misbroadcast,
    safe_order,
)
from archbuilder.keras_backend.keras_errors import BuildError
from archbuilder.keras_backend.shape_format import CallTensor, format_tensors
from archbuilder.registry.signatures import Signature

Operation = Callable[..., object]


def check_bias(
    node: Node,
    layer: keras.layers.Layer,
    call_tensors: Sequence[CallTensor],
    output: keras.KerasTensor,
) -> None:
    """Hold a layer's bias to the axis that it is for."""
    shapes = [tuple(each.tensor.shape) for each in call_tensors]
    hint = bias_workaround(layer, shapes, tuple(output.shape))
    if hint is not None:
        message = f"Keras would add the bias of '{node.name}' ({node.operation}) along a wrong axis"
        raise BuildError("wrong-axis", message, node.span, (hint,))


def order_tensors_safely(node: Node, call_tensors: Sequence[CallTensor]) -> list[keras.KerasTensor]:
    """The tensors of a layer that adds them, in an order in which Keras does so right."""
    order = safe_order([tuple(each.tensor.shape) for each in call_tensors])
    if order is None:
        message = (
            f"Keras would add {format_tensors(call_tensors)} along a wrong axis for some batches"
        )
        notes = ("write ops.add, two of them at a time, which is computed another way",)
        raise BuildError("wrong-axis", message, node.span, notes)
    return [call_tensors[index].tensor for index in order]


def safe_add(
    operation: Operation, call_tensors: Sequence[CallTensor]
) -> tuple[Operation, dict[str, keras.KerasTensor]]:
    """Another way to add two tensors where Keras would take one of them for a bias."""
    tensors = {each.argument: each.tensor for each in call_tensors}
    first, second = (tuple(tensors[name].shape) for name in ("x1", "x2"))
    if not may_misbroadcast(first, second):
        return operation, tensors
    if not may_misbroadcast(second, first):
        return operation, {"x1": tensors["x2"], "x2": tensors["x1"]}
    return add_as_difference, tensors


def check_slice(node: Node, call_tensors: Sequence[CallTensor], function: Operation) -> None:
    """Hold a slice to its input: neither Keras nor TensorFlow does so before the call."""
    constants = cast("partial[object]", function).keywords
    bounds = zip(
        call_tensors[0].tensor.shape, constants["start_indices"], constants["shape"], strict=False
    )
    for axis, (length, start, size) in enumerate(bounds):
        if length is not None and start + max(size, 0) > length:
            message = f"'{node.name}' ({node.operation}) goes beyond the end of {call_tensors[0]}"
            note = (
                f"axis {axis} has {length} entries, and the slice takes {start} to {start + size}"
            )
            raise BuildError("shape-mismatch", message, node.span, (note,))


def check_merge(
    node: Node, signature: Signature, call_tensors: Sequence[CallTensor], *, has_multi_output: bool
) -> None:
    """Hold a merging layer to two tensors, unless a step that may give `several` gave one."""
    is_merge = signature.accepts_list and signature.origin == "keras.layers"
    if is_merge and len(call_tensors) == 1 and not has_multi_output:
        message = (
            f"'{node.name}' ({node.operation}) merges several tensors, and takes"
            f" {call_tensors[0]} alone"
        )
        notes = ("name all of them: from: [a, b]; or leave this step out",)
        raise BuildError("wrong-inputs", message, node.span, notes)


def check_input_count(node: Node, signature: Signature, call_tensors: Sequence[CallTensor]) -> None:
    """Hold a function to the number of tensors that it needs."""
    if signature.accepts_list and len(call_tensors) < signature.min_inputs:
        message = (
            f"'{node.name}' ({node.operation}) needs {signature.min_inputs} inputs,"
            f" not {len(call_tensors)}"
        )
        raise BuildError("wrong-inputs", message, node.span, ("name them: from: [a, b]",))


def check_traced_shapes(
    node: Node, outputs: Sequence[keras.KerasTensor], shapes: Sequence[Shape | None]
) -> None:
    """Hold the shapes that Keras computes by rule to those of TensorFlow."""
    for tensor, shape in zip(outputs, shapes, strict=False):
        if shape is None or _shapes_compatible(tensor.shape, shape):
            continue
        message = f"'{node.name}' ({node.operation}) makes {shape}, not {tensor.shape}"
        notes = ("Keras computes another shape than TensorFlow does",)
        raise BuildError("keras-refused", message, node.span, notes)


def _shapes_compatible(shape: Shape, traced_shape: Shape) -> bool:
    return len(shape) == len(traced_shape) and all(
        None in pair or pair[0] == pair[1] for pair in zip(shape, traced_shape, strict=True)
    )
