"""Constants of functions of `keras.ops`, where Keras takes another form than a blueprint."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import cast


def to_keras_constants(operation: str, constants: Mapping[str, object]) -> dict[str, object]:
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
