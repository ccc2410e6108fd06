"""Works around additions that Keras computes wrong.

`keras.ops.add` on TensorFlow takes a second tensor with one axis longer than 1 for a bias, and adds
it along the last axis or the second one, whichever has that length, wherever the axis stands in the
second tensor (keras/src/backend/tensorflow/numpy.py, since Keras 3.7, pull request 20386; still so
in 3.16). So (1, n, 1, 1) and (1, 1, n, 1) give (1, n, 1, 1), and (n, n) and (n, 1) a wrong sum.
Functions other than `add` have no such case.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache
from itertools import islice, permutations, product
from typing import Final

import keras

from archbuilder.compiler.ir import Shape

ADDING_LAYERS: Final = ("Add", "Average")
"""Layers that add their tensors, one after the other, with `keras.ops.add`."""

_MAX_ORDERS: Final = 120


@cache
def may_misbroadcast(first: Shape, second: Shape) -> bool:
    """Whether `keras.ops.add` gives a wrong sum for some sizes of the axes that are open.

    Shapes have their batch axis.
    """
    return any(_misbroadcasts(*shapes) for shapes in _concrete_shapes(first, second))


def safe_order(shapes: Sequence[Shape]) -> tuple[int, ...] | None:
    """Return an order in which Keras adds tensors of these shapes right, the given one if possible.

    Merging layers give all tensors the same number of axes first, with axes behind the batch.
    """
    rank = max(map(len, shapes))
    padded_shapes = [(*shape[:1], *(1,) * (rank - len(shape)), *shape[1:]) for shape in shapes]
    for order in islice(permutations(range(len(padded_shapes))), _MAX_ORDERS):
        total = padded_shapes[order[0]]
        for index in order[1:]:
            if may_misbroadcast(total, padded_shapes[index]):
                break
            total = tuple(map(_broadcast_size, total, padded_shapes[index]))
        else:
            return order
    return None


def add_as_difference(x1: object, x2: object) -> object:
    """Add two tensors as `x1 - -x2`, which gives the same numbers and has no case for a bias."""
    return keras.ops.subtract(x1, keras.ops.negative(x2))


def bias_workaround(
    layer: keras.layers.Layer, inputs: Sequence[Shape], output: Shape
) -> str | None:
    """Return how to avoid a bias along a wrong axis, None where Keras adds it right.

    `inputs` and `output` are shapes with their batch axis.
    """
    for sublayer in layer._flatten_layers():  # noqa: SLF001 - the only way to those of attention
        bias = getattr(sublayer, "bias", None)
        if bias is None:
            continue
        if _has_channels_first(sublayer):
            sublayer_output = (None, *output[-1 - sublayer.rank :])
            if may_misbroadcast(sublayer_output, (1, bias.shape[0], *(1,) * sublayer.rank)):
                return "leave data_format out, or choose another number of filters"
        elif isinstance(sublayer, keras.layers.EinsumDense):
            outputs = [output]
            if sublayer is not layer:
                outputs = [(*shape[:-1], *bias.shape) for shape in inputs]
            if any(may_misbroadcast(shape, tuple(bias.shape)) for shape in outputs):
                if sublayer is layer:
                    return "leave bias_axes out, and add the bias with the layer Bias"
                return f"{type(layer).__name__} needs a key_dim above 1, or use_bias: false"
    return None


def _has_channels_first(layer: keras.layers.Layer) -> bool:
    is_convolution = "Conv" in type(layer).__name__ and "LSTM" not in type(layer).__name__
    return is_convolution and layer.data_format == "channels_first"


def _misbroadcasts(first: tuple[int, ...], second: tuple[int, ...]) -> bool:
    long_axes = [axis for axis, size in enumerate(second) if size > 1]
    if len(long_axes) != 1 or len(first) < 2:
        return False
    size = second[long_axes[0]]
    if size not in (first[1], first[-1]):
        return False
    axis = len(first) - 1 if first[-1] == size else 1
    return len(second) > len(first) or long_axes[0] - len(second) != axis - len(first)


def _concrete_shapes(
    first: Shape, second: Shape
) -> Iterator[tuple[tuple[int, ...], tuple[int, ...]]]:
    """Both shapes with every choice of sizes for their open axes that tensors can have.

    Axes that stand at the same place and are open in both have the same size.
    """
    known_sizes = {size for size in (*first, *second) if size is not None}
    candidate_sizes = sorted(known_sizes | {1, max(known_sizes, default=1) + 1})
    rank = max(len(first), len(second))
    axes = [
        (_axis_size(first, position), _axis_size(second, position))
        for position in range(rank, 0, -1)
    ]
    is_open = [None in pair for pair in axes]
    for sizes in product(candidate_sizes, repeat=sum(is_open)):
        remaining = iter(sizes)
        filled_sizes = [next(remaining) if each else 0 for each in is_open]
        pairs = [
            tuple(size if each is None else each for each in pair)
            for pair, size in zip(axes, filled_sizes, strict=True)
        ]
        if all(left == right or 1 in (left, right) for left, right in pairs):
            yield (
                tuple(pair[0] for pair in pairs)[rank - len(first) :],
                tuple(pair[1] for pair in pairs)[rank - len(second) :],
            )


def _axis_size(shape: Shape, position: int) -> int | None:
    """The size of an axis counted from the last one, which is 1."""
    return shape[-position] if position <= len(shape) else 1


def _broadcast_size(first: int | None, second: int | None) -> int | None:
    """The size of an axis of a sum."""
    return first if second == 1 else second
