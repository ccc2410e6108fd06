"""A model that has shapes and cannot be called is a mistake of the blueprint, with its place."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest
from helpers.graphs import chain, network, step

from archbuilder.compiler.ir import Graph
from archbuilder.diagnostics.errors import BlueprintError, Diagnostic
from archbuilder.keras_backend import analyze, build


def refused(graph: Graph) -> Diagnostic:
    """Why a graph is not built."""
    with pytest.raises(BlueprintError) as caught:
        build(graph)
    (diagnostic,) = caught.value.diagnostics
    return diagnostic


def test_slices_to_the_end():
    """A slice that goes to the end is written with null or -1, and the saved model computes it."""
    numbers = np.arange(24, dtype="float32").reshape(2, 3, 4)
    for rest in (None, -1):
        model = build(
            chain((3, 4), ("ops.slice", {"start_indices": [0, 1, 1], "shape": [rest, rest, 2]}))
        )
        assert model.output_shape == (None, 2, 2)
        for loaded in (model, keras.models.model_from_json(model.to_json())):
            assert np.array_equal(loaded(numbers), numbers[:, 1:, 1:3])


def test_slices_out_of_range():
    """They are found without weights, where the step stands."""
    graph = chain((8,), ("ops.slice", {"start_indices": [0, 6], "shape": [-1, 4]}))
    with pytest.raises(BlueprintError) as caught:
        analyze(graph)
    (diagnostic,) = caught.value.diagnostics
    assert diagnostic.code == "shape-mismatch"
    assert diagnostic.message == "'step0' (ops.slice) slices beyond the end of 'input' (8)"
    assert diagnostic.notes == ("axis 1 has 8 entries, but the slice covers 6 to 10",)


FAIL_AT_THE_CALL: list[tuple[str, dict[str, Any]]] = [
    ("AdaptiveAveragePooling1D", {"output_size": 4}),
    ("RNN", {"cell": {"GRUCell": 3}}),
]


@pytest.mark.parametrize(("layer", "values"), FAIL_AT_THE_CALL)
def test_a_layer_that_fails_at_the_call(layer: str, values: dict[str, Any]):
    """Keras gives it a shape; the mistake is at the step that fails, with the reason."""
    graph = network(
        {"x": (8, 8, 3)},
        step("first", "ReLU", "x", line=1),
        step("wrong", layer, "first", line=2, **values),
        step("last", "ReLU", "wrong", line=3),
    )
    diagnostic = refused(graph)
    assert diagnostic.code == "keras-rejected"
    assert diagnostic.message == f"'wrong' ({layer}) has an output shape, but calling it fails"
    assert diagnostic.location[1] == 2
    assert diagnostic.notes[0].startswith("Keras says: ")


def test_a_layer_that_gives_another_number_of_axes():
    """A layer for images takes rows without a word, and does not make what Keras promises."""
    diagnostic = refused(chain((6, 6), ("AdaptiveAveragePooling2D", {"output_size": 3})))
    start = "'step0' (AdaptiveAveragePooling2D) has an output shape, but"
    assert diagnostic.message.startswith(start)


def test_layers_that_return_their_input():
    """Keras finds a cycle in a model with such a layer."""
    assert refused(chain((8, 8, 3), ("Equalization", {}))).code == "keras-rejected"


def test_open_sizes_are_not_tried():
    """With a length left open nobody knows which lengths are right."""
    model = build(chain((None, 3), ("Conv1D", {"filters": 2, "kernel_size": 99})))
    assert model.output_shape == (None, None, 2)


def test_random_layers_draw_nothing():
    """Some of Keras draw numbers in inference; a model begins with its first all the same."""
    model = build(
        chain((8, 8, 3), ("MixUp", {"seed": 3}), ("RandomHue", {"factor": 0.1, "seed": 3}))
    )
    states = [np.asarray(each.value) for each in model.variables]
    assert [state.tolist() for state in states] == [[3, 0], [3, 0]]
