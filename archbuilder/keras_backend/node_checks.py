"""Check the call of a node against rules that Keras does not enforce."""

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


def check_learned_size(
    node: Node, call_tensors: Sequence[CallTensor], output: keras.KerasTensor
) -> None:
    """Check that the shape of the output does not depend on what a layer learns (`adapt: true`).

    Raises:
        BuildError: if it does, and the training set has not been seen yet.
    """
    is_known = None not in output.shape[1:] or None in call_tensors[0].tensor.shape[1:]
    if node.is_unadapted and not is_known:
        raise BuildError(
            "shape-mismatch",
            f"the size of the output of '{node.name}' ({node.operation}) follows from the training"
            " set",
            node.span,
            ("to know it before, write 'max_tokens' and 'pad_to_max_tokens: true'",),
        )


def check_bias(
    node: Node,
    layer: keras.layers.Layer,
    call_tensors: Sequence[CallTensor],
    output: keras.KerasTensor,
) -> None:
    """Check that Keras adds the biases of a layer along the correct axis.

    Raises:
        BuildError: if it does not, with a hint how to avoid it.
    """
    shapes = [tuple(each.tensor.shape) for each in call_tensors]
    hint = bias_workaround(layer, shapes, tuple(output.shape))
    if hint is not None:
        message = (
            f"Keras would add the bias of '{node.name}' ({node.operation}) along the wrong axis"
        )
        raise BuildError("invalid-axis", message, node.span, (hint,))


def order_tensors_safely(node: Node, call_tensors: Sequence[CallTensor]) -> list[keras.KerasTensor]:
    """Return the tensors of an adding layer in an order in which Keras adds them correctly.

    Raises:
        BuildError: if there is no such order.
    """
    order = safe_order([tuple(each.tensor.shape) for each in call_tensors])
    if order is None:
        message = (
            f"Keras would add {format_tensors(call_tensors)} along the wrong axis for some batches"
        )
        notes = ("use ops.add for two tensors at a time",)
        raise BuildError("invalid-axis", message, node.span, notes)
    return [call_tensors[index].tensor for index in order]


def safe_add(
    operation: Operation, call_tensors: Sequence[CallTensor]
) -> tuple[Operation, dict[str, keras.KerasTensor]]:
    """Return a function and arguments that add two tensors correctly.

    Where Keras would take the second tensor for a bias, the tensors are swapped or subtracted.
    """
    tensors = {each.argument: each.tensor for each in call_tensors}
    first, second = (tuple(tensors[name].shape) for name in ("x1", "x2"))
    if not may_misbroadcast(first, second):
        return operation, tensors
    if not may_misbroadcast(second, first):
        return operation, {"x1": tensors["x2"], "x2": tensors["x1"]}
    return add_as_difference, tensors


def check_slice(node: Node, call_tensors: Sequence[CallTensor], function: Operation) -> None:
    """Check that a slice lies within its input; Keras and TensorFlow check it at run time only.

    Raises:
        BuildError: if it ends after the input.
    """
    constants = cast("partial[object]", function).keywords
    bounds = zip(
        call_tensors[0].tensor.shape, constants["start_indices"], constants["shape"], strict=False
    )
    for axis, (length, start, size) in enumerate(bounds):
        # A size of -1 stands for everything from `start` on.
        if length is not None and start + max(size, 0) > length:
            message = f"'{node.name}' ({node.operation}) slices beyond the end of {call_tensors[0]}"
            note = (
                f"axis {axis} has {length} entries, but the slice covers {start} to {start + size}"
            )
            raise BuildError("shape-mismatch", message, node.span, (note,))


def check_input_count(node: Node, signature: Signature, call_tensors: Sequence[CallTensor]) -> None:
    """Check that a call that takes a list receives as many tensors as it needs.

    Raises:
        BuildError: if there are fewer.
    """
    if signature.accepts_list and len(call_tensors) < signature.min_inputs:
        message = (
            f"'{node.name}' ({node.operation}) needs {signature.min_inputs} inputs,"
            f" not {len(call_tensors)}"
        )
        raise BuildError("invalid-inputs", message, node.span, ("list them: from: [a, b]",))


def check_traced_shapes(
    node: Node, outputs: Sequence[keras.KerasTensor], shapes: Sequence[Shape | None]
) -> None:
    """Check that the shapes computed by Keras's rules agree with those traced by TensorFlow.

    Raises:
        BuildError: if a rank or a size known to both differs.
    """
    for tensor, shape in zip(outputs, shapes, strict=False):
        if shape is None or (
            len(tensor.shape) == len(shape)
            and all(
                None in pair or pair[0] == pair[1] for pair in zip(tensor.shape, shape, strict=True)
            )
        ):
            continue
        message = (
            f"'{node.name}' ({node.operation}) has the output shape {shape}, not {tensor.shape}"
        )
        notes = ("Keras and TensorFlow compute different shapes",)
        raise BuildError("keras-rejected", message, node.span, notes)
