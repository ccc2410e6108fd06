"""Outputs that are losses themselves, compared with a loop in plain Keras."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from numpy.typing import NDArray
from trainer.test_execution import rows, trained, with_key

import archbuilder
from archbuilder.cli import main

NET = """
archbuilder: 1
name: net
inputs: {x: [4]}
layers:
  - {Dense: {units: 3, activation: tanh}, name: code}
  - {Dense: 4, name: same}
  - {ops.square: , from: code, name: size}
  - {ops.sum: {axis: 1}, from: size, name: total}
outputs: {same: same, size: size, total: total}
data: {npz: {file: data.npz, targets: {}, sample_weight: w}}
training:
  loss: {same: MeanSquaredError, size: value, total: value}
  loss_weights: {size: 0.5, total: 0.1}
  target_from_input: {same: x}
  weights: start.keras
  optimizer: {SGD: 0.1}
  epochs: 1
  batch_size: 6
  validation_split: 0
  shuffle: false
  distribute: none
"""
ALONE = """
archbuilder: 1
name: net
inputs: {x: [4]}
layers: [Dense: 3, ops.square: ]
data: {npz: {file: data.npz, targets: {}}}
training: {loss: value, optimizer: {SGD: 0.5}, epochs: 3, dtype_policy: mixed_bfloat16}
"""

OF_TARGET = """
archbuilder: 1
name: net
inputs: {x: [4], truth: [2]}
layers:
  - {Dense: 2, from: x, name: guess}
  - {ops.subtract: , from: [truth, guess]}
  - {ops.square: , name: error}
outputs: {guess: guess, error: error}
data: {npz: {file: data.npz, inputs: {x: x}, targets: {guess: y}}}
training:
  loss: {error: value}
  feed_targets_to_inputs: {truth: guess}
  optimizer: {SGD: 0.5}
  epochs: 30
  validation_split: {last: 0.25}
"""


def network() -> keras.Model:
    """Return the network of `NET`, built without archbuilder."""
    keras.utils.set_random_seed(2)
    x = keras.Input((4,), name="x")
    code = keras.layers.Dense(3, activation="tanh", name="code")(x)
    size = keras.ops.square(code)
    outputs = {"same": keras.layers.Dense(4, name="same")(code), "size": size}
    return keras.Model(x, {**outputs, "total": keras.ops.sum(size, axis=1)})


def write_examples(folder: Path) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Write 27 examples, of which the last batch has three, and return them with their weights."""
    random = np.random.default_rng(4)
    x = random.normal(size=(27, 4)).astype(np.float32)
    weights = random.uniform(0, 2, 27).astype(np.float32)
    np.savez(folder / "data.npz", x=x, w=weights)
    return x, weights


def keras_losses(
    model: keras.Model, x: NDArray[np.float32], weights: NDArray[np.float32]
) -> dict[str, tf.Tensor]:
    """Return the losses of a batch, and their sum as Keras adds it with `add_loss`."""
    outputs = model(x)
    errors = tf.reduce_mean(tf.square(outputs["same"] - x), axis=1)
    same_loss = tf.reduce_mean(weights * errors)
    size_loss = tf.reduce_mean(weights[:, np.newaxis] * outputs["size"])
    total_loss = tf.reduce_mean(weights * outputs["total"])
    loss = same_loss + 0.5 * size_loss + 0.1 * total_loss
    return {"same_loss": same_loss, "size_loss": size_loss, "total_loss": total_loss, "loss": loss}


def test_own_losses_agree_with_keras(tmp_path: Path):
    """An epoch gives the weights of a loop in Keras, also in parts of batches and by `evaluate`."""
    x, weights = write_examples(tmp_path)
    model = network()
    model.save(tmp_path / "start.keras")
    runs = [
        trained(tmp_path, NET, "whole"),
        trained(tmp_path, with_key(NET, "gradient_accumulation_steps: 4"), "parts"),
    ]
    for start in range(0, 27, 6):
        batch = slice(start, start + 6)
        with tf.GradientTape() as tape:
            loss = keras_losses(model, x[batch], weights[batch])["loss"]
        variables = model.trainable_variables
        gradients = tape.gradient(loss, [each.value for each in variables])
        for variable, gradient in zip(variables, gradients, strict=True):
            variable.assign_sub(0.1 * gradient)
    for run in runs:
        saved = keras.saving.load_model(run / "net.keras")
        for array, expected in zip(saved.get_weights(), model.get_weights(), strict=True):
            np.testing.assert_allclose(array, expected, rtol=1e-5, atol=1e-6)
    expected_losses = {key: float(each) for key, each in keras_losses(model, x, weights).items()}
    metrics = archbuilder.evaluate(runs[0], data=tmp_path / "data.npz")
    assert {key: metrics[key] for key in expected_losses} == pytest.approx(expected_losses, 1e-5)


def test_predictions_need_no_targets(tmp_path: Path):
    """New examples have no target to be fed, and its loss is not a prediction."""
    x = np.random.default_rng(1).normal(size=(40, 4)).astype(np.float32)
    y = x @ np.array([[1, 2], [0, 1], [-1, 0], [0.5, 0.5]], np.float32)
    np.savez(tmp_path / "data.npz", x=x, y=y)
    np.savez(tmp_path / "new.npz", x=-x)
    run = trained(tmp_path, OF_TARGET, "run")
    predictions = list(archbuilder.predict(run, tmp_path / "new.npz"))
    assert [*predictions[0].outputs] == ["guess"]
    np.testing.assert_allclose([each.outputs["guess"] for each in predictions], -y, atol=0.05)
    validation = [each.outputs["guess"] for each in archbuilder.predict(run)]
    np.testing.assert_allclose(validation, y[30:], atol=0.05)
    error = archbuilder.evaluate(run)["loss"]
    assert error == pytest.approx(np.square(validation - y[30:]).mean(), rel=1e-3)


def test_own_loss_without_targets(tmp_path: Path):
    """The data needs no array of targets, and half precision computes the loss in float32."""
    x = np.random.default_rng(1).normal(size=(40, 4)).astype(np.float32)
    np.savez(tmp_path / "data.npz", x=x)
    run = trained(tmp_path, ALONE, "run")
    losses = [each["loss"] for each in rows(run)]
    assert losses == sorted(losses, reverse=True)
    values = keras.saving.load_model(run / "net.keras")(x)
    assert values.dtype == tf.bfloat16
    loss = archbuilder.evaluate(run, data=tmp_path / "data.npz")["loss"]
    assert loss == pytest.approx(np.mean(tf.cast(values, tf.float32)), 1e-2)
    assert loss != float(tf.cast(loss, tf.bfloat16))


@pytest.mark.parametrize(
    ("key", "message"),
    [
        ("metrics: {size: MeanSquaredError}", "no target, but 'metrics' needs one"),
        ("class_weight: {size: {0: 2}}", "no target, but 'class_weight' needs one"),
        ("feed_targets_to_inputs: {x: size}", "but 'feed_targets_to_inputs' needs one"),
    ],
)
def test_settings_that_need_a_target(
    tmp_path: Path, key: str, message: str, capsys: pytest.CaptureFixture[str]
):
    """Settings that need the target of such an output are errors with its location."""
    (tmp_path / "net.yaml").write_text(with_key(NET, key))
    assert main(["validate", str(tmp_path / "net.yaml")]) == 2
    assert message in capsys.readouterr().err
