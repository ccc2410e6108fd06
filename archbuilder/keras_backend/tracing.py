"""Traces functions of `keras.ops` with TensorFlow.

Keras computes the shapes of its functions by rules of its own, beside the code that runs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import keras
import tensorflow as tf

from archbuilder.compiler.ir import Shape


def trace(
    function: Callable[..., object], *arguments: object, **keywords: object
) -> list[Shape | None]:
    """Return the shapes that TensorFlow computes for a call of a function with `KerasTensor`s.

    Shapes have their batch axis. A shape is None where not even its number of axes is known.

    Raises whatever TensorFlow raises for arguments and shapes that it does not take.
    """
    flat: Sequence[object] = keras.tree.flatten((arguments, keywords))
    keras_tensors = [each for each in flat if isinstance(each, keras.KerasTensor)]

    def call(tensors: Sequence[tf.Tensor]) -> object:
        remaining = iter(tensors)
        call_values = [
            next(remaining) if isinstance(each, keras.KerasTensor) else each for each in flat
        ]
        positional, by_name = keras.tree.pack_sequence_as((arguments, keywords), call_values)
        return function(*positional, **by_name)

    specs = [tf.TensorSpec(each.shape, each.dtype) for each in keras_tensors]
    concrete_function = tf.function(call, autograph=False).get_concrete_function(specs)
    shapes = [each.shape for each in keras.tree.flatten(concrete_function.structured_outputs)]
    return [None if shape.rank is None else tuple(shape) for shape in shapes]
