"""Multiply-adds against numbers worked out by hand and against published ones."""

from __future__ import annotations

from typing import Any

import keras
import pytest
from helpers.graphs import chain, network, step

from archbuilder.compiler.ir import Graph
from archbuilder.keras_backend import analyze, build
from archbuilder.keras_backend.flops import LayerCall, multiply_adds


def counted(graph: Graph) -> int:
    """The multiply-adds of a network."""
    return analyze(graph).multiply_adds


LAYERS: list[tuple[str, tuple[int | None, ...], str, dict[str, Any], int]] = [
    ("dense", (5,), "Dense", {"units": 3}, 15),
    ("dense at every place", (7, 5), "Dense", {"units": 3}, 7 * 15),
    ("maxout", (7, 5), "Maxout", {"units": 3, "pieces": 2}, 7 * 5 * 6),
    ("capsules", (6, 8), "CapsuleRouting", {"capsules": 3, "dimension": 4}, 6 * 8 * 3 * 4),
    ("convolution", (10, 10, 3), "Conv2D", {"filters": 4, "kernel_size": 3}, 8 * 8 * 4 * 27),
    (
        "strided",
        (10, 10, 3),
        "Conv2D",
        {"filters": 4, "kernel_size": 3, "strides": 2, "padding": "same"},
        5 * 5 * 4 * 27,
    ),
    (
        "grouped",
        (10, 10, 4),
        "Conv2D",
        {"filters": 4, "kernel_size": 3, "groups": 2},
        8 * 8 * 4 * 18,
    ),
    (
        "dilated",
        (10, 10, 3),
        "Conv2D",
        {"filters": 4, "kernel_size": 3, "dilation_rate": 2},
        6 * 6 * 4 * 27,
    ),
    (
        "channels first",
        (3, 10, 10),
        "Conv2D",
        {"filters": 4, "kernel_size": 3, "data_format": "channels_first"},
        8 * 8 * 4 * 27,
    ),
    ("one axis", (10, 3), "Conv1D", {"filters": 4, "kernel_size": 3}, 8 * 4 * 9),
    ("three axes", (5, 5, 5, 2), "Conv3D", {"filters": 4, "kernel_size": 3}, 27 * 4 * 54),
    ("depthwise", (10, 10, 3), "DepthwiseConv2D", {"kernel_size": 3}, 8 * 8 * 3 * 9),
    (
        "depthwise twice",
        (10, 3),
        "DepthwiseConv1D",
        {"kernel_size": 3, "depth_multiplier": 2},
        8 * 6 * 3,
    ),
    (
        "separable",
        (10, 10, 3),
        "SeparableConv2D",
        {"filters": 4, "kernel_size": 3},
        8 * 8 * (3 * 9 + 3 * 4),
    ),
    (
        "transposed",
        (5, 5, 3),
        "Conv2DTranspose",
        {"filters": 4, "kernel_size": 3, "strides": 2},
        5 * 5 * 3 * 4 * 9,
    ),
    (
        "einsum",
        (6, 5),
        "EinsumDense",
        {"equation": "abc,cde->abde", "output_shape": [None, 2, 4]},
        6 * 5 * 8,
    ),
    (
        "einsum with dots",
        (6, 7, 5),
        "EinsumDense",
        {"equation": "...x,xy->...y", "output_shape": 4},
        6 * 7 * 5 * 4,
    ),
    ("lstm", (7, 5), "LSTM", {"units": 3}, 7 * 4 * 3 * (5 + 3)),
    ("gru", (7, 5), "GRU", {"units": 3}, 7 * 3 * 3 * (5 + 3)),
    ("plain recurrent", (7, 5), "SimpleRNN", {"units": 3}, 7 * 3 * (5 + 3)),
    (
        "cells",
        (7, 5),
        "RNN",
        {"cell": {"StackedRNNCells": {"cells": [{"GRUCell": 3}, {"LSTMCell": 2}]}}},
        7 * (3 * 3 * (5 + 3) + 4 * 2 * (3 + 2)),
    ),
    (
        "both ways",
        (7, 5),
        "Bidirectional",
        {"layer": {"LSTM": {"units": 3, "return_sequences": True}}},
        2 * 7 * 4 * 3 * (5 + 3),
    ),
    ("over time", (7, 5), "TimeDistributed", {"layer": {"Dense": 3}}, 7 * 15),
    (
        "recurrent convolution",
        (7, 10, 10, 3),
        "ConvLSTM2D",
        {"filters": 2, "kernel_size": 3, "padding": "same", "return_sequences": True},
        7 * 100 * 9 * 8 * (3 + 2),
    ),
    ("wrapped", (5,), "SpectralNormalization", {"layer": {"Dense": 3}}, 15),
    ("nothing to multiply", (8, 8, 3), "MaxPooling2D", {}, 0),
    ("normalisation", (8, 8, 3), "BatchNormalization", {}, 0),
]


@pytest.mark.parametrize(
    ("shape", "layer", "values", "expected"),
    [case[1:] for case in LAYERS],
    ids=[case[0] for case in LAYERS],
)
def test_flops_per_layer(shape: tuple[int, ...], layer: str, values: dict[str, Any], expected: int):
    """Each family of layers counts what the formula of its paper says."""
    assert counted(chain(shape, (layer, values))) == expected


def test_flops_of_attention():
    """Queries and keys may be of different lengths; scores are not counted."""
    graph = network(
        {"x": (6, 16), "memory": (9, 10)},
        step(
            "attend",
            "MultiHeadAttention",
            keywords={"query": "x", "value": "memory"},
            num_heads=2,
            key_dim=4,
            value_dim=5,
        ),
    )
    query, key, value, output = 6 * 16 * 8, 9 * 10 * 8, 9 * 10 * 10, 6 * 10 * 16
    assert counted(graph) == query + key + value + output


def test_flops_of_grouped_query_attention():
    """Heads that share keys and values save their projections."""
    graph = network(
        {"x": (6, 16)},
        step(
            "attend",
            "GroupQueryAttention",
            ["x", "x"],
            head_dim=4,
            num_query_heads=4,
            num_key_value_heads=2,
        ),
    )
    assert counted(graph) == 6 * 16 * (16 + 8 + 8 + 16)


def test_flops_of_tied_embeddings():
    """Looking tokens up takes no products; scoring all of them does."""
    graph = network(
        {"tokens": ((6,), "int32")},
        step("embed", "ReversibleEmbedding", "tokens", input_dim=50, output_dim=8),
        step("scores", "ReversibleEmbedding", "embed", shares="embed", call={"reverse": True}),
    )
    analysis = analyze(graph)
    assert [node.multiply_adds for node in analysis.nodes] == [0, 6 * 8 * 50]
    assert [node.parameters for node in analysis.nodes] == [400, 0]


def test_flops_with_open_lengths():
    """A length left open counts once, and the analysis says so."""
    analysis = analyze(chain((None, 5), ("LSTM", {"units": 3})))
    assert analysis.multiply_adds == 4 * 3 * (5 + 3)
    assert not analysis.is_static


@pytest.mark.parity
@pytest.mark.parametrize(
    ("name", "expected"), [("VGG16", 15_470_264_320), ("ResNet50", 3_857_973_248)]
)
def test_flops_of_published_networks(name: str, expected: int):
    """The sums over Keras's own models are the published ones."""
    with keras.StatelessScope(initialize_variables=False):
        model = getattr(keras.applications, name)(weights=None)
    total = 0
    for layer in model.layers[1:]:
        shapes = [tensor.shape[1:] for tensor in keras.tree.flatten(layer.input)]
        total += multiply_adds(
            LayerCall(layer, {"inputs": shapes[0]}, [layer.output.shape[1:]], {})
        )
    keras.utils.clear_session()
    assert total == expected


def test_parameter_count():
    """Parameters are those that Keras counts once the model is built."""
    graph = chain((8, 8, 3), ("Conv2D", {"filters": 4, "kernel_size": 3}), ("Flatten", {}))
    assert analyze(graph).parameters == build(graph).count_params()
