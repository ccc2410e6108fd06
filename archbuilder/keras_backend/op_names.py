"""Gives the functions of `keras.ops` in a model the names of their nodes.

Keras names them after their class and a counter, which may be the name that a blueprint gives to
a layer, and says nothing about where they come from.
"""

from __future__ import annotations

from collections.abc import Iterable

import keras


def name_operations(
    outputs: Iterable[keras.KerasTensor], inputs: Iterable[keras.KerasTensor], name: str
) -> None:
    """Name all operations between some tensors; the one that was last called gets the plain name.

    Some functions are made of several operations: the others get numbers behind the name, which
    no step of a blueprint can have.
    """
    input_ids = {id(tensor) for tensor in inputs}
    operations: dict[int, keras.Operation] = {}
    pending = list(outputs)[::-1]
    while pending:
        tensor = pending.pop()
        if id(tensor) in input_ids:
            continue
        operation = tensor._keras_history.operation  # noqa: SLF001 - as `keras.Model` finds it
        if id(operation) not in operations:
            operations[id(operation)] = operation
            pending.extend(keras.tree.flatten(operation.input))
    for index, operation in enumerate(operations.values()):
        operation.name = f"{name}.{index}" if index else name
