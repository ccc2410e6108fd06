"""Blocks in `TimeDistributed`: one Keras model on each step, with the weights of the block."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
import pytest
from helpers.blueprints import error_codes, expand, write

import archbuilder
from archbuilder.compiler.unparse import unparse
from archbuilder.diagnostics.errors import BlueprintError
from archbuilder.keras_backend.build import analyze
from archbuilder.keras_backend.saving import save_model

BLOCK = """
blocks:
  residual:
    params: {units: 4}
    layers:
      - {Dense: {units: $units, activation: relu}, name: inner}
      - {Dense: {units: 3, use_bias: false}, name: outer}
      - {Add: , from: [outer, input]}
"""
TEXT = (
    BLOCK
    + """
inputs: {x: [5, 3]}
layers:
  - {TimeDistributed: {layer: {residual: {units: 2}}}, name: each}
"""
)


def test_a_block_is_called_on_each_step(tmp_path: Path):
    """The outputs are those of the block's equation; weights have paths; Keras alone loads it."""
    model = archbuilder.load(write(tmp_path, TEXT)).compile()
    weights = {each.path: np.asarray(each) for each in model.weights}
    assert {path: each.shape for path, each in weights.items()} == {
        "each.layer.inner/kernel": (3, 2),
        "each.layer.inner/bias": (2,),
        "each.layer.outer/kernel": (2, 3),
    }
    x = np.random.default_rng(0).normal(size=(7, 5, 3)).astype("float32")
    hidden = np.maximum(x @ weights["each.layer.inner/kernel"], 0)
    expected = hidden @ weights["each.layer.outer/kernel"] + x
    np.testing.assert_allclose(np.asarray(model(x)), expected, rtol=1e-5, atol=1e-6)
    save_model(model, tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras", custom_objects={})
    np.testing.assert_allclose(np.asarray(loaded(x)), expected, rtol=1e-5, atol=1e-6)


def test_counts_are_those_of_all_steps(tmp_path: Path):
    """Parameters count once, multiply-adds and activations for each step."""
    analysis = analyze(expand(tmp_path, TEXT))
    (node,) = analysis.nodes
    assert (analysis.parameters, analysis.trainable_parameters) == (14, 14)
    assert analysis.multiply_adds == 5 * (3 * 2 + 2 * 3)
    assert [(each.name, each.multiply_adds) for each in node.layers] == [
        ("each.layer.inner", 6),
        ("each.layer.outer", 6),
        ("each.layer.add0", 0),
    ]
    # The input and the output, and what the block computes in each step, in four bytes each.
    assert analysis.activation_bytes == 4 * (15 + 15 + 5 * (2 + 3 + 3))


def test_the_written_blueprint_gives_the_same_graph(tmp_path: Path):
    """Lists, branches, wrappers in wrappers and shared weights survive `expand`."""
    text = (
        BLOCK
        + """
inputs: {x: [4, 5, 3]}
layers:
  - TimeDistributed:
      layer:
        - {TimeDistributed: [{Dense: 3, name: a}, {branches: [[], [{reuse: a}]], merge: Add}]}
        - {TimeDistributed: {layer: residual}, name: deep}
        - {Concatenate: , from: [input, deep]}
    name: outer
  - TimeDistributed: []
"""
    )
    graph = expand(tmp_path, text)
    plain_text = unparse({"net": graph}, name="net", array_path=str)
    second = expand(tmp_path, plain_text)
    assert unparse({"net": second}, name="net", array_path=str) == plain_text
    assert analyze(second).multiply_adds == analyze(graph).multiply_adds
    wrapped = graph.nodes[0].wrapped
    assert wrapped is not None
    assert [node.name for node in wrapped.graph.nodes] == [
        "outer.layer.time_distributed0",
        "outer.layer.deep",
        "outer.layer.concatenate0",
    ]


def test_parameters_hold_what_is_wrapped(tmp_path: Path):
    """A layer is wrapped without a model around it, as if it were written there."""
    text = (
        BLOCK
        + """
  each:
    params: {body: {type: block}}
    layers: [{TimeDistributed: {layer: $body}}]
inputs: {x: [5, 3]}
layers: [{each: {body: {Dense: {units: 3}}}}, {each: residual}, {each: [ReLU]}]
"""
    )
    nodes = expand(tmp_path, text.replace("\n\n  each", "\n  each")).nodes
    assert [node.wrapped is None for node in nodes] == [True, False, False]
    model = archbuilder.load(tmp_path / "net.yaml").compile()
    assert [layer.layer.__class__.__name__ for layer in model.layers[1:]] == [
        "Dense",
        "Functional",
        "Functional",
    ]


def test_a_wrapped_block_is_reused_with_its_weights(tmp_path: Path):
    """Two uses of the layer, and two uses of a block around it, have one set of weights."""
    text = (
        TEXT
        + """  - {reuse: each}
"""
    )
    model = archbuilder.load(write(tmp_path, text)).compile()
    assert model.count_params() == 14
    x = np.ones((2, 5, 3), "float32")
    first = model.get_layer("each")
    np.testing.assert_allclose(model(x), first(first(x)), rtol=1e-6)
    text = (
        BLOCK
        + """
  twice:
    layers: [{TimeDistributed: {layer: residual}}]
inputs: {x: [5, 3]}
layers: [{twice: , name: t}, {reuse: t}]
"""
    )
    assert archbuilder.load(write(tmp_path, text)).compile().count_params() == 28


@pytest.mark.parametrize(
    ("layer", "expected"),
    [
        ("[{Add: , from: [previous, x]}]", ["unknown-name 12:57"]),
        ("[{reuse: stem}]", ["unknown-name 12:40"]),
        ("[{branches: [[], [ReLU]]}]", ["invalid-structure 12:31"]),
        ("[{Constant: [1, 2]}]", ["missing-batch-axis 12:31"]),
        ("[{Dense: $(channels(input))}]", ["unknown-name 12:51"]),
        ("[{Normalization: {adapt: true}}]", ["unsupported-argument 12:33"]),
        ("[{Dnse: 3}]", ["unknown-layer 12:33"]),
        ("{residual: {unit: 3}}", ["unknown-argument 12:43"]),
        ("residul", ["unknown-layer 12:31"]),
    ],
)
def test_errors_in_wrapped_blocks(tmp_path: Path, layer: str, expected: list[str]):
    """They are where the block is written; a block cannot use the steps around the layer."""
    text = (
        BLOCK
        + f"""inputs: {{x: [5, 3]}}
layers:
  - {{TimeDistributed: {{layer: {layer}}}}}
"""
    )
    assert error_codes(tmp_path, text) == expected


def test_shapes_in_wrapped_blocks_are_checked(tmp_path: Path):
    """An error of Keras is that of the step in the block, with the chain of blocks around it."""
    text = (
        BLOCK
        + """inputs: {x: [5, 2], y: [3]}
layers:
  - {TimeDistributed: {layer: residual}, name: first}
  - {TimeDistributed: {layer: residual}, from: y, name: second}
  - {Add: , from: [first, second]}
"""
    )
    blueprint = archbuilder.load(write(tmp_path, text))
    with pytest.raises(BlueprintError) as error:
        blueprint.build_symbolic()
    assert [(each.code, each.location[1:]) for each in error.value.diagnostics] == [
        ("shape-mismatch", (9, 10)),
        ("shape-mismatch", (13, 6)),
    ]
