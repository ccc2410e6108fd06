"""Holds the call of a node to rules that Keras does not check."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import cast

import keras

from archbuilder.backend.adding import add_as_difference, may_add_wrong, safe_order, wrong_bias
from archbuilder.backend.refusals import Refusal
from archbuilder.backend.shapes import Given, joined
from archbuilder.catalogue.signatures import Signature
from archbuilder.graph import Node, Shape

Operation = Callable[..., object]


def check_bias(
    node: Node, layer: keras.layers.Layer, given: Sequence[Given], output: keras.KerasTensor
) -> None:
    """Hold a layer's bias to the axis that it is for."""
    shapes = [tuple(each.tensor.shape) for each in given]
    advice = wrong_bias(layer, shapes, tuple(output.shape))
    if advice is not None:
        message = f"Keras would add the bias of '{node.name}' ({node.operation}) along a wrong axis"
        raise Refusal("wrong-axis", message, node.span, (advice,))


def in_safe_order(node: Node, given: Sequence[Given]) -> list[keras.KerasTensor]:
    """The tensors of a layer that adds them, in an order in which Keras does so right."""
    order = safe_order([tuple(each.tensor.shape) for each in given])
    if order is None:
        message = f"Keras would add {joined(given)} along a wrong axis for some batches"
        notes = ("write ops.add, two of them at a time, which is computed another way",)
        raise Refusal("wrong-axis", message, node.span, notes)
    return [given[number].tensor for number in order]


def safe_add(
    operation: Operation, given: Sequence[Given]
) -> tuple[Operation, dict[str, keras.KerasTensor]]:
    """Another way to add two tensors where Keras would take one of them for a bias."""
    tensors = {each.argument: each.tensor for each in given}
    first, second = (tuple(tensors[name].shape) for name in ("x1", "x2"))
    if not may_add_wrong(first, second):
        return operation, tensors
    if not may_add_wrong(second, first):
        return operation, {"x1": tensors["x2"], "x2": tensors["x1"]}
    return add_as_difference, tensors


def check_slice(node: Node, given: Sequence[Given], function: Operation) -> None:
    """Hold a slice to its input: neither Keras nor TensorFlow does so before the call."""
    constants = cast("partial[object]", function).keywords
    bounds = zip(
        given[0].tensor.shape, constants["start_indices"], constants["shape"], strict=False
    )
    for axis, (length, start, size) in enumerate(bounds):
        if length is not None and start + max(size, 0) > length:
            message = f"'{node.name}' ({node.operation}) goes beyond the end of {given[0]}"
            note = (
                f"axis {axis} has {length} entries, and the slice takes {start} to {start + size}"
            )
            raise Refusal("shape-mismatch", message, node.span, (note,))


def check_merge(node: Node, signature: Signature, given: Sequence[Given], *, several: bool) -> None:
    """Hold a merging layer to two tensors, unless a step that may give `several` gave one."""
    merges = signature.takes_list and signature.origin == "keras.layers"
    if merges and len(given) == 1 and not several:
        message = (
            f"'{node.name}' ({node.operation}) merges several tensors, and takes {given[0]} alone"
        )
        notes = ("name all of them: from: [a, b]; or leave this step out",)
        raise Refusal("wrong-inputs", message, node.span, notes)


def check_count(node: Node, signature: Signature, given: Sequence[Given]) -> None:
    """Hold a function to the number of tensors that it needs."""
    if signature.takes_list and len(given) < signature.needed:
        message = (
            f"'{node.name}' ({node.operation}) needs {signature.needed} inputs, not {len(given)}"
        )
        raise Refusal("wrong-inputs", message, node.span, ("name them: from: [a, b]",))


def check_traced(
    node: Node, outputs: Sequence[keras.KerasTensor], shapes: Sequence[Shape | None]
) -> None:
    """Hold the shapes that Keras computes by rule to those of TensorFlow."""
    for tensor, shape in zip(outputs, shapes, strict=False):
        if shape is None or _fits(tensor.shape, shape):
            continue
        message = f"'{node.name}' ({node.operation}) makes {shape}, not {tensor.shape}"
        notes = ("Keras computes another shape than TensorFlow does",)
        raise Refusal("keras-refused", message, node.span, notes)


def _fits(shape: Shape, other: Shape) -> bool:
    return len(shape) == len(other) and all(
        None in pair or pair[0] == pair[1] for pair in zip(shape, other, strict=True)
    )
