"""Rename the operations of `keras.ops` in a model after their nodes.

Keras names operations after their class and a counter (`add_1`). Such a name may be the same as the
name of a layer in the blueprint, and does not show which step of the blueprint it belongs to.
"""

from __future__ import annotations

from collections.abc import Iterable

import keras


def name_operations(
    outputs: Iterable[keras.KerasTensor], inputs: Iterable[keras.KerasTensor], name: str
) -> None:
    """Rename all operations between the inputs and the outputs of a function.

    The last operation gets `name`. A function may consist of several operations: the others get
    `name.1`, `name.2`, ..., which no step of a blueprint can be called.
    """
    input_ids = {id(tensor) for tensor in inputs}
    operations: dict[int, keras.Operation] = {}
    pending = list(outputs)[::-1]
    while pending:
        tensor = pending.pop()
        if id(tensor) in input_ids:
            continue
        # `keras.Model` walks the same private attribute; there is no public one.
        operation = tensor._keras_history.operation  # noqa: SLF001
        if id(operation) not in operations:
            operations[id(operation)] = operation
            pending.extend(keras.tree.flatten(operation.input))
    for index, operation in enumerate(operations.values()):
        operation.name = f"{name}.{index}" if index else name


def name_operation(tensor: keras.KerasTensor, name: str) -> None:
    """Rename the operation that returns a tensor."""
    tensor._keras_history.operation.name = name  # noqa: SLF001 - there is no public attribute
