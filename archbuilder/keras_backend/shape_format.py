"""Format shapes, without the batch axis, for messages."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import keras

from archbuilder.compiler.ir import Shape


@dataclass(frozen=True, slots=True, eq=False)
class CallTensor:
    """An input tensor of a call, with its argument and the reference (`source`) to its node."""

    argument: str
    source: str
    tensor: keras.KerasTensor
    has_batch_axis: bool = True

    @property
    def shape(self) -> Shape:
        """Shape without the batch axis."""
        return example_shape(self.tensor, has_batch_axis=self.has_batch_axis)

    def __str__(self) -> str:
        return f"'{self.source}' {format_shape(self.shape)}"


def shape_without_batch(tensor: keras.KerasTensor) -> Shape:
    """Return the shape of a tensor without the batch axis."""
    return tuple(tensor.shape[1:])


def example_shape(tensor: keras.KerasTensor, *, has_batch_axis: bool) -> Shape:
    """Return the shape of a tensor for one example; all of it if it has no batch axis."""
    return shape_without_batch(tensor) if has_batch_axis else tuple(tensor.shape)


def format_shape(shape: Shape) -> str:
    """Format a shape as `(56, 56, 64)`, with `null` for an unknown size as in a blueprint."""
    sizes = ", ".join("null" if size is None else str(size) for size in shape)
    return f"({sizes})"


def is_empty(shape: Shape) -> bool:
    """Return whether a size is zero or negative."""
    # Some of Keras's shape rules give negative sizes instead of an error.
    return any(size is not None and size <= 0 for size in shape)


def format_tensors(call_tensors: Sequence[CallTensor]) -> str:
    """Format the tensors of a call with their shapes and, if these differ, their arguments."""
    arguments = {each.argument for each in call_tensors}
    if len(arguments) == 1:
        first, *rest = map(str, call_tensors)
        return first if not rest else f"{first} with {' and '.join(rest)}"
    return " and ".join(f"{each.argument} {each}" for each in call_tensors)
