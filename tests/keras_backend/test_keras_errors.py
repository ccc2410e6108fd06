"""What Keras refuses is a mistake of the blueprint, with a place and both shapes."""

from __future__ import annotations

from typing import Any

import pytest
from helpers.graphs import SPAN, chain, network, step

from archbuilder.compiler.ir import Graph
from archbuilder.diagnostics.errors import BlueprintError, Diagnostic, ExpansionFrame
from archbuilder.keras_backend import analyze


def mistakes(graph: Graph) -> tuple[Diagnostic, ...]:
    """The mistakes of a graph, by their places."""
    with pytest.raises(BlueprintError) as caught:
        analyze(graph)
    return caught.value.diagnostics


def test_merge_error_names_all_shapes():
    """A merge that fails names the shapes and the steps that made them."""
    graph = network(
        {"x": (56, 56, 64)},
        step("pool", "MaxPooling2D", "x", pool_size=2),
        step("join", "Add", ["x", "pool"], line=7),
    )
    (diagnostic,) = mistakes(graph)
    assert diagnostic.code == "shape-mismatch"
    assert diagnostic.message == (
        "'join' (Add) cannot join 'x' (56, 56, 64) with 'pool' (28, 28, 64)"
    )
    assert diagnostic.span is not None
    assert diagnostic.span.line == 7
    assert diagnostic.notes[0].startswith("Keras says: ")


def test_merge_of_a_single_tensor():
    """A difference needs two; all outputs of one step are several, be they one this time."""
    (diagnostic,) = mistakes(network({"x": (4,)}, step("join", "Subtract", ["x"], line=3)))
    assert (diagnostic.code, diagnostic.location[1]) == ("invalid-inputs", 3)
    assert diagnostic.message == "'join' (Subtract) needs 2 inputs, not 1"
    split = step("parts", "ops.split", "x", indices_or_sections=1, axis=-1)
    assert analyze(network({"x": (4,)}, split, step("join", "Add", ["parts"]))).is_static


@pytest.mark.parametrize(
    ("shape", "operation", "arguments", "hint"),
    [
        ((28, 28), "Conv2D", {"filters": 1, "kernel_size": 3}, "an axis of channels is missing"),
        ((28,), "MaxPooling1D", {}, "an axis of channels is missing"),
        ((None, 28, 28, 1), "Conv2D", {"filters": 1, "kernel_size": 3}, "have no batch axis"),
        ((4,), "GRU", {"units": 2}, "'return_sequences: true'"),
        ((4,), "Reshape", {"target_shape": [3]}, "Keras says"),
    ],
)
def test_hints_about_an_axis(
    shape: tuple[int | None, ...], operation: str, arguments: dict[str, Any], hint: str
):
    """Channels that were left out, a batch axis that was written, a sequence that was not kept."""
    (diagnostic,) = mistakes(network({"x": shape}, step("call", operation, "x", **arguments)))
    assert hint in diagnostic.notes[0]


def test_error_names_call_inputs():
    """Inputs of different meaning are shown with the names of the call."""
    graph = network(
        {"x": (6, 8), "bias": (5,)}, step("sum", "ops.add", "x", keywords={"x2": "bias"})
    )
    (diagnostic,) = mistakes(graph)
    assert diagnostic.message == "'sum' (ops.add) cannot take x1 'x' (6, 8) and x2 'bias' (5)"


def test_error_shows_open_sizes_as_null():
    """A size left open is shown as a blueprint writes it."""
    (diagnostic,) = mistakes(chain((None, 3), ("Flatten", {}), ("Dense", {"units": 2})))
    assert diagnostic.message == "'step1' (Dense) cannot take 'step0' (null)"


SMALL: list[tuple[str, dict[str, Any]]] = [
    ("Conv2D", {"filters": 4, "kernel_size": 9}),
    ("DepthwiseConv2D", {"kernel_size": 9}),
    ("MaxPooling2D", {"pool_size": 9}),
    ("AveragePooling2D", {"pool_size": 9}),
    ("Cropping2D", {"cropping": 4}),
    ("ops.slice", {"start_indices": [0, 0, 0, 0], "shape": [1, 0, 2, 2]}),
]


@pytest.mark.parametrize(("layer", "values"), SMALL, ids=[layer for layer, _ in SMALL])
def test_empty_output(layer: str, values: dict[str, Any]):
    """A size of zero or less is a mistake, whether Keras refuses it or computes it."""
    (diagnostic,) = mistakes(chain((8, 8, 3), (layer, values)))
    assert diagnostic.code == "empty-output"
    assert (
        diagnostic.message
        == f"'step0' ({layer}) has an empty output for the input 'input' (8, 8, 3)"
    )


REFUSED: list[tuple[str, dict[str, Any]]] = [
    ("Conv2D", {"filters": 8, "kernel_size": 3, "strides": 2, "dilation_rate": 2}),
    ("Permute", {"dims": [1, 1, 2]}),
    ("Conv2DTranspose", {"filters": 8, "kernel_size": 3, "output_padding": 2}),
    ("Bidirectional", {"layer": {"LSTM": 3}, "backward_layer": {"LSTM": 3}}),
]


@pytest.mark.parametrize(("layer", "values"), REFUSED, ids=[layer for layer, _ in REFUSED])
def test_arguments_rejected_by_keras(layer: str, values: dict[str, Any]):
    """Arguments that Keras does not take together are its refusal, at the step."""
    (diagnostic,) = mistakes(chain((8, 8, 3), (layer, values)))
    assert diagnostic.code == "keras-rejected"
    assert diagnostic.message == f"Keras rejects the arguments of {layer}"


MISFITS: list[tuple[str, dict[str, Any]]] = [
    ("BatchNormalization", {"axis": 7}),
    ("Conv2D", {"filters": 4, "kernel_size": 3, "groups": 2}),
    ("GroupNormalization", {"groups": 2}),
    ("LSTM", {"units": 3}),
    ("LocalResponseNormalization", {"depth_radius": -1}),
    ("MultiHeadAttention", {"num_heads": 2, "key_dim": 3}),
    ("Reshape", {"target_shape": [7]}),
    ("SinePositionEncoding", {}),
    ("TimeDistributed", {"layer": {"Conv2D": {"filters": 2, "kernel_size": 3}}}),
    ("ops.expand_dims", {"axis": 9}),
    ("ops.squeeze", {"axis": 1}),
    ("ops.transpose", {"axes": [0, 1]}),
]


@pytest.mark.parametrize(("layer", "values"), MISFITS, ids=[layer for layer, _ in MISFITS])
def test_shape_errors(layer: str, values: dict[str, Any]):
    """Whatever Keras and TensorFlow raise for a shape is a mistake and no traceback."""
    (diagnostic,) = mistakes(chain((8, 8, 3), (layer, values)))
    assert diagnostic.code in ("shape-mismatch", "keras-rejected")
    assert diagnostic.notes


def test_all_shape_errors_are_reported_at_once():
    """What does not need a failed step is checked too, and a failed step is told once."""
    graph = network(
        {"x": (8,)},
        step("bad", "Reshape", "x", line=1, target_shape=[3]),
        step("needs_bad", "Dense", "bad", line=2, units=4),
        step("also_bad", "Permute", "needs_bad", line=3, dims=[2, 2]),
        step("good", "Dense", "x", line=4, units=4),
        step("shared", "Permute", "x", line=5, shares="also_bad"),
        step("join", "Add", ["good", "x"], line=6),
        outputs={"a": "needs_bad", "b": "join"},
    )
    assert [(diagnostic.location[1], diagnostic.code) for diagnostic in mistakes(graph)] == [
        (1, "shape-mismatch"),
        (3, "keras-rejected"),
        (6, "shape-mismatch"),
    ]


def test_errors_have_expansion_frames():
    """A mistake within a block carries the places where the block was used."""
    frame = ExpansionFrame("block", "fire", SPAN)
    (diagnostic,) = mistakes(
        network({"x": (8,)}, step("fire.bad", "Reshape", "x", frame=frame, target_shape=[3]))
    )
    assert diagnostic.frame is frame


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("lstm.3", "there is no 'lstm.3': 'lstm' has 3 outputs, numbered from 0"),
        ("lstm", "'lstm' has 3 outputs: select one, as in 'lstm.0'"),
        ("dense.1", "there is no 'dense.1': 'dense' has one output, numbered from 0"),
    ],
)
def test_unknown_outputs_of_a_step(source: str, message: str):
    """An output that is not there, or not told, is a mistake where it is read."""
    graph = network(
        {"x": (5, 8)},
        step("lstm", "LSTM", "x", units=4, return_state=True),
        step("dense", "Dense", "x", units=4),
        step("last", "Dense", source, line=3, units=2),
    )
    (diagnostic,) = mistakes(graph)
    assert (diagnostic.code, diagnostic.message, diagnostic.location[1]) == (
        "unknown-output",
        message,
        3,
    )


def test_unknown_outputs_of_the_network():
    """The outputs of the network are checked as well."""
    graph = network({"x": (8,)}, step("d", "Dense", "x", units=2), outputs={"y": "d.1"})
    assert [diagnostic.code for diagnostic in mistakes(graph)] == ["unknown-output"]


def test_unknown_input_dtype():
    """A dtype that Keras does not know is told at the input."""
    graph = network({"x": ((8,), "float33")}, step("d", "Dense", "x", units=2))
    assert [diagnostic.code for diagnostic in mistakes(graph)] == ["keras-rejected"]


def test_errors_of_own_layers():
    """What a layer of archbuilder does not take is its own message, and not one of Keras."""
    (diagnostic,) = mistakes(network({"x": (8, 3)}, step("m", "RandomMasking", "x", axis=3)))
    assert diagnostic.notes[0] == (
        "'axis' must be from 1 to 2 for inputs of the shape [None, 8, 3], not 3"
    )


def test_keras_messages_are_escaped():
    """Foreign text in what Keras says is shown without control characters, and short."""
    evil = "\x1b[2J" + "x" * 5000
    (diagnostic,) = mistakes(chain((8,), ("Dense", {"units": evil})))
    assert all("\x1b" not in note and len(note) < 400 for note in diagnostic.notes)
