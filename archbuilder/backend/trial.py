"""Try calls before anything is trained or saved.

Keras computes many shapes by rules of its own, beside the code that runs. A model may have shapes
and yet fail at its first call: `keras.ops.slice` with a size of None, and
`AdaptiveAveragePooling1D` on images (both Keras 3.15.1).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Final, TypeVar

import keras
import numpy as np
import tensorflow as tf

from archbuilder.backend.analysis import Analysis
from archbuilder.backend.assembly import Assembly
from archbuilder.backend.isolation import isolated
from archbuilder.backend.refusals import REFUSALS, Refusal, reason
from archbuilder.backend.shapes import shape_of, shape_text
from archbuilder.errors import Diagnostics
from archbuilder.graph import Graph

Tensor = TypeVar("Tensor")

_EXAMPLES: Final = 2
_MOST_NODES: Final = 100
_MOST_MULTIPLY_ADDS: Final = 5 * 10**7
_MOST_BYTES: Final = 32 * 2**20
"""Bounds that keep the call below a second, where importing TensorFlow takes several."""

_DEPENDS_ON_VALUES: Final = ("StringLookup", "IntegerLookup", "TextVectorization")
"""Layers that may fail for some inputs and work for others, such as unknown words."""


def check_call(graph: Graph, analysis: Analysis, assembly: Assembly) -> None:
    """Call a model that has its weights once, where that is cheap and its sizes are known.

    Raises:
        BlueprintError: when the model cannot be called, with the step and the reason.
    """
    if _is_cheap(analysis) and _is_decided(graph, analysis):
        diagnostics = Diagnostics()
        isolated(lambda: _call(graph, assembly, diagnostics))
        diagnostics.raise_errors()


@contextmanager
def _same_seeds(model: keras.Model) -> Iterator[None]:
    """Restore the states of random layers, some of which draw numbers in inference, too."""
    weights = {id(each) for each in model.weights}
    states = [each for each in model.variables if id(each) not in weights]
    values = [keras.ops.convert_to_numpy(each.value) for each in states]
    try:
        yield
    finally:
        for state, value in zip(states, values, strict=True):
            state.assign(value)


def _call(graph: Graph, assembly: Assembly, diagnostics: Diagnostics) -> None:
    """Call a model and, if that fails, report the first step that cannot be called."""
    inputs = {name: _numbers(tensor) for name, tensor in assembly.inputs.items()}
    with _same_seeds(assembly.model):
        if _failure(assembly.model, inputs) is None:
            return
        for node in graph.nodes:
            outputs = list(assembly.made[node.name].outputs)
            error = _failure(keras.Model(_structured(assembly.inputs), outputs), inputs)
            if error is not None:
                message = f"'{node.name}' ({node.operation}) has a shape, but cannot be called"
                with diagnostics.inside(node.frame):
                    Refusal("keras-refused", message, node.span, reason(error)).report(diagnostics)
                return


def _is_cheap(analysis: Analysis) -> bool:
    return (
        len(analysis.nodes) <= _MOST_NODES
        and analysis.multiply_adds <= _MOST_MULTIPLY_ADDS
        and analysis.activation_bytes <= _MOST_BYTES
    )


def _is_decided(graph: Graph, analysis: Analysis) -> bool:
    """Whether one call tells about all: nothing hangs on lengths, values or several devices."""
    inputs = analysis.inputs.values()
    return (
        all(spec.exact and spec.dtype != "string" for spec in inputs)
        and not any(node.operation in _DEPENDS_ON_VALUES for node in graph.nodes)
        and not tf.distribute.has_strategy()
    )


def _numbers(tensor: keras.KerasTensor) -> tf.Tensor:
    """A batch for an input: whole numbers are 0, which every table has."""
    shape = (_EXAMPLES, *tensor.shape[1:])
    dtype = keras.backend.standardize_dtype(tensor.dtype)
    if not keras.backend.is_float_dtype(dtype):
        return tf.zeros(shape, dtype)
    return tf.cast(np.random.default_rng(0).random(shape, "float32"), dtype)


def _failure(model: keras.Model, inputs: Mapping[str, tf.Tensor]) -> Exception | None:
    try:
        result = model(_structured(inputs), training=False)
    except REFUSALS as error:
        return error
    for promised, tensor in zip(model.outputs, keras.tree.flatten(result), strict=True):
        # Sizes may differ: those of attention scores are wrong in Keras 3.15.1.
        if len(promised.shape) != len(tensor.shape):
            shapes = f"{shape_text(shape_of(promised))}, not {shape_text(shape_of(tensor))}"
            return ValueError(f"the output should have the shape {shapes}")
    return None


def _structured(inputs: Mapping[str, Tensor]) -> Tensor | dict[str, Tensor]:
    """Inputs as a model takes them: one alone, or several by name."""
    return next(iter(inputs.values())) if len(inputs) == 1 else dict(inputs)
