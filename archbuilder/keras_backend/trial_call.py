"""Call small models once, before they are trained or saved.

Keras computes many shapes by rules that are separate from the code that runs. A model may have
valid shapes and still fail at its first call: `keras.ops.slice` with a size of None, or
`AdaptiveAveragePooling1D` on images (both in Keras 3.15.1).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Final, TypeVar

import keras
import numpy as np
import tensorflow as tf

from archbuilder.compiler.ir import Graph
from archbuilder.diagnostics.errors import Diagnostics
from archbuilder.keras_backend.analysis import Analysis
from archbuilder.keras_backend.functional import BuiltGraph
from archbuilder.keras_backend.keras_errors import KERAS_ERRORS, BuildError, error_notes
from archbuilder.keras_backend.shape_format import format_shape, shape_without_batch
from archbuilder.keras_backend.state_scope import run_in_fresh_keras_state

Tensor = TypeVar("Tensor")

_BATCH_SIZE: Final = 2
_MAX_NODES: Final = 100
_MAX_MULTIPLY_ADDS: Final = 5 * 10**7
_MAX_ACTIVATION_BYTES: Final = 32 * 2**20
"""Bounds that keep the call below one second; importing TensorFlow takes several."""

_VALUE_DEPENDENT_LAYERS: Final = ("StringLookup", "IntegerLookup", "TextVectorization")
"""Layers that fail for some inputs and accept others, such as words of their vocabulary."""


def check_forward_pass(graph: Graph, analysis: Analysis, built_graph: BuiltGraph) -> None:
    """Call an initialized model once, if that is cheap and conclusive.

    Raises:
        BlueprintError: if the call fails, with the node and the reason.
    """
    is_cheap = (
        len(analysis.nodes) <= _MAX_NODES
        and analysis.multiply_adds <= _MAX_MULTIPLY_ADDS
        and analysis.activation_bytes <= _MAX_ACTIVATION_BYTES
    )
    # One call stands for all if they do not depend on lengths, values and devices. With an unknown
    # length, any length tried here may be one that the network is not made for.
    is_conclusive = (
        all(spec.is_static and spec.dtype != "string" for spec in analysis.inputs.values())
        and not any(node.operation in _VALUE_DEPENDENT_LAYERS for node in graph.nodes)
        and not tf.distribute.has_strategy()
    )
    if is_cheap and is_conclusive:
        diagnostics = Diagnostics()
        run_in_fresh_keras_state(lambda: _call_with_restored_seeds(graph, built_graph, diagnostics))
        diagnostics.raise_errors()


@contextmanager
def _restore_random_state(model: keras.Model) -> Iterator[None]:
    """Restore the seed states of random layers, some of which draw numbers in inference too."""
    # Seeds are in `variables` but not in `weights`.
    weights = {id(each) for each in model.weights}
    states = [each for each in model.variables if id(each) not in weights]
    values = [keras.ops.convert_to_numpy(each.value) for each in states]
    try:
        yield
    finally:
        for state, value in zip(states, values, strict=True):
            state.assign(value)


def _call_with_restored_seeds(
    graph: Graph, built_graph: BuiltGraph, diagnostics: Diagnostics
) -> None:
    """Call a model and, if that fails, report the first node whose call fails."""
    inputs = {}
    for name, tensor in built_graph.inputs.items():
        shape = (_BATCH_SIZE, *tensor.shape[1:])
        dtype = keras.backend.standardize_dtype(tensor.dtype)
        # Integers are mostly indices, and 0 is a valid index into every table.
        inputs[name] = (
            tf.cast(np.random.default_rng(0).random(shape, "float32"), dtype)
            if keras.backend.is_float_dtype(dtype)
            else tf.zeros(shape, dtype)
        )
    with _restore_random_state(built_graph.model):
        if _call_error(built_graph.model, inputs) is None:
            return
        # The exception does not say reliably which layer failed. Models that end in each node in
        # turn find it.
        for node in graph.nodes:
            outputs = list(built_graph.nodes[node.name].outputs)
            error = _call_error(keras.Model(_pack_inputs(built_graph.inputs), outputs), inputs)
            if error is not None:
                message = (
                    f"'{node.name}' ({node.operation}) has an output shape, but calling it fails"
                )
                with diagnostics.within(node.frame):
                    BuildError("keras-rejected", message, node.span, error_notes(error)).report(
                        diagnostics
                    )
                return


def _call_error(model: keras.Model, inputs: Mapping[str, tf.Tensor]) -> Exception | None:
    """Call a model and return the exception, or None if the ranks of all outputs are right."""
    try:
        result = model(_pack_inputs(inputs), training=False)
    except KERAS_ERRORS as error:
        return error
    for symbolic_output, tensor in zip(model.outputs, keras.tree.flatten(result), strict=True):
        # Compare ranks only: Keras 3.15.1 computes wrong sizes for attention scores.
        if len(symbolic_output.shape) != len(tensor.shape):
            shapes = (
                f"{format_shape(shape_without_batch(symbolic_output))}, not"
                f" {format_shape(shape_without_batch(tensor))}"
            )
            return ValueError(f"the output should have the shape {shapes}")
    return None


def _pack_inputs(inputs: Mapping[str, Tensor]) -> Tensor | dict[str, Tensor]:
    """Return the inputs as a model takes them: a single tensor, or several by name."""
    return next(iter(inputs.values())) if len(inputs) == 1 else dict(inputs)
