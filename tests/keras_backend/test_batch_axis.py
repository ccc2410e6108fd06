"""Tensors without an input: their values, the layers and functions that take them, and models."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from helpers.blueprints import write
from helpers.graphs import network, step

import archbuilder
from archbuilder.diagnostics.errors import BlueprintError
from archbuilder.keras_backend import build_symbolic

ROWS = np.random.default_rng(0).normal(size=(3, 4, 6)).astype("float32")
RELATIVE_BIAS = """
inputs: {x: [4, 6]}
layers:
  - {Parameter: {shape: [7, 2], initializer: random_normal}, name: table}
  - {Constant: [[3, 4, 5, 6], [2, 3, 4, 5], [1, 2, 3, 4], [0, 1, 2, 3]], name: index}
  - {ops.take: {axis: 0}, from: [table, index]}
  - {ops.transpose: {axes: [2, 0, 1]}, name: bias}
  - {Constant: [[0.5, -1], [2, 0], [1, 1], [0, 0.25], [1, 0], [-1, 2]], name: kernel}
  - {ops.matmul: , from: [x, kernel], name: queries}
  - {ops.einsum: "bqh,bkh->bhqk", from: [queries, queries], name: scores}
  - {ops.add: , from: [scores, bias]}
  - Softmax
"""


def compiled(folder: Path, text: str) -> keras.Model:
    """The model of a blueprint."""
    model = archbuilder.load(write(folder, text)).compile()
    assert isinstance(model, keras.Model)
    return model


def relative_attention(rows: np.ndarray, table: np.ndarray) -> np.ndarray:
    """What `RELATIVE_BIAS` computes."""
    kernel = np.array([[0.5, -1], [2, 0], [1, 1], [0, 0.25], [1, 0], [-1, 2]], "float32")
    queries = rows @ kernel
    positions = np.arange(4)
    distances = positions[None] - positions[:, None] + 3
    scores = np.einsum("bqh,bkh->bhqk", queries, queries) + table[distances].transpose(2, 0, 1)
    powers = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return powers / powers.sum(axis=-1, keepdims=True)


def test_relative_position_bias(tmp_path: Path):
    """The attention of learned distances; a saved model and a clone compute it too."""
    model = compiled(tmp_path, RELATIVE_BIAS)
    assert [each.path for each in model.weights] == ["table/value"]
    assert model.count_params() == 14
    expected = relative_attention(ROWS, model.get_weights()[0])
    assert np.allclose(model.predict(ROWS, batch_size=2, verbose=0), expected, atol=1e-6)
    model.save(tmp_path / "model.keras")
    opened = keras.saving.load_model(tmp_path / "model.keras")
    copy = keras.models.clone_model(model)
    copy.set_weights(model.get_weights())
    for restored in (opened, copy):
        assert np.allclose(restored(ROWS), expected, atol=1e-6)


@pytest.mark.parametrize("jit_compile", [False, True])
@pytest.mark.parametrize("trainable", [True, False])
def test_parameter_trains(tmp_path: Path, jit_compile: bool, trainable: bool):
    """One step of gradient descent with a penalty, unless the parameter is frozen."""
    text = f"""
inputs: {{x: [2]}}
layers:
  - {{Parameter: {{shape: [2], initializer: ones, regularizer: {{L2: 0.5}},
                 constraint: {{MinMaxNorm: {{min_value: 0.0, max_value: 1.0}}}},
                 trainable: {str(trainable).lower()}}}, name: scale}}
  - {{ops.multiply: , from: [x, scale]}}
"""
    model = compiled(tmp_path, text)
    rows, targets = np.array([[1.0, 2.0], [3.0, 0.5]]), np.array([[2.0, 0.0], [1.0, 1.0]])
    gradient = (2 * (rows - targets) * rows).sum(axis=0) / targets.size + 2 * 0.5
    scale = 1 - 0.1 * gradient
    expected = scale / max(1, np.linalg.norm(scale))
    model.compile(keras.optimizers.SGD(0.1), "mse", jit_compile=jit_compile)
    loss = model.train_on_batch(rows, targets)
    penalty = 0.5 * 2 if trainable else 0
    assert loss == pytest.approx(((rows - targets) ** 2).mean() + penalty)
    assert np.allclose(model.get_weights()[0], expected if trainable else 1, atol=1e-6)


@pytest.mark.parametrize(
    ("step", "expected"),
    [
        ("Dense: {units: 2, kernel_initializer: ones}", np.full((2, 2), 1.5)),
        ("Flatten", np.full(6, 0.5)),
        ("Reshape: [3, 2]", np.full((3, 2), 0.5)),
        ("GlobalAveragePooling1D", np.full(3, 0.5)),
        ("Concatenate: {axis: 1}, from: [made, made]", np.full((4, 3), 0.5)),
        ("Conv1D: {filters: 1, kernel_size: 2, kernel_initializer: ones}", np.full((1, 1), 3)),
        ("Embedding: [4, 2], from: index", None),
        ("ops.sum: {axis: 0}", np.full(3, 1.0)),
        ("ops.expand_dims: {axis: 0}", np.full((1, 2, 3), 0.5)),
    ],
)
def test_steps_take_tensors_without_a_batch_axis(tmp_path: Path, step: str, expected: Any):
    """Layers see one example, functions the tensor as it is; neither adds an axis."""
    text = f"""
inputs: {{x: [1]}}
layers:
  - {{Constant: [[1, 0, 3]], name: index}}
  - {{Parameter: {{shape: [2, 3], initializer: {{Constant: 0.5}}}}, name: made}}
  - {{{step.replace("[4, 2]", "{input_dim: 4, output_dim: 2}")}}}
  - {{BroadcastToBatch: , from: [previous, x]}}
"""
    model = compiled(tmp_path, text)
    output = model.predict(np.zeros((5, 1)), verbose=0)
    if expected is None:
        expected = model.get_weights()[0][[[1, 0, 3]]]
    assert output.shape == (5, *expected.shape)
    assert np.allclose(output, expected)


def test_layers_repeat_tensors_for_the_batch(tmp_path: Path):
    """Queries, masks and initial states enter the layers of Keras beside a batch."""
    text = """
inputs: {x: [4, 6]}
layers:
  - {Parameter: {shape: [5, 6], initializer: random_normal}, name: queries}
  - {Constant: [[true, true, false, false]], name: mask}
  - MultiHeadAttention: {num_heads: 2, key_dim: 3}
    from: {query: queries, value: x, attention_mask: mask}
    name: attention
  - {Parameter: {shape: [3], initializer: ones}, name: state}
  - {GRU: {units: 3, bias_initializer: ones}, from: {sequences: x, initial_state: [state]}, name: g}
outputs: {attention: attention, state: g}
"""
    model = compiled(tmp_path, text)
    outputs = model.predict(ROWS, batch_size=2, verbose=0)
    queries = model.get_layer("queries").get_weights()[0]
    attention, gru = model.get_layer("attention"), model.get_layer("g")
    mask = np.broadcast_to([True, True, False, False], (3, 5, 4))
    expected = attention(np.broadcast_to(queries, (3, 5, 6)), ROWS, attention_mask=mask)
    assert np.allclose(outputs["attention"], expected, atol=1e-5)
    changed = ROWS.copy()
    changed[:, 2:] = 9
    assert np.allclose(model(changed)["attention"], expected, atol=1e-5)
    assert np.allclose(outputs["state"], gru(ROWS, initial_state=np.ones((3, 3))), atol=1e-5)


@pytest.mark.parametrize(
    ("constant", "dtype"),
    [
        ("[1, 2]", "int32"),
        ("[true, false]", "bool"),
        ("[1, 0.5]", "float16"),
        ("{value: 0.5, dtype: float32}", "float32"),
        ("{value: [1, 2], dtype: float64}", "float64"),
        ("{value: [[1, 2]], dtype: bfloat16}", "bfloat16"),
        ("{value: [-9000000000, 2], dtype: int64}", "int64"),
        ("{value: [255], dtype: uint8}", "uint8"),
    ],
)
def test_dtypes_of_constants(tmp_path: Path, constant: str, dtype: str):
    """Integers and booleans keep their dtype, other numbers have that of computations."""
    text = f"""
inputs: {{x: [2]}}
layers:
  - {{Constant: {constant}, name: made}}
  - {{BroadcastToBatch: , from: [made, x]}}
"""
    keras.config.set_dtype_policy("mixed_float16")
    try:
        model = compiled(tmp_path, text)
    finally:
        keras.config.set_dtype_policy("float32")
    again = keras.models.model_from_json(model.to_json())
    outputs = []
    for each_model in (model, again):
        layer = each_model.get_layer("made")
        outputs.append(layer(np.zeros(2)))
        assert keras.backend.standardize_dtype(outputs[-1].dtype) == layer.output.dtype == dtype
    assert np.array_equal(*(keras.ops.cast(output, "float64") for output in outputs))
    assert keras.ops.convert_to_numpy(keras.ops.cast(outputs[0], "float64")).max() in (
        0.5,
        1,
        2,
        255,
    )


def test_part_of_a_network_keeps_its_tensors(tmp_path: Path):
    """A tensor depends on the input beside which it is used, so that the others can be left out."""
    text = """
inputs: {target: [2], x: [2]}
layers:
  - {Parameter: {shape: [2], initializer: ones}, name: scale}
  - {ops.exp: , name: positive}
  - {ops.multiply: , from: [x, positive], name: y}
  - {ops.subtract: , from: [target, y], name: error}
outputs: {y: y, error: error}
"""
    model = compiled(tmp_path, text)
    submodel = keras.Model(model.input["x"], model.output["y"])
    assert np.allclose(submodel(np.ones((1, 2))), np.e)


def test_shapes_are_shown_without_a_batch_axis(tmp_path: Path):
    """The analysis has the whole shape of such a tensor, and counts what it costs."""
    (analysis,) = archbuilder.load(write(tmp_path, RELATIVE_BIAS)).analyze().values()
    shapes = {node.name: node.shapes[0] for node in analysis.nodes}
    assert shapes["table"] == (7, 2)
    assert shapes["index"] == (4, 4)
    assert shapes["bias"] == (2, 4, 4)
    assert shapes["scores"] == (2, 4, 4)
    assert analysis.parameters == analysis.trainable_parameters == 14
    text = """
inputs: {x: [4]}
layers:
  - {Parameter: [3, 4], name: p}
  - Dense: 2
  - {BroadcastToBatch: , from: [previous, x]}
"""
    assert archbuilder.load(write(tmp_path, text)).analyze()["net"].multiply_adds == 3 * 4 * 2


@pytest.mark.parametrize("dtype", ["<f8", ">f4", "<i8", ">u2", "?"])
def test_constant_of_a_file(tmp_path: Path, dtype: str):
    """The numbers are those of the file, also in a saved model when the file is gone."""
    array = np.asfortranarray(np.array([[0, 1, 5], [1, 0, 1]]).astype(dtype))
    (tmp_path / "data").mkdir()
    np.save(tmp_path / "data" / "a.npy", array)
    text = """
params: {path: data/a.npy}
inputs: {x: [1]}
layers:
  - {Constant: {file: $path}, name: made}
  - {BroadcastToBatch: , from: [made, x]}
"""
    model = compiled(tmp_path, text)
    model.save(tmp_path / "model.keras")
    (tmp_path / "data" / "a.npy").unlink()
    expected_dtype = {"f": "float32", "i": "int32", "u": "int32", "b": "bool"}[array.dtype.kind]
    for each_model in (model, keras.saving.load_model(tmp_path / "model.keras")):
        (output,) = each_model(np.zeros((1, 1)))
        assert keras.backend.standardize_dtype(output.dtype) == expected_dtype
        assert np.array_equal(output, array)


@pytest.mark.parametrize(
    ("array", "dtype", "code"),
    [
        (np.array([2**31]), "null", "out-of-range 4:27"),
        (np.array([2**63], "u8"), "int64", "out-of-range 4:27"),
        (np.array([-1]), "uint8", "out-of-range 4:27"),
        (np.array([1e39]), "null", "out-of-range 4:27"),
        (np.array([1e39, np.inf]), "float64", ""),
        (np.array([70000.0]), "float16", "out-of-range 4:27"),
        (np.array([0.5]), "int32", "type-mismatch 4:41"),
        (np.array([1]), "bool", "type-mismatch 4:41"),
        (np.array([True]), "bfloat16", "type-mismatch 4:41"),
        (np.array([2**31]), "int64", ""),
        (np.array([2]), "bfloat16", ""),
    ],
)
def test_dtype_of_a_file(tmp_path: Path, array: np.ndarray, dtype: str, code: str):
    """No number becomes another one."""
    np.save(tmp_path / "a.npy", array)
    text = f"""
inputs: {{x: [1]}}
layers: [Constant: {{file: a.npy, dtype: {dtype}}}, {{BroadcastToBatch: , from: [previous, x]}}]
"""
    blueprint_codes = []
    try:
        archbuilder.load(write(tmp_path, text)).build_symbolic()
    except BlueprintError as error:
        blueprint_codes = [
            f"{each.code} {each.span.line}:{each.span.column}" for each in error.diagnostics
        ]
    assert blueprint_codes == ([code] if code else [])


def test_error_in_the_input_is_reported_alone():
    """A tensor that goes with an input that Keras rejects has no error of its own."""
    graph = network(
        {"x": ((4,), "float33")},
        step("scale", "Parameter", shape=[4]),
        step("y", "ops.multiply", ["x", "scale"]),
    )
    with pytest.raises(BlueprintError) as raised:
        build_symbolic(graph)
    assert [each.code for each in raised.value.diagnostics] == ["keras-rejected"]
