"""Check that functions of `keras.ops` keep the examples of a batch apart.

A function that joins, shifts or aligns tensors along the batch axis often has a valid shape: the
sum of shapes (None, 4) and (None, 6, 4) pairs examples with rows. The model would compute other
numbers for other batches.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from archbuilder.compiler.ir import Node
from archbuilder.keras_backend.keras_errors import BuildError, error_notes, translate_keras_errors
from archbuilder.keras_backend.shape_format import CallTensor, format_tensors
from archbuilder.keras_backend.tracing import trace
from archbuilder.registry.signatures import Signature
from archbuilder.yaml.nodes import to_plain

_BATCH_SIZE: Final = 1009
"""A prime number that no other axis is likely to have."""
_AXIS_NOTE: Final = "axis 0 is the batch axis; the first axis of an example is axis 1"
_OTHER_AXES: Final = ("ops.cross", "ops.expand_dims", "ops.one_hot", "ops.stack")
"""Functions whose `axis` is that of the output, or of null stands for other arguments."""


def check_batch_mixing(
    node: Node,
    signature: Signature,
    operation: Callable[..., object],
    arguments: tuple[Sequence[object], Mapping[str, object]],
    call_tensors: Sequence[CallTensor],
) -> None:
    """Check the call of a function with at least one tensor that has a batch axis.

    `arguments` are the positional and the keyword arguments of the call.

    Raises:
        BuildError: if an output for an example depends on the others.
    """
    first = call_tensors[0]
    has_axis = "axis" in signature.arguments and node.operation not in _OTHER_AXES
    if first.has_batch_axis and has_axis:
        _check_axis(node, signature, len(first.tensor.shape))
    if _is_elementwise(node, signature, call_tensors):
        return

    def mixing_error(error: Exception) -> BuildError:
        return _mixing_error(node, call_tensors, error_notes(error))

    positional, keywords = arguments
    with translate_keras_errors(mixing_error):
        shapes = trace(operation, positional, keywords, batch_size=_BATCH_SIZE)
    for shape in shapes:
        if shape and shape[0] != _BATCH_SIZE:
            note = f"for a batch of {_BATCH_SIZE} examples, its output would have the first size"
            raise _mixing_error(node, call_tensors, (f"{note} {shape[0]}", _AXIS_NOTE))


def _check_axis(node: Node, signature: Signature, rank: int) -> None:
    """Check that the axis of a function does not include the batch axis; null means all axes."""
    values = {each.name: to_plain(each.value) for each in node.arguments}
    axis = values.get("axis", signature.arguments["axis"].default)
    axes = axis if isinstance(axis, list) else [axis]
    if None in axes or 0 in axes or -rank in axes:
        message = f"'{node.name}' ({node.operation}) mixes the examples of a batch"
        note = f"its axis is {axis}" if "axis" in values else "write its 'axis'"
        raise BuildError("mixed-examples", message, node.span, (note, _AXIS_NOTE))


def _is_elementwise(node: Node, signature: Signature, call_tensors: Sequence[CallTensor]) -> bool:
    """Return whether a function treats all values alike, and pairs those of the same example."""
    has_constants = len(signature.arguments.keys() - {*signature.tensor_arguments}) > 0
    ranks = {(len(each.tensor.shape), each.has_batch_axis) for each in call_tensors}
    return not has_constants and len(ranks) == 1 and node.operation != "ops.matmul"


def _mixing_error(
    node: Node, call_tensors: Sequence[CallTensor], notes: tuple[str, ...]
) -> BuildError:
    message = (
        f"'{node.name}' ({node.operation}) mixes the examples of a batch, for"
        f" {format_tensors(call_tensors)}"
    )
    return BuildError("mixed-examples", message, node.span, notes)
