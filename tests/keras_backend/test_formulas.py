"""What formulas compute: compared with NumPy, in a model that plain Keras saves and loads."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from helpers.blueprints import write
from numpy.typing import NDArray

import archbuilder

Array = NDArray[np.generic]

DOCUMENTATION = Path(__file__).parents[2] / "docs" / "formulas.md"
NETWORK = """
params: {width: 4}
inputs: {x: [6, 4], y: [6, 4], indices: {shape: [3], dtype: int32}, image: [4, 4, 1]}
layers:
  - {branches: [[{Activation: linear, from: x}], [{Activation: linear, from: y}]], name: pair}
"""


def softmax(x: Array) -> Array:
    exponentials = np.exp(x - x.max(-1, keepdims=True))
    return exponentials / exponentials.sum(-1, keepdims=True)


VALUES: dict[str, Callable[[Array, Array, Array], Array]] = {
    "1 - x * y / 2": lambda x, y, _: 1 - x * y / 2,
    "-x ** 2 + 2 ** y": lambda x, y, _: -(x**2) + 2**y,
    "x // 0.25 + y % 0.3": lambda x, y, _: x // 0.25 + y % np.float32(0.3),
    "x - y - x - 2": lambda x, y, _: x - y - x - 2,
    "where(0.2 < x <= 0.7 and not y > 0.5, x, -1)": lambda x, y, _: np.where(
        (x > 0.2) & (x <= 0.7) & ~(y > 0.5), x, -1
    ),
    "x * (y > 0.5)": lambda x, y, _: x * (y > 0.5),
    "softmax(x @ transpose(y, axes=[0, 2, 1]) / $(width ** 0.5), axis=-1) @ y": lambda x, y, _: (
        softmax(x @ y.transpose(0, 2, 1) / 2) @ y
    ),
    "x[:, 1:, None, ::-2]": lambda x, _, __: x[:, 1:, None, ::-2],
    "x[..., -1] + y[:, :, 0]": lambda x, y, _: x[..., -1] + y[:, :, 0],
    "split(x, 2, axis=-1)[1]": lambda x, _, __: x[..., 2:],
    "pair[1] - pair.0": lambda x, y, _: y - x,
    "concatenate([x, y[:, :2]], axis=1)": lambda x, y, _: np.concatenate([x, y[:, :2]], 1),
    "stack([x, y], axis=2)": lambda x, y, _: np.stack([x, y], 2),
    "mean(x, axis=[1, 2]) - max(y, axis=[1, 2])": lambda x, y, _: x.mean((1, 2)) - y.max((1, 2)),
    "einsum('bij,bkj->bik', x, y)": lambda x, y, _: np.einsum("bij,bkj->bik", x, y),
    "indices * 0.5": lambda _, __, indices: (indices * 0.5).astype("float32"),
    "indices // 2": lambda _, __, indices: indices // 2,
    "one_hot(indices, 6)": lambda _, __, indices: np.eye(6, dtype="float32")[indices],
    "average(x, weights=y, axis=-1)": lambda x, y, _: (x * y).sum(-1) / y.sum(-1),
    "sum(exp(x - 1), axis=-1, keepdims=true)": lambda x, _, __: np.exp(x - 1).sum(
        -1, keepdims=True
    ),
}


def build(folder: Path, formulas: list[str]) -> keras.Model:
    """The model with an output for each formula."""
    steps = "".join(
        f"  - {{name: z{number}, formula: {json.dumps(formula)}}}\n"
        for number, formula in enumerate(formulas)
    )
    outputs = ", ".join(f"z{number}" for number in range(len(formulas)))
    path = write(folder, f"{NETWORK}{steps}outputs: [{outputs}]")
    return archbuilder.load(path).compile()


def example() -> dict[str, Array]:
    """Two examples."""
    generator = np.random.default_rng(0)
    return {
        "x": generator.random((2, 6, 4), "float32"),
        "y": generator.random((2, 6, 4), "float32"),
        "indices": generator.integers(0, 6, (2, 3), "int32"),
        "image": generator.random((2, 4, 4, 1), "float32"),
    }


def test_values_are_those_of_numpy(tmp_path: Path):
    """Also after the model was saved and loaded; it has no class of archbuilder."""
    model = build(tmp_path, list(VALUES))
    batch = example()
    model.save(tmp_path / "net.keras")
    assert "archbuilder" not in model.to_json()
    loaded = keras.models.load_model(tmp_path / "net.keras")
    results, again = model(batch), loaded(batch)
    for number, (formula, compute) in enumerate(VALUES.items()):
        expected = compute(batch["x"], batch["y"], batch["indices"])
        result = keras.ops.convert_to_numpy(results[f"z{number}"])
        assert result.dtype == expected.dtype, formula
        assert result.shape == expected.shape, formula
        np.testing.assert_allclose(result, expected, 1e-5, 1e-6, err_msg=formula)
        np.testing.assert_array_equal(result, again[f"z{number}"], err_msg=formula)


def test_examples_of_the_documentation(tmp_path: Path):
    """Every formula in a table builds, and computes."""
    rows = re.findall(r"^\| `([^`]+)` \|", DOCUMENTATION.read_text(), re.MULTILINE)
    assert len(rows) > 20
    model = build(tmp_path, rows)
    assert len(model(example())) == len(rows)


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
def test_numbers_keep_half_precision(tmp_path: Path, policy: str):
    """As in Keras, a number has no dtype of its own."""
    text = "inputs: {x: [4]}\nlayers: [{Dense: 4, name: a}, {formula: 1 - exp(a) * 0.5 + a}]"
    keras.config.set_dtype_policy(policy)
    try:
        model = archbuilder.load(write(tmp_path, text)).compile()
    finally:
        keras.config.set_dtype_policy("float32")
    assert model.output.dtype == policy.removeprefix("mixed_")


def test_operations_are_named_after_their_step(tmp_path: Path):
    """The last operation has the name of the step, hence patterns of names find it."""
    text = "inputs: {x: [4]}\nlayers: [{Dense: 4, name: a}, {formula: 1 - a * a, name: z}]"
    model = archbuilder.load(write(tmp_path, text)).compile()
    assert [operation.name for operation in model.operations] == ["x", "a", "z.multiply0", "z"]


def test_lists_are_tensors_of_each_example(tmp_path: Path):
    """A mean and a scale of each channel; a choice of rows."""
    text = """
params: {mean: [0.5, 1, 2, 3]}
inputs: {x: [6, 4]}
layers: [{formula: "take((x - $mean) / [1, 2, 4, 8], [4, 0], axis=1)"}]
"""
    model = archbuilder.load(write(tmp_path, text)).compile()
    x = example()["x"]
    expected = ((x - np.array([0.5, 1, 2, 3])) / np.array([1, 2, 4, 8]))[:, [4, 0]]
    np.testing.assert_allclose(model(x), expected, 1e-5, 1e-6)


def test_gradients_stop(tmp_path: Path):
    """`stop_gradient` makes a tensor a constant."""
    text = "inputs: {x: [4]}\nlayers: [{formula: x * stop_gradient(x)}]"
    model = archbuilder.load(write(tmp_path, text)).compile()
    x = tf.constant([[1.0, 2.0, 3.0, 4.0]])
    with tf.GradientTape() as tape:
        tape.watch(x)
        total = tf.reduce_sum(model(x))
    np.testing.assert_allclose(tape.gradient(total, x), x)
