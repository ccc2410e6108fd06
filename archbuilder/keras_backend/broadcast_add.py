"""Workarounds for sums that `keras.ops.add` broadcasts along a wrong axis.

On TensorFlow, `keras.ops.add` takes a second tensor with exactly one axis longer than 1 for a bias.
It adds the bias along the last axis or along axis 1, whichever has that length, regardless of where
the axis stands in the second tensor (keras/src/backend/tensorflow/numpy.py, since Keras 3.7, pull
request 20386; unchanged in 3.16). Shapes (1, n, 1, 1) and (1, 1, n, 1) therefore give
(1, n, 1, 1), and the sum of (n, n) and (n, 1) is wrong. Other functions, such as `subtract`, are
not affected.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache
from itertools import islice, permutations, product
from typing import Final

import keras

from archbuilder.compiler.ir import Shape

ADDING_LAYERS: Final = ("Add", "Average")
"""Layers that add their input tensors, one after the other, with `keras.ops.add`."""

_MAX_ORDERS: Final = 120
"""Orders to try before giving up: all of them for up to 5 tensors (5! = 120)."""


@cache
def may_misbroadcast(first: Shape, second: Shape) -> bool:
    """Return whether `keras.ops.add` gives a wrong sum for some sizes of the unknown axes.

    Shapes include the batch axis.
    """
    for left, right in _concrete_shapes(first, second):
        # The conditions of Keras's special case, and the axis that it chooses.
        long_axes = [axis for axis, size in enumerate(right) if size > 1]
        if len(long_axes) != 1 or len(left) < 2:
            continue
        size = right[long_axes[0]]
        if size not in (left[1], left[-1]):
            continue
        axis = len(left) - 1 if left[-1] == size else 1
        # Broadcasting aligns shapes at their last axes, so positions are compared from the end. The
        # sum of Keras has the rank of `left`: it is wrong too where `right` has more axes.
        if len(right) > len(left) or long_axes[0] - len(right) != axis - len(left):
            return True
    return False


def safe_order(shapes: Sequence[Shape]) -> tuple[int, ...] | None:
    """Return an order of the tensors in which Keras adds them correctly, None if there is none.

    The original order is preferred. Shapes include the batch axis.
    """
    # Merging layers insert axes of size 1 after the batch axis until all ranks are equal.
    rank = max(map(len, shapes))
    padded_shapes = [(*shape[:1], *(1,) * (rank - len(shape)), *shape[1:]) for shape in shapes]
    for order in islice(permutations(range(len(padded_shapes))), _MAX_ORDERS):
        total = padded_shapes[order[0]]
        for index in order[1:]:
            if may_misbroadcast(total, padded_shapes[index]):
                break
            total = tuple(
                first if second == 1 else second
                for first, second in zip(total, padded_shapes[index], strict=True)
            )
        else:
            return order
    return None


def add_as_difference(x1: object, x2: object) -> object:
    """Add two tensors as `x1 - (-x2)`: the same numbers, without the special case for biases."""
    return keras.ops.subtract(x1, keras.ops.negative(x2))


def bias_workaround(
    layer: keras.layers.Layer, inputs: Sequence[Shape], output: Shape
) -> str | None:
    """Return a hint if Keras adds a bias of this layer along a wrong axis, None if it does not.

    `inputs` and `output` are shapes that include the batch axis.
    """
    # Attention adds biases in its inner EinsumDense layers. Keras has no public way to list them.
    for sublayer in layer._flatten_layers():  # noqa: SLF001
        bias = getattr(sublayer, "bias", None)
        if bias is None:
            continue
        # ConvLSTM adds its bias with `+=`, not `keras.ops.add`: TensorFlow broadcasts it correctly.
        is_convolution = "Conv" in type(sublayer).__name__ and "LSTM" not in type(sublayer).__name__
        if is_convolution and sublayer.data_format == "channels_first":
            # Keras reshapes the bias to (1, filters, 1, ...) before it adds it.
            sublayer_output = (None, *output[-1 - sublayer.rank :])
            if may_misbroadcast(sublayer_output, (1, bias.shape[0], *(1,) * sublayer.rank)):
                return "leave data_format out, or choose another number of filters"
        elif isinstance(sublayer, keras.layers.EinsumDense):
            outputs = [output]
            if sublayer is not layer:
                # A projection of attention: replaces the last axis with (heads, size per head).
                outputs = [(*shape[:-1], *bias.shape) for shape in inputs]
            if any(may_misbroadcast(shape, tuple(bias.shape)) for shape in outputs):
                if sublayer is layer:
                    return "leave bias_axes out, and add the bias with the layer AddBias"
                return f"{type(layer).__name__} needs a key_dim above 1, or use_bias: false"
    return None


def _concrete_shapes(
    first: Shape, second: Shape
) -> Iterator[tuple[tuple[int, ...], tuple[int, ...]]]:
    """Yield both shapes with every relevant choice of sizes for their unknown axes.

    Aligned axes that are unknown in both shapes get the same size. Pairs that do not broadcast are
    left out.
    """
    # Keras's special case depends only on which sizes are 1 and which are equal. So it is enough to
    # try 1, every known size, and one size that differs from all of them.
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
    """Return the size of an axis counted from the end (the last is 1); 1 for missing axes."""
    return shape[-position] if position <= len(shape) else 1
