"""Shapes of tensors in expressions: `shape(x)` and `channels(x)`, with the names of steps."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, Protocol

from archbuilder.diagnostics.span import Span
from archbuilder.expressions.values import ExpressionValueError
from archbuilder.plain_data import PlainData, UnknownValue


class ShapeLookup(Protocol):
    """The shapes of the steps and inputs that an expression can name."""

    def find_shape(self, name: str, span: Span) -> Sequence[int | None] | UnknownValue:
        """Return the shape of a tensor by its name: sizes without the batch axis, None if open.

        It is unknown without Keras, and after an error, which is reported. `span` is the location
        of the name.
        """


def describe_shape(name: str, shape: Sequence[int | None]) -> str:
    """Return a note on the shape of a tensor, which explains what an open size is."""
    sizes = ", ".join("null" if size is None else str(size) for size in shape)
    note = f"'{name}' has the shape [{sizes}]"
    if None in shape:
        note += "; null is a size that is open, because it is open in the shape of an input"
    return note


def _shape(_: str, shape: Sequence[int | None]) -> PlainData:
    return list(shape)


def _channels(name: str, shape: Sequence[int | None]) -> PlainData:
    size = shape[-1] if shape else None
    if size is None:
        reason = "open" if shape else "not known: it has only the batch axis"
        raise ExpressionValueError(f"the number of channels of '{name}' is {reason}")
    return size


SHAPE_FUNCTIONS: Final[dict[str, Callable[[str, Sequence[int | None]], PlainData]]] = {
    "shape": _shape,
    "channels": _channels,
}
"""Functions of a name, written as under `from`, and the shape of the step or input it means."""
