"""Optimizers for parts of a network, and weights without decay: what plain Keras computes."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from helpers.objectives import STEPWISE, write_data
from helpers.subprocesses import in_replicas
from numpy.typing import NDArray
from trainer.test_execution import assert_same, rows, trained, weights
from trainer.test_initial_weights import NET, by_name, network, save, saved_weights, write_examples

from archbuilder.cli import main

PATTERNS = ("backbone.dense0", "backbone.b*", "backbone.dense1")
HEAD, REST = "learning_rate_head", "learning_rate_*"
SCHEDULE = "{ExponentialDecay: {initial_learning_rate: 0.01, decay_steps: 10, decay_rate: 0.5}}"
ADAM = f"""
      AdamW:
        learning_rate: {SCHEDULE}
        weight_decay: 0.5
        exclude_from_weight_decay: [bias, "*norm*"]
"""
OPTIMIZER = f"""
    head: {{SGD: {{learning_rate: 0.1, momentum: 0.9, global_clipnorm: 0.3}}}}
    "*": {ADAM}"""
PARTS = NET.replace(" {SGD: 0.0}", OPTIMIZER).replace(
    "training:\n", "training:\n  weights: start.keras\n"
)
DECAYED = PARTS.replace(
    OPTIMIZER,
    f"""
    layer_decay:
      rate: 0.5
      layers: [backbone.dense0, "backbone.b*", backbone.dense1]
      optimizer: {{AdamW: {{learning_rate: {SCHEDULE}, weight_decay: 0.1}}}}""",
)
SINGLE = PARTS.replace(OPTIMIZER, ADAM)


def keras_optimizers(model: keras.Model) -> dict[str, keras.optimizers.Optimizer]:
    """Return the two optimizers of `OPTIMIZER`, made without archbuilder."""
    rate = keras.optimizers.schedules.ExponentialDecay(0.01, 10, 0.5)
    rest = keras.optimizers.AdamW(rate, weight_decay=0.5)
    excluded = [
        each
        for layer in model.layers
        for each in layer.weights
        if each.name == "bias" or isinstance(layer, keras.layers.BatchNormalization)
    ]
    assert len(excluded) == 3 + 4
    rest.exclude_from_weight_decay(var_list=excluded)
    return {"head": keras.optimizers.SGD(0.1, momentum=0.9, global_clipnorm=0.3), "rest": rest}


def keras_trained(folder: Path, epochs: int = 1, *, single: bool = False) -> keras.Model:
    """Return the network after ten steps for each epoch of a loop in plain Keras."""
    x, y = write_examples(folder)
    model = network()
    optimizers = keras_optimizers(model)
    head = [] if single else model.get_layer("head").trainable_variables
    groups = {
        "head": head,
        "rest": [v for v in model.trainable_variables if not any(v is each for each in head)],
    }
    take_steps(model, (x, y), epochs, [(optimizers[name], groups[name]) for name in groups])
    return model


def take_steps(
    model: keras.Model,
    examples: tuple[NDArray[np.float32], NDArray[np.int64]],
    epochs: int,
    groups: list[tuple[keras.optimizers.Optimizer, list[keras.Variable]]],
) -> None:
    """Train a model in plain Keras, with an optimizer for each group of variables."""
    x, y = examples
    for start in [*range(0, 160, 16)] * epochs:
        batch = slice(start, start + 16)
        with tf.GradientTape() as tape:
            losses = keras.losses.sparse_categorical_crossentropy(
                y[batch], model(x[batch], training=True)
            )
            loss = tf.reduce_mean(losses) + tf.add_n(model.losses)
        gradients = tape.gradient(loss, [v.value for v in model.trainable_variables])
        by_variable = {
            v.path: each for v, each in zip(model.trainable_variables, gradients, strict=True)
        }
        for optimizer, variables in groups:
            optimizer.apply([by_variable[v.path] for v in variables], variables)


def assert_close(run: Path, model: keras.Model, tolerance: float) -> None:
    expected = by_name(model)
    for name, array in saved_weights(run).items():
        np.testing.assert_allclose(array, expected[name], atol=tolerance, err_msg=name)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a directory with data, the weights to start from, and a run of ten steps."""
    folder = tmp_path_factory.mktemp("optimizers")
    write_examples(folder)
    save(network(), folder / "start.keras")
    trained(folder, PARTS, "run")
    return folder


def test_ten_steps_equal_keras(folder: Path):
    """Each part has its own optimizer, clipping, weight decay and rate, as in a loop in Keras."""
    assert_close(folder / "run", keras_trained(folder), 1e-6)
    (row,) = rows(folder / "run")
    assert (row[HEAD], row[REST]) == pytest.approx((0.1, 0.005))
    header = (folder / "run" / "history.csv").read_text().partition("\n")[0]
    assert header == f"epoch,seconds,{REST},{HEAD},loss"


def test_saved_model_has_all_optimizers(folder: Path):
    """The saved model of Keras goes on with the state of each optimizer, and so does a run."""
    saved = keras.saving.load_model(folder / "run" / "net.keras")
    optimizers = {type(each).__name__: each for each in saved.optimizer.optimizers}
    assert {name: int(each.iterations) for name, each in optimizers.items()} == {
        "SGD": 10,
        "AdamW": 10,
    }
    momentums = [each for each in optimizers["SGD"].variables if "momentum" in each.path]
    assert all(np.any(each.numpy()) for each in momentums)
    assert len(momentums) == 2
    parts = shutil.copytree(folder / "run", folder / "parts")
    assert main(["train", "--resume", str(parts), "--epochs", "2"]) == 0
    assert_close(parts, keras_trained(folder, epochs=2), 2e-6)
    assert [each[REST] for each in rows(parts)] == pytest.approx([0.005, 0.0025])


@pytest.mark.thorough
@pytest.mark.parametrize("policy", ["float32", "mixed_float16"])
def test_resume_bit_by_bit(folder: Path, policy: str):
    """A run that goes on comes to the weights and the averages of one that was left alone."""
    text = PARTS.replace("momentum: 0.9", "momentum: 0.9, use_ema: true")
    text = text.replace("training:\n", f"training:\n  dtype_policy: {policy}\n")
    uninterrupted = trained(folder, text, f"whole-{policy}", "--epochs", "2")
    parts = trained(folder, text, f"parts-{policy}")
    assert main(["train", "--resume", str(parts), "--epochs", "2"]) == 0
    assert_same(uninterrupted, parts)
    assert main(["evaluate", str(uninterrupted), "--data", str(folder / "data.npz")]) == 0


def test_one_optimizer_without_decay_of_some_weights(folder: Path):
    """An optimizer of all layers leaves out the same weights, and has no column in the history."""
    run = trained(folder, SINGLE, "single")
    assert_close(run, keras_trained(folder, single=True), 1e-6)
    assert rows(run)[0].keys() == {"epoch", "loss"}


@pytest.mark.thorough
def test_accumulation_and_averages(folder: Path):
    """Parts of a batch give the step of the whole batch, and averages those of each part."""
    frozen = PARTS.replace(
        "training:\n",
        "training:\n  gradient_accumulation_steps: 3\n  frozen: '*.batch*'\n"
        "  dtype_policy: mixed_float16\n",
    )
    averaged = frozen.replace("momentum: 0.9", "momentum: 0.9, use_ema: true, ema_momentum: 0.5")
    run, averaged_run = (
        trained(folder, frozen, "accumulated"),
        trained(folder, averaged, "averaged"),
    )
    arrays, averages = saved_weights(run), saved_weights(averaged_run)
    changed = {name for name, each in arrays.items() if not np.array_equal(each, averages[name])}
    assert changed == {"head/kernel", "head/bias"}
    names = [name for name, each in weights(averaged_run).items() if name not in weights(run)]
    assert len(names) == 2


@pytest.mark.thorough
def test_frozen_part(folder: Path):
    """The optimizer of a frozen part has nothing to do, and is there when the run goes on."""
    text = PARTS.replace("training:\n", "training:\n  frozen: head\n")
    run = trained(folder, text, "frozen")
    assert main(["train", "--resume", str(run), "--epochs", "2"]) == 0
    arrays, start = saved_weights(run), by_name(network())
    equal = {name for name, each in arrays.items() if np.array_equal(each, start[name])}
    assert equal == {"head/kernel", "head/bias"}


@pytest.mark.thorough
def test_replicas(folder: Path):
    """Three replicas with unequal parts learn the same, also where weights have no decay."""
    # Each replica has its own statistics of a batch.
    text = PARTS.replace("training:\n", "training:\n  frozen: '*.batch*'\n")
    commands = []
    for policy in ("float32", "mixed_float16"):
        path = folder / f"{policy}.yaml"
        path.write_text(
            text.replace("distribute: none", f"distribute: mirrored\n  dtype_policy: {policy}")
        )
        commands.append(["train", str(path), "--run-dir", str(folder / policy)])
    in_replicas(3, commands)
    expected = saved_weights(trained(folder, text, "one-device"))
    for policy, tolerance in (("float32", 1e-5), ("mixed_float16", 1e-2)):
        for name, array in saved_weights(folder / policy).items():
            np.testing.assert_allclose(array, expected[name], atol=tolerance, err_msg=name)


@pytest.mark.thorough
@pytest.mark.parametrize("objective", ["gan", "causal"])
def test_other_objectives(tmp_path: Path, objective: str):
    """Every objective in steps takes several optimizers; a rate of 0 leaves a part as it is."""
    write_data(tmp_path)
    text = STEPWISE[objective]
    if objective == "gan":
        # A critic has no use for the bias of its scores.
        text = text.replace("{wgan_gp: {critic_steps: 2}}", "gan")
        text = text.replace(
            "discriminator: {Adam: {learning_rate: 2e-3, beta_1: 0.5}}",
            "discriminator: {dense0: {SGD: 0.0}, '*': {Adam: 2e-3}}",
        )
        layer, name = "dense0", "discriminator"
        columns = ["discriminator.*", "discriminator.dense0", "generator"]
    else:
        text = re.sub(
            r"optimizer: .*\n", "optimizer: {embedding0: {SGD: 0.0}, '*': {Adam: 0.01}}\n", text
        )
        layer, name = "embedding0", "net"
        columns = ["*", "embedding0"]
    arguments = ("--batch-size", "90", "--distribute", "none")
    short = trained(tmp_path, text, "short", *arguments, "--epochs", "1")
    long = trained(tmp_path, text, "long", *arguments, "--epochs", "2")
    arrays, others = saved_weights(short, name), saved_weights(long, name)
    unchanged = {key for key in arrays if np.array_equal(arrays[key], others[key])}
    assert {key.partition("/")[0] for key in unchanged} == {layer}
    logged = [key for key in rows(short)[0] if key.startswith("learning_rate")]
    assert logged == [f"learning_rate_{each}" for each in columns]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('"*":', "backbone.dense0:", "no optimizer trains 2 layers: 'backbone.batch_norm"),
        ("[bias, ", "[biases, ", "no weight and no layer of the network matches 'biases'"),
    ],
)
def test_optimizers_that_do_not_fit(
    tmp_path: Path, old: str, new: str, message: str, capsys: pytest.CaptureFixture[str]
):
    """What is left out is an error with a location, before the first step."""
    write_examples(tmp_path)
    (tmp_path / "net.yaml").write_text(NET.replace(" {SGD: 0.0}", OPTIMIZER.replace(old, new)))
    assert main(["train", str(tmp_path / "net.yaml"), "--run-dir", str(tmp_path / "run")]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert "net.yaml:" in error


def test_layer_decay(tmp_path: Path):
    """After twenty steps, weights are those of Keras with a smaller rate for each earlier layer."""
    examples = write_examples(tmp_path)
    model = network()
    save(model, tmp_path / "start.keras")
    layers = ["backbone.dense0", "backbone.batch_normalization0", "backbone.dense1", "head"]
    groups = [
        (
            keras.optimizers.AdamW(
                keras.optimizers.schedules.ExponentialDecay(0.01 * 0.5**depth, 10, 0.5),
                weight_decay=0.1,
            ),
            model.get_layer(name).trainable_variables,
        )
        for depth, name in zip((3, 2, 1, 0), layers, strict=True)
    ]
    run = trained(tmp_path, DECAYED, "run", "--epochs", "2")
    take_steps(model, examples, 2, groups)
    assert_close(run, model, 2e-5)
    rates = [rows(run)[-1][f"learning_rate_{each}"] for each in (*PATTERNS, "*")]
    assert rates == pytest.approx([0.01 * 0.5**depth * 0.25 for depth in (3, 2, 1, 0)])
    # The recipe of a run has the rate of each layer, and a resumed run reads it.
    first = trained(tmp_path, DECAYED, "first", "--epochs", "1")
    assert main(["train", "--resume", str(first), "--epochs", "2"]) == 0
    assert_same(first, run)
