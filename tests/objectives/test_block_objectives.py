"""Objectives as blocks train as the same computation written in plain Keras and TensorFlow."""

from __future__ import annotations

import json
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from numpy.typing import NDArray
from safetensors.numpy import load_file

import archbuilder
from archbuilder.cli import main
from archbuilder.keras_backend import build

RNG = np.random.default_rng(0)
HEAD = "archbuilder: 1\nname: net\n"
REGRESSION = (
    HEAD
    + """
networks:
  net:
    inputs: {x: [3]}
    layers:
      - Dense: {units: 4, activation: tanh, kernel_regularizer: {L2: 0.01}}
      - Dense: {units: 2, activity_regularizer: {L2: 0.02}}
data: {npz: {file: data.npz, inputs: {x: x}, targets: {y: y}}}
training:
  objective:
    inputs: [x, y]
    layers:
      - {net: , from: x, name: prediction}
      - {losses.MeanSquaredError: , from: [y, prediction], name: error}
    minimize: error
  optimizer: {Adam: 0.01}
  epochs: 2
  batch_size: 8
  shuffle: false
  validation_split: 0
"""
)
GAN = (
    HEAD
    + """
networks:
  generator:
    inputs: {noise: [2]}
    layers: [{Dense: {units: 4, activation: relu}}, {Dense: 3}]
  discriminator:
    inputs: {x: [3]}
    layers: [{Dense: {units: 4, activation: relu}}, {Dense: 1}]
data: {npz: {file: data.npz, inputs: {x: x, noise: noise}}}
training:
  objective:
    layers:
      - {generator: , from: noise, name: fake}
      - {discriminator: , from: x, name: real_score}
      - {discriminator: , from: fake, name: fake_score}
      - {gradient: , from: {of: fake_score, by: [fake, noise]}, name: slopes}
      - formula: (sqrt(sum(slopes.0 ** 2, axis=-1)) - 1) ** 2 + sum(slopes.1 ** 2, axis=-1)
        name: penalty
    updates:
      critic:
        minimize: {fake_score: 1, real_score: -1, penalty: 10}
        networks: discriminator
        steps: 2
      generator: {minimize: {fake_score: -1}, networks: generator}
  optimizer: {critic: {SGD: 0.05}, generator: {SGD: 0.02}}
  epochs: 1
  batch_size: 8
  shuffle: false
  validation_split: 0
"""
)
MOMENTUM = (
    HEAD
    + """
networks:
  net: {inputs: {x: [3]}, layers: [{Dense: 2}]}
data: {npz: {file: data.npz, inputs: {x: x}}}
training:
  objective:
    layers:
      - {net: , from: x, name: query}
      - {slow: , from: x, name: key}
      - {formula: (query @ transpose(keys)) ** 2, name: similarity}
    minimize:
      similarity:
        PolynomialDecay: {initial_learning_rate: 1, end_learning_rate: 0, decay_steps: 100%}
    copies:
      slow:
        of: net
        momentum:
          PolynomialDecay: {initial_learning_rate: 0.5, end_learning_rate: 1, decay_steps: 100%}
    memories: {keys: {of: key, length: 12}}
  optimizer: {SGD: 0.01}
  epochs: 1
  batch_size: 8
  shuffle: false
  validation_split: 0
"""
)


@pytest.fixture
def arrays(tmp_path: Path) -> dict[str, NDArray[np.float32]]:
    columns = {"x": 3, "y": 2, "noise": 2}
    values = {
        name: RNG.normal(size=(40, width)).astype(np.float32) for name, width in columns.items()
    }
    np.savez(tmp_path / "data.npz", **values)
    return values


def train(folder: Path, text: str, *options: str, name: str = "run") -> Path:
    """Train a blueprint, and return the directory of its run."""
    path, run = folder / "net.yaml", folder / name
    path.write_text(text)
    assert main(["train", str(path), "--run-dir", str(run), *options]) == 0
    return run


def rows(run: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in (run / "history.jsonl").read_text().splitlines()]


def initial_networks(run: Path) -> list[keras.Model]:
    """Return the networks of a run with the weights that it began with."""
    graphs = archbuilder.load(run / "blueprint.yaml").graphs()
    keras.utils.set_random_seed(0)
    return [build(graph) for graph in graphs.values()]


def assert_weights_equal(run: Path, **networks: keras.Model) -> None:
    for name, model in networks.items():
        trained = keras.saving.load_model(run / f"{name}.keras")
        for value, expected in zip(trained.get_weights(), model.get_weights(), strict=True):
            np.testing.assert_allclose(value, expected, rtol=2e-5, atol=2e-6)


@pytest.mark.parametrize("accumulation", [1, 2])
def test_losses_and_regularizers_equal_keras(
    tmp_path: Path, arrays: dict[str, NDArray[np.float32]], accumulation: int
):
    """A loss of a target trains as `fit` does; accumulation changes nothing but activities."""
    text = REGRESSION
    if accumulation > 1:
        text = text.replace(", activity_regularizer: {L2: 0.02}", "")
    run = train(
        tmp_path, f"{text}  gradient_accumulation_steps: {accumulation}\n", "--distribute", "none"
    )
    (model,) = initial_networks(run)
    model.compile(keras.optimizers.Adam(0.01), "mean_squared_error")
    history = model.fit(
        arrays["x"], arrays["y"], batch_size=8, epochs=2, shuffle=False, verbose=0
    ).history
    assert_weights_equal(run, net=model)
    assert [row["loss"] for row in rows(run)] == pytest.approx(history["loss"], rel=1e-5)


WEIGHTED = REGRESSION.replace(
    "inputs: {x: x}, targets: {y: y}", "inputs: {x: x, noise: noise}, targets: {y: y}"
).replace(
    """    inputs: [x, y]
    layers:
      - {net: , from: x, name: prediction}
      - {losses.MeanSquaredError: , from: [y, prediction], name: error}
    minimize: error
  optimizer: {Adam: 0.01}
""",
    """    inputs: [x, y, noise]
    layers:
      - {net: , from: x, name: prediction}
      - {formula: "maximum(noise[:, 0], 0)", name: weight}
      - {losses.MeanSquaredError: , from: [y, prediction, weight], name: error}
      - {formula: "mean((y - prediction) ** 2, axis=-1)", name: errors}
      - {weighted: , from: [errors, weight], name: same}
    minimize: error
    metrics: {rmse: {of: same, function: sqrt}}
  optimizer: {SGD: 0.1}
  gradient_accumulation_steps: 1
""",
)
"""A loss with a weight for each example, of which half are 0."""


@pytest.mark.parametrize("accumulation", [1, 3])
def test_weights_of_losses_equal_keras(
    tmp_path: Path, arrays: dict[str, NDArray[np.float32]], accumulation: int
):
    """The mean over the weights of the batch, whatever part of a batch an example is in."""
    text = WEIGHTED.replace("accumulation_steps: 1", f"accumulation_steps: {accumulation}")
    text = text.replace(", activity_regularizer: {L2: 0.02}", "")
    run = train(tmp_path, text, "--distribute", "none")
    (model,) = initial_networks(run)
    loss = keras.losses.MeanSquaredError(reduction="mean_with_sample_weight")
    model.compile(keras.optimizers.SGD(0.1), loss)
    weights = np.maximum(arrays["noise"][:, 0], 0)
    model.fit(arrays["x"], arrays["y"], 8, 2, sample_weight=weights, shuffle=False, verbose=0)
    assert_weights_equal(run, net=model)


def test_means_of_an_epoch_count_weights(tmp_path: Path, arrays: dict[str, NDArray[np.float32]]):
    """They do not depend on how the examples are divided into batches."""
    text = WEIGHTED.replace("SGD: 0.1", "SGD: 0.0").replace("kernel_regularizer: {L2: 0.01}", "")
    run = train(tmp_path, text.replace(", activity_regularizer: {L2: 0.02}", ""))
    (model,) = initial_networks(run)
    errors = np.mean((arrays["y"] - model.predict(arrays["x"], verbose=0)) ** 2, axis=-1)
    mean = np.average(errors, weights=np.maximum(arrays["noise"][:, 0], 0))
    assert rows(run)[0]["loss"] == pytest.approx(mean, rel=1e-5)
    assert rows(run)[0]["rmse"] == pytest.approx(mean**0.5, rel=1e-5)


def test_updates_take_their_steps_in_order(tmp_path: Path, arrays: dict[str, NDArray[np.float32]]):
    """Two steps of the critic, each on every second example, then one of the generator."""
    run = train(tmp_path, GAN)
    generator, discriminator = initial_networks(run)
    optimizers = keras.optimizers.SGD(0.05), keras.optimizers.SGD(0.02)

    def critic_loss(x: tf.Tensor, noise: tf.Tensor) -> tf.Tensor:
        with tf.GradientTape() as tape:
            tape.watch(noise)
            fake = generator(noise)
            scores = discriminator(fake)
        fake_slope, noise_slope = tape.gradient(scores, [fake, noise])
        slope = tf.sqrt(tf.reduce_sum(fake_slope**2, axis=-1))
        penalty = (slope - 1) ** 2 + tf.reduce_sum(noise_slope**2, axis=-1)
        difference = tf.reduce_mean(scores) - tf.reduce_mean(discriminator(x))
        return difference + 10 * tf.reduce_mean(penalty)

    def take_step(index: int, network: keras.Model, loss: tf.Tensor, tape: tf.GradientTape) -> None:
        gradients = tape.gradient(loss, network.trainable_variables)
        optimizers[index].apply(gradients, network.trainable_variables)

    # A batch has 8 examples for each of two steps; the rest of the epoch is no batch.
    for start in range(0, 32, 16):
        x, noise = (arrays[name][start : start + 16] for name in ("x", "noise"))
        for turn in range(2):
            with tf.GradientTape() as tape:
                loss = critic_loss(x[turn::2], tf.constant(noise[turn::2]))
            take_step(0, discriminator, loss, tape)
        with tf.GradientTape() as tape:
            loss = -tf.reduce_mean(discriminator(generator(noise[1::2])))
        take_step(1, generator, loss, tape)
    assert_weights_equal(run, generator=generator, discriminator=discriminator)
    assert {*rows(run)[0]} >= {
        "critic_loss",
        "critic_fake_score",
        "critic_real_score",
        "critic_penalty",
        "generator_loss",
    }


def test_copies_and_memories_follow_each_step(
    tmp_path: Path, arrays: dict[str, NDArray[np.float32]]
):
    """A copy begins as its network and keeps a part of itself; a memory has the newest rows.

    The weight of the loss falls from 1 to 0 in the 5 steps, and the momentum rises from 0.5 to 1.
    """
    run = train(tmp_path, MOMENTUM)
    (network,) = initial_networks(run)
    copy = [value.copy() for value in network.get_weights()]
    # A memory begins with unit vectors of the seed.
    memory = tf.math.l2_normalize(tf.random.stateless_normal([12, 2], [0, 0]), axis=-1)
    optimizer = keras.optimizers.SGD(0.01)
    for step in range(5):
        x = arrays["x"][8 * step : 8 * step + 8]
        with tf.GradientTape() as tape:
            loss = (1 - step / 5) * tf.reduce_mean(tf.square(network(x) @ tf.transpose(memory)))
        variables = network.trainable_variables
        optimizer.apply(tape.gradient(loss, variables), variables)
        keys = x @ copy[0] + copy[1]
        memory = tf.concat([keys, memory], axis=0)[:12]
        pairs = zip(copy, network.get_weights(), strict=True)
        momentum = 0.5 + step / 10
        copy = [momentum * value + (1 - momentum) * weight for value, weight in pairs]
    assert_weights_equal(run, net=network)
    state = [*load_file(max((run / "checkpoints").iterdir()) / "variables.safetensors").values()]
    for expected in (memory, *copy):
        assert any(
            value.shape == expected.shape and np.allclose(value, expected, rtol=1e-5, atol=1e-6)
            for value in state
        )


def test_columns_keep_their_places(tmp_path: Path, capfd: pytest.CaptureFixture[str]):
    """A column that nothing reads has its place; one may be read by a metric or a memory alone."""
    text = (
        HEAD
        + """
inputs: {image: [8, 8]}
layers: [Flatten, {Dense: 2}]
data: digits
training:
  objective:
    inputs: [image, label]
    layers:
      - {net: , from: image}
      - {formula: "previous ** 2", name: size}
    minimize: size
    metrics: {digit: label, earlier_digit: digits}
    memories: {digits: {of: label, length: 5}}
  epochs: 1
  validation_split: 0
"""
    )
    (row,) = rows(train(tmp_path, text))
    # The mean digit of the training set, which `net.image` alone does not have.
    assert row["digit"] == pytest.approx(4.5, abs=0.1)
    shifted = text.replace("[image, label]", "[image, unread, label]")
    (tmp_path / "net.yaml").write_text(shifted)
    assert main(["train", str(tmp_path / "net.yaml"), "--run-dir", str(tmp_path / "other")]) == 1
    errors = capfd.readouterr().err
    assert "has no column 'label' for the objective" in errors
    assert "net.yaml:" in errors
    scalar = text.replace("{of: label,", "{of: mean,").replace(
        "name: size}",
        """name: size}
      - {formula: mean(size), name: mean}""",
    )
    (tmp_path / "net.yaml").write_text(scalar)
    assert main(["train", str(tmp_path / "net.yaml"), "--run-dir", str(tmp_path / "third")]) == 2
    assert "needs a step with a row for each example" in capfd.readouterr().err
