"""Functions of `keras.ops` with their constants, some of which have another form in Keras."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import cast

from archbuilder.compiler.ir import Node
from archbuilder.keras_backend.instantiate import convert_arguments, lookup
from archbuilder.registry.signatures import Signature


def _to_keras_constants(operation: str, constants: Mapping[str, object]) -> dict[str, object]:
    """Return the constants of a function (`ops.slice`) as its arguments."""
    values = dict(constants)
    if operation == "ops.slice":
        # Keras 3.15.1 computes a shape for a size of None but fails when it calls `tf.slice`. -1
        # means "to the end" to both.
        sizes = cast("Sequence[int | None]", values["shape"])
        values["shape"] = tuple(-1 if size is None else size for size in sizes)
    elif operation == "ops.get_item":
        key = cast("Sequence[int | str | None]", values["key"])
        values["key"] = tuple(_to_subscript(item) for item in key)
    return values


def _to_subscript(item: int | str | None) -> object:
    """Return an index, null, `...`, or a range such as `1:3` as Python's subscript of an axis."""
    if not isinstance(item, str):
        return item
    if item == "...":
        return Ellipsis
    return slice(*(int(bound) if bound else None for bound in item.split(":")))


def build_function(node: Node, signature: Signature) -> Callable[..., object]:
    """Return the function of a node, with its constant arguments bound.

    Raises:
        BuildError: if the installed Keras lacks it.
    """
    function = lookup(signature, node.span)
    constants = _to_keras_constants(
        node.operation, convert_arguments(node.arguments, signature.arguments, node.name)
    )
    if signature.is_variadic:
        return partial(function, *constants.values())
    return partial(function, **constants)
