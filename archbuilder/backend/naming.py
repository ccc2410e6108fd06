"""Gives the functions of `keras.ops` in a model the names of their nodes.

Keras names them after their class and a counter, which may be the name that a blueprint gives to
a layer, and says nothing about where they come from.
"""

from __future__ import annotations

from collections.abc import Iterable

import keras


def name_operations(
    outputs: Iterable[keras.KerasTensor], given: Iterable[keras.KerasTensor], name: str
) -> None:
    """Name all operations between some tensors; the one that was last called gets the plain name.

    Some functions are made of several operations: the others get numbers behind the name, which
    no step of a blueprint can have.
    """
    known = {id(tensor) for tensor in given}
    found: dict[int, keras.Operation] = {}
    waiting = list(outputs)[::-1]
    while waiting:
        tensor = waiting.pop()
        if id(tensor) in known:
            continue
        operation = tensor._keras_history.operation  # noqa: SLF001 - as `keras.Model` finds it
        if id(operation) not in found:
            found[id(operation)] = operation
            waiting.extend(keras.tree.flatten(operation.input))
    for index, operation in enumerate(found.values()):
        operation.name = f"{name}.{index}" if index else name
