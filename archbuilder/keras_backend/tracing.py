"""Trace functions of `keras.ops` with TensorFlow to get their real output shapes.

Keras computes output shapes by rules that are separate from the code that runs, and may differ.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import keras
import tensorflow as tf

from archbuilder.compiler.ir import Shape


def trace(
    function: Callable[..., object],
    positional: Sequence[object],
    keywords: Mapping[str, object],
    *,
    batch_size: int | None = None,
) -> list[Shape | None]:
    """Return the output shapes that TensorFlow computes for a call with `KerasTensor`s.

    `batch_size` stands for the first axis of tensors where it is unknown.

    Shapes include the batch axis. A shape is None if not even its rank is known. Exceptions of
    TensorFlow for invalid arguments and shapes are passed on.
    """
    flat: Sequence[object] = keras.tree.flatten((positional, keywords))
    keras_tensors = [each for each in flat if isinstance(each, keras.KerasTensor)]

    def call(tensors: Sequence[tf.Tensor]) -> object:
        remaining = iter(tensors)
        call_values = [
            next(remaining) if isinstance(each, keras.KerasTensor) else each for each in flat
        ]
        values, by_name = keras.tree.pack_sequence_as((positional, keywords), call_values)
        return function(*values, **by_name)

    specs = [
        tf.TensorSpec(
            (batch_size, *each.shape[1:]) if each.shape[:1] == (None,) else each.shape, each.dtype
        )
        for each in keras_tensors
    ]
    # Keras's own code needs no AutoGraph, which would make the trace slower.
    concrete_function = tf.function(call, autograph=False).get_concrete_function(specs)
    shapes = [each.shape for each in keras.tree.flatten(concrete_function.structured_outputs)]
    return [None if shape.rank is None else tuple(shape) for shape in shapes]
