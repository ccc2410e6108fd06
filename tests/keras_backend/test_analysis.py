"""What is told of a model before it is built is what it then is."""

from __future__ import annotations

import math

import keras
import pytest
from helpers.graphs import chain, network, step
from hypothesis import given, settings
from hypothesis import strategies as st

from archbuilder.keras_backend import analyze, build
from archbuilder.keras_backend.analysis import item_bytes
from archbuilder.plain_data import PlainData

Layer = tuple[str, dict[str, PlainData]]

LAYERS: st.SearchStrategy[Layer] = st.one_of(
    st.builds(
        lambda filters, kernel, strides: (
            "Conv2D",
            {"filters": filters, "kernel_size": kernel, "strides": strides, "padding": "same"},
        ),
        st.integers(1, 6),
        st.integers(1, 3),
        st.integers(1, 2),
    ),
    st.builds(lambda units: ("Dense", {"units": units}), st.integers(1, 6)),
    st.builds(lambda scale: ("BatchNormalization", {"scale": scale}), st.booleans()),
    st.builds(lambda trainable: ("Dense", {"units": 2, "trainable": trainable}), st.booleans()),
    st.just(("MaxPooling2D", {"pool_size": 2, "padding": "same"})),
    st.just(("ops.relu", {})),
)


@settings(max_examples=20)
@given(st.lists(LAYERS, min_size=1, max_size=6))
def test_analysis_agrees_with_the_model(layers: list[Layer]):
    """Parameters, shapes and bytes of random networks are those of the built model."""
    graph = chain((9, 9, 3), *layers)
    analysis, model = analyze(graph), build(graph)
    trainable = sum(math.prod(weight.shape) for weight in model.trainable_weights)
    assert analysis.parameters == model.count_params()
    assert analysis.trainable_parameters == trainable
    assert analysis.outputs == {"output": tuple(model.output_shape[1:])}
    assert analysis.weight_bytes == 4 * analysis.parameters
    for node, operation in zip(analysis.nodes, model.operations[1:], strict=True):
        assert node.name == operation.name
        assert node.shapes == (tuple(operation.output.shape[1:]),)
        assert node.activation_bytes == 4 * math.prod(operation.output.shape[1:])


def test_bytes_follow_the_dtype():
    """Half precision takes half the memory, of weights and of activations."""
    analysis = analyze(chain((8,), ("Dense", {"units": 4, "dtype": "float16"})))
    assert (analysis.weight_bytes, analysis.activation_bytes) == (2 * 36, 4 * 8 + 2 * 4)


@pytest.mark.parametrize(
    ("dtype", "size"),
    [("bool", 1), ("int8", 1), ("bfloat16", 2), ("float32", 4), ("float8_e4m3fn", 1), ("int4", 1)],
)
def test_bytes_per_dtype(dtype: str, size: int):
    """Every dtype of Keras has its size."""
    assert item_bytes(dtype) == size


def test_peak_activations_of_a_chain():
    """In inference a chain holds two tensors at a time; in training all of them."""
    graph = chain((1000,), *[("Activation", {"activation": "relu"})] * 10)
    analysis = analyze(graph)
    assert analysis.activation_bytes == 11 * 4000
    assert analysis.peak_activation_bytes == 2 * 4000


def test_peak_activations_with_skip_connection():
    """A tensor that is read later is alive until then."""
    graph = network(
        {"x": (1000,)},
        step("a", "Activation", "x", activation="relu"),
        step("b", "Activation", "a", activation="relu"),
        step("c", "Activation", "b", activation="relu"),
        step("join", "Add", ["a", "c"]),
    )
    assert analyze(graph).peak_activation_bytes == 3 * 4000


def test_shapes_of_all_outputs():
    """A layer of several outputs has the shape of each."""
    (node,) = analyze(
        network(
            {"x": (5, 8)},
            step("lstm", "LSTM", "x", units=4, return_sequences=True, return_state=True),
            outputs={"y": "lstm.0"},
        )
    ).nodes
    assert node.shapes == ((5, 4), (4,), (4,))


def test_training_bytes():
    """Gradients and moments come on top of the weights, and activations for each example."""
    analysis = analyze(chain((8,), ("Dense", {"units": 4})))
    assert analysis.training_bytes(10) == 4 * analysis.weight_bytes + 10 * (32 + 16)
    assert analysis.init_peak_bytes == analysis.weight_bytes + 2 * 4 * 32


def test_random_state_is_not_a_parameter():
    """The state of dropout is a variable of the model but no parameter of it."""
    graph = chain((8,), ("Dropout", {"rate": 0.5}))
    assert analyze(graph).parameters == 0
    assert len(build(graph).variables) == 1
    assert isinstance(build(graph).layers[1], keras.layers.Dropout)
