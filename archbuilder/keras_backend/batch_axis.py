"""Calls of layers on tensors without a batch axis, which Keras's layers all expect.

Such a tensor stands for the same values in each example. Beside tensors with a batch axis it is
repeated for the batch; a layer that has no others is called on a batch of one, whose axis is
removed from its outputs. Functions of `keras.ops` broadcast by themselves and take tensors as they
are.
"""

from __future__ import annotations

from collections.abc import Sequence

import keras

from archbuilder.compiler.ir import Node
from archbuilder.keras_backend.keras_errors import BuildError
from archbuilder.keras_backend.op_names import name_operation
from archbuilder.keras_backend.shape_format import CallTensor
from archbuilder.keras_ext.layers import BroadcastToBatch

BROADCAST = BroadcastToBatch.__name__


class BatchAxisAdapter:
    """Adapts the tensors of one call of a layer.

    `batch` is one of its tensors with a batch axis; None if it has none.
    """

    def __init__(self, node: Node, batch: keras.KerasTensor | None) -> None:
        self._node = node
        self._batch = batch
        self._count = 0

    def add_axis(self, tensor: keras.KerasTensor) -> keras.KerasTensor:
        """Return a tensor without a batch axis as the layer takes it."""
        if self._batch is not None:
            return BroadcastToBatch(name=self._next_name())(tensor, self._batch)
        return self._named(keras.ops.expand_dims(tensor, 0))

    def remove_axis(self, outputs: Sequence[keras.KerasTensor]) -> tuple[keras.KerasTensor, ...]:
        """Return the outputs of a call that had no tensor with a batch axis.

        Raises:
            BuildError: if one of them is not a batch of one.
        """
        for tensor in outputs:
            if not tensor.shape or tensor.shape[0] != 1:
                message = (
                    f"'{self._node.name}' ({self._node.operation}) does not keep the batch axis of"
                    " its input, which has none in the blueprint"
                )
                raise BuildError("missing-batch-axis", message, self._node.span)
        return tuple(self._named(keras.ops.squeeze(tensor, 0)) for tensor in outputs)

    def _named(self, tensor: keras.KerasTensor) -> keras.KerasTensor:
        name_operation(tensor, self._next_name())
        return tensor

    def _next_name(self) -> str:
        # As the further operations of a function, see `op_names`: no step can have such a name.
        self._count += 1
        return f"{self._node.name}.{self._count}"


def check_broadcast(node: Node, call_tensors: Sequence[CallTensor]) -> None:
    """Check the tensors of `BroadcastToBatch`.

    Raises:
        BuildError: if the first one has a batch axis already, or the second one has none.
    """
    for tensor in call_tensors:
        if tensor.has_batch_axis is (tensor.argument == "inputs"):
            adjective = "already has" if tensor.has_batch_axis else "has no"
            message = (
                f"'{tensor.argument}' of '{node.name}' ({node.operation}) {adjective} a batch axis"
            )
            notes = (f"it is {tensor}", "for example: from: [queries, image]")
            raise BuildError("missing-batch-axis", message, node.span, notes)
