"""What a graph becomes in Keras."""

from __future__ import annotations

import random
import sys
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from helpers.graphs import chain, network, step
from helpers.subprocesses import CommandProcess

from archbuilder.keras_backend import analyze, build, build_symbolic


def names(model: keras.Model) -> list[str]:
    """The names of layers and operations, in the order of the model."""
    return [operation.name for operation in model.operations]


def test_layer_names_are_paths():
    """The model has the name of the graph, and each layer that of its node."""
    graph = network(
        {"image": (4,)},
        step("stem.project", "Dense", "image", units=3),
        step("head", "Dense", "stem.project", units=2),
        name="tiny",
    )
    model = build(graph)
    assert model.name == "tiny"
    assert names(model) == ["image", "stem.project", "head"]
    assert [weight.path for weight in model.weights][:2] == [
        "stem.project/kernel",
        "stem.project/bias",
    ]


def test_layers_inside_layers_are_named_after_the_node():
    """A wrapped layer and the cells of a recurrent one have names that begin with the node's."""
    cells = {"StackedRNNCells": {"cells": [{"GRUCell": 2}, {"GRUCell": 3}]}}
    graph = network(
        {"x": (5, 4)},
        step("each", "TimeDistributed", "x", layer={"Dense": 3}),
        step("read", "RNN", "each", cell=cells),
    )
    model = build(graph)
    assert model.get_layer("each").layer.name == "each.layer"
    stacked = model.get_layer("read").cell
    assert [cell.name for cell in stacked.cells] == ["read.cell.cells.0", "read.cell.cells.1"]


def test_single_input_and_output():
    """A model of one input and one output takes and gives a tensor."""
    model = build(chain((4,), ("Dense", {"units": 3})))
    assert model(np.zeros((2, 4), "float32")).shape == (2, 3)


def test_inputs_and_outputs_by_name():
    """Several inputs, and several outputs, are dictionaries."""
    graph = network(
        {"b": (4,), "a": ((3,), "int32")},
        step("left", "Dense", "b", units=2),
        step("right", "Embedding", "a", input_dim=9, output_dim=2),
        outputs={"wide": "left", "tall": "right"},
    )
    outputs = build(graph)({"b": np.zeros((2, 4)), "a": np.zeros((2, 3), "int32")})
    assert {name: tuple(value.shape) for name, value in outputs.items()} == {
        "wide": (2, 2),
        "tall": (2, 3, 2),
    }


def test_merging_layers_get_one_list():
    """A layer that takes a list gets all its inputs in one."""
    graph = network(
        {"x": (4,)},
        step("a", "Dense", "x", units=3),
        step("join", "Concatenate", ["x", "a"], axis=-1),
    )
    assert build(graph).output_shape == (None, 7)


def test_attention_inputs_and_call_constants():
    """Inputs of attention go by name, and so do constants of its call."""
    graph = network(
        {"x": (6, 8), "memory": (5, 8)},
        step(
            "attend",
            "MultiHeadAttention",
            keywords={"query": "x", "value": "memory"},
            call={"return_attention_scores": True},
            num_heads=2,
            key_dim=4,
        ),
        outputs={"out": "attend.0", "scores": "attend.1"},
    )
    rows = {"x": np.zeros((1, 6, 8), "float32"), "memory": np.zeros((1, 5, 8), "float32")}
    assert build(graph)(rows)["scores"].shape == (1, 2, 6, 5)


def test_recurrent_states_as_list():
    """The states of a recurrent layer are given to another as a list."""
    graph = network(
        {"x": (6, 8)},
        step("encode", "LSTM", "x", units=4, return_state=True),
        step("decode", "LSTM", "x", units=4, keywords={"initial_state": ["encode.1", "encode.2"]}),
    )
    assert build(graph).output_shape == (None, 4)


def test_merge_of_all_outputs_of_a_step():
    """A merging layer takes all outputs of a step that has several."""
    graph = network(
        {"x": (6,)},
        step("parts", "ops.split", "x", indices_or_sections=3, axis=-1),
        step("sum", "Add", "parts"),
    )
    model = build(graph)
    assert model(np.array([[1, 2, 3, 4, 5, 6]], "float32")).numpy().tolist() == [[9, 12]]


def test_shared_weights():
    """A node that shares calls the layer of the other node once more."""
    graph = network(
        {"a": (4,), "b": (4,)},
        step("left", "Dense", "a", units=3),
        step("right", "Dense", "b", shares="left"),
        step("again", "Dense", "b", shares="right"),
        outputs={"l": "left", "r": "right", "s": "again"},
    )
    model = build(graph)
    assert model.count_params() == 15
    assert analyze(graph).parameters == 15
    same = np.ones((1, 4), "float32")
    outputs = model({"a": same, "b": same})
    assert np.array_equal(outputs["l"], outputs["r"])


def test_an_input_may_be_an_output():
    """A network may hand an input through."""
    graph = network({"x": (4,)}, step("d", "Dense", "x", units=2), outputs={"x": "x", "y": "d"})
    assert sorted(build(graph).output) == ["x", "y"]


def test_a_step_that_no_output_needs_is_not_in_the_model():
    """Its shape is known, and its numbers are zero."""
    graph = network(
        {"x": (4,)},
        step("idle", "Dense", "x", units=100),
        step("used", "Dense", "x", units=2),
    )
    model, analysis = build(graph), analyze(graph)
    assert names(model) == ["x", "used"]
    assert analysis.parameters == model.count_params()
    assert [(node.used, node.shapes, node.parameters) for node in analysis.nodes] == [
        (False, ((100,),), 0),
        (True, ((2,),), 10),
    ]


def test_functions_have_the_names_of_their_nodes():
    """A layer may be called 'add' beside the function of that name, and loading keeps names."""
    graph = network(
        {"x": (4,)},
        step("add", "Dense", "x", units=4),
        step("sum", "ops.add", "x", keywords={"x2": "add"}),
        step("split", "ops.split", "sum", indices_or_sections=2, axis=-1),
        step("image", "ops.reshape", "split.1", newshape=[-1, 1, 1, 2]),
        step("resized", "ops.image.resize", "image", size=[3, 3]),
    )
    model = build(graph)
    assert names(model) == ["x", "add", "sum", "split", "image", "resized"]
    loaded = keras.models.model_from_json(model.to_json())
    assert names(loaded) == names(model)


def test_functions_of_several_operations_are_numbered():
    """The last operation has the name of the node, and those before it numbers behind the name."""
    graph = network({"x": (4,)}, step("norm", "ops.rms_normalization", "x", axis=-1))
    assert all(name.partition(".")[0] in ("x", "norm") for name in names(build(graph)))


def test_lists_are_converted_to_tuples():
    """What Keras wants as a tuple may be written as a list."""
    model = build(chain((8, 4), ("Dropout", {"rate": 0.5, "noise_shape": [None, 1, 4]})))
    assert model.layers[1].noise_shape == (None, 1, 4)


GRAPH: dict[str, Any] = {"units": 4, "kernel_initializer": "he_normal"}


def write_configs() -> None:
    """Build a model twice."""
    graph = chain((4,), ("Dense", GRAPH), ("Dropout", {"rate": 0.5}), ("ops.relu", {}))
    for _ in range(2):
        sys.stdout.write(f"{build(graph).to_json()}\n")


def test_two_builds_have_equal_configs(capsys: pytest.CaptureFixture[str]):
    """Nothing in a config tells how often something was built before, here or elsewhere."""
    write_configs()
    elsewhere = CommandProcess((), prepare=write_configs)
    assert elsewhere.wait() == 0, elsewhere.log
    texts = [*capsys.readouterr().out.splitlines(), *elsewhere.output.splitlines()]
    assert len(texts) == 4
    assert len(set(texts)) == 1


def test_initial_weights_equal_those_of_keras():
    """With the same seed a model begins as the same model written in Python."""
    graph = chain((8,), ("Dense", {"units": 16, "activation": "relu"}), ("Dense", {"units": 4}))
    keras.utils.set_random_seed(7)
    analyze(graph)
    ours = build(graph)
    keras.utils.set_random_seed(7)
    inputs = keras.Input((8,))
    hidden = keras.layers.Dense(16, activation="relu")(inputs)
    theirs = keras.Model(inputs, keras.layers.Dense(4)(hidden))
    for weight, expected in zip(ours.get_weights(), theirs.get_weights(), strict=True):
        assert np.array_equal(weight, expected)


def test_analysis_keeps_the_random_state():
    """Python's random numbers, which seed the weights, are as they were."""
    random.seed(1)
    state = random.getstate()
    analyze(chain((8,), ("Dense", {"units": 4}), ("Dropout", {"rate": 0.5})))
    assert random.getstate() == state


def test_build_keeps_keras_state():
    """Keras's counters go on as if nothing was built, and nothing waits to be allocated."""
    first = keras.layers.Dense(1).name
    drafted = build_symbolic(chain((8,), ("Dense", {"units": 10**9}), ("ops.relu", {})))
    with keras.StatelessScope():
        pass
    last = keras.layers.Dense(1).name
    number = int(first.rpartition("_")[2]) if "_" in first else 0
    assert last == f"dense_{number + 1}"
    assert drafted.analysis.parameters == 9 * 10**9
    assert keras.config.is_traceback_filtering_enabled()
    assert sys.getrecursionlimit() < 10_000


def test_dtype_policy_of_the_caller():
    """Mixed precision that the user chose holds for the layers of a blueprint."""
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        model = build(chain((4,), ("Dense", {"units": 2})))
    finally:
        keras.config.set_dtype_policy("float32")
    assert model.layers[1].compute_dtype == "bfloat16"
    assert model.layers[1].kernel.dtype == "float32"


def test_strategy_of_the_caller():
    """Weights are made in the scope that the caller is in."""
    strategy = tf.distribute.MirroredStrategy(["/cpu:0"])
    with strategy.scope():
        model = build(chain((4,), ("Dense", {"units": 2})))
    assert model.layers[1].kernel.value.distribute_strategy is strategy


def test_built_model_trains():
    """Regularisers, dropout and normalisation work in a model whose weights came late."""
    model = build(
        chain(
            (8,),
            ("Dense", {"units": 16, "activation": "relu", "kernel_regularizer": {"L2": 1e-4}}),
            ("BatchNormalization", {}),
            ("Dropout", {"rate": 0.1}),
            ("Dense", {"units": 1}),
        )
    )
    model.compile("adam", "mse")
    rows = np.random.default_rng(0).normal(size=(64, 8)).astype("float32")
    history = model.fit(rows, rows[:, :1], epochs=20, verbose=0).history["loss"]
    assert history[-1] < history[0]


@pytest.mark.parametrize("layers", [3000, pytest.param(10_000, marks=pytest.mark.thorough)])
def test_long_chains_compile(layers: int):
    """A chain far longer than Python's recursion limit builds, and leaves the limit as it was."""
    limit = sys.getrecursionlimit()
    model = build(chain((2,), *[("Activation", {"activation": "relu"})] * layers))
    assert len(model.layers) == layers + 1
    assert sys.getrecursionlimit() == limit
