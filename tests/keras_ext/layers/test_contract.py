"""Holds every layer of ours to the contract."""

from __future__ import annotations

import inspect
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from helpers.layer_contract import ROWS, Row

from archbuilder import registry
from archbuilder.keras_ext import layers

ROOT = Path(__file__).parents[3]
every_layer = pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
batched_layers = pytest.mark.parametrize(
    "row", [row for row in ROWS if row.batched], ids=lambda row: row.name
)


def numbers(row: Row) -> np.ndarray:
    """Inputs of the row's shape, the same in every run."""
    return np.random.default_rng(1).normal(size=row.shape).astype("float32")


def layer_inputs(row: Row) -> list[np.ndarray]:
    """All that the layer's call takes, the numbers first."""
    return [numbers(row), *row.beside]


def symbols(row: Row, shape: tuple[int | None, ...]) -> list[keras.KerasTensor]:
    """Inputs for a model with the layer."""
    beside = [
        keras.Input(batch_shape=shape[: each.ndim], dtype=each.dtype.name) for each in row.beside
    ]
    return [keras.Input(batch_shape=shape, dtype="float32"), *beside]


def first(output: object) -> Any:
    """The output of a layer, or the first of several."""
    return output[0] if isinstance(output, list | tuple) else output


def computed_shape(row: Row, shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
    """The shape that the layer tells for its first output."""
    shapes = [shape[: each.ndim] for each in layer_inputs(row)]
    shape_of_layer = row.make().compute_output_shape(*shapes)
    return shape_of_layer[0] if isinstance(shape_of_layer[0], tuple) else shape_of_layer


def layer_with_weights(
    row: Row, model: keras.layers.Layer, **arguments: object
) -> keras.layers.Layer:
    """A layer of the row with the weights of another."""
    layer = row.make(**arguments)
    layer.build(row.shape)
    layer.set_weights(model.get_weights())
    return layer


def test_every_layer_is_documented():
    """The reference of the language names it."""
    reference = (ROOT / "docs" / "language.md").read_text(encoding="utf-8")
    assert [name for name in layers.__all__ if f"| `{name}` |" not in reference] == []


def test_every_layer_is_tested():
    """What the package gives is what is tested, and what blueprints can use."""
    assert sorted(row.name for row in ROWS) == sorted(layers.__all__)
    ours = [
        name
        for name, signature in registry.load().layers.items()
        if signature.origin == "archbuilder.keras_ext.layers"
    ]
    assert ours == sorted(layers.__all__)


@every_layer
def test_config_roundtrip(row: Row):
    """All arguments of the constructor are in the config, and a layer made of it is equal."""
    layer = row.make(name="one")
    config = layer.get_config()
    parameters = set(inspect.signature(row.layer.__init__).parameters) - {"self", "kwargs"}
    assert parameters <= set(config)
    arguments = keras.saving.serialize_keras_object(row.arguments)
    serialized = keras.saving.serialize_keras_object(config)
    assert all(serialized[name] == value for name, value in arguments.items())
    again = row.layer.from_config(config)
    assert again.get_config() == config
    output = first(layer(*layer_inputs(row)))
    again.build(row.shape)
    again.set_weights(layer.get_weights())
    assert np.array_equal(output, first(again(*layer_inputs(row))))


@every_layer
def test_compute_output_shape(row: Row):
    """The shape that is told without computing is that of the output, with open sizes too."""
    shape = tuple(first(row.make()(*layer_inputs(row))).shape)
    assert computed_shape(row, row.shape) == shape
    inputs = symbols(row, row.open_shape)
    output = first(row.make()(*inputs))
    assert output.shape == computed_shape(row, row.open_shape)
    assert tuple(keras.Model(inputs, output)(layer_inputs(row)).shape) == shape


@every_layer
@pytest.mark.parametrize("policy", ["float32", "mixed_bfloat16", "mixed_float16", "float64"])
def test_dtype_policies(row: Row, policy: str):
    """The output has the dtype of the policy, and differs from float32 by rounding alone."""
    wide = row.make()
    exact = np.asarray(first(wide(*layer_inputs(row))))
    layer = layer_with_weights(row, wide, dtype=policy)
    output = first(layer(*layer_inputs(row)))
    assert keras.backend.standardize_dtype(output.dtype) == layer.compute_dtype
    coarse = keras.ops.convert_to_numpy(keras.ops.cast(output, "float32"))
    assert np.allclose(coarse, exact, rtol=2e-2, atol=2e-2)


@pytest.mark.parametrize("row", [row for row in ROWS if row.masks], ids=lambda row: row.name)
def test_masks_propagate(row: Row):
    """A mask on the inputs is on the outputs, where what the layer puts in front counts."""
    inputs = keras.Input(batch_shape=row.open_shape)
    layer = row.make()
    assert layer.supports_masking
    mask = np.array([[True, True, False], [True, False, False]])
    front = np.ones((2, row.longer), bool)
    assert np.array_equal(layer.compute_mask(inputs, mask), np.concatenate([front, mask], axis=1))


@batched_layers
@pytest.mark.parametrize("policy", ["float32", "mixed_bfloat16"])
def test_compiled_by_xla(row: Row, policy: str):
    """XLA compiles the layer and its gradient, to the same numbers."""
    layer = row.make(dtype=policy)
    values = tf.constant(numbers(row))

    def value_and_slope(inputs: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        with tf.GradientTape() as tape:
            tape.watch(inputs)
            output = tf.cast(first(layer(inputs, *row.beside)), "float32")
        return output, tape.gradient(output, inputs)

    plain = value_and_slope(values)
    compiled = tf.function(value_and_slope, jit_compile=True)(values)
    tolerance = 1e-5 if policy == "float32" else 5e-2
    for expected, compiled_output in zip(plain, compiled, strict=True):
        assert np.allclose(expected, compiled_output, rtol=tolerance, atol=tolerance)


@batched_layers
def test_gradients_agree_with_differences(row: Row):
    """The gradient agrees with differences of the output, computed in double precision."""
    layer = row.make(dtype="float64")
    values, *beside = [each[:1] for each in layer_inputs(row)]
    theoretical, numerical = tf.test.compute_gradient(
        lambda inputs: first(layer(inputs, *beside)), [tf.constant(values, "float64")]
    )
    assert np.allclose(theoretical[0], numerical[0], rtol=1e-3, atol=1e-3)


@batched_layers
@pytest.mark.parametrize("jit_compile", [False, True])
def test_training_step(row: Row, jit_compile: bool):
    """A model with the layer trains."""
    inputs = symbols(row, (None, *row.shape[1:]))
    outputs = keras.layers.Dense(1)(keras.layers.Flatten()(first(row.make()(*inputs))))
    model = keras.Model(inputs, outputs)
    model.compile("sgd", "mse", jit_compile=jit_compile)
    loss = model.train_on_batch(layer_inputs(row), np.ones((row.shape[0], 1), "float32"))
    assert np.isfinite(loss)


LOAD = """
import json, sys
import keras
import archbuilder
import numpy as np

for name in json.loads(sys.argv[1]):
    with np.load(name + ".npz") as file:
        rows = [file[each] for each in file.files]
    print(name, keras.saving.load_model(name + ".keras")(rows).numpy().astype("float64").sum())
"""


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, float]]:
    """A folder with a saved model for every layer, and the sums of what the models give."""
    folder, sums = tmp_path_factory.mktemp("saved"), {}
    for row in ROWS:
        inputs = symbols(row, (None, *row.shape[1:]))
        model = keras.Model(inputs, first(row.make()(*inputs)))
        model.save(folder / f"{row.name}.keras")
        np.savez(folder / f"{row.name}.npz", *layer_inputs(row))
        sums[row.name] = float(np.sum(model(layer_inputs(row))))
    return folder, sums


def test_load_in_another_process(saved: tuple[Path, dict[str, float]]):
    """A program that only imports archbuilder opens saved models, also where Keras came before.

    `zoo.test_small_forms` imports archbuilder first.
    """
    folder, sums = saved
    result = subprocess.run(
        [sys.executable, "-c", LOAD, json.dumps(list(sums))],
        capture_output=True,
        text=True,
        check=False,
        cwd=folder,
        env={"PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": ""},
    )
    assert result.returncode == 0, result.stderr[-2000:]
    outputs = dict(line.split() for line in result.stdout.splitlines())
    assert {name: float(text) for name, text in outputs.items()} == pytest.approx(sums, rel=1e-4)
