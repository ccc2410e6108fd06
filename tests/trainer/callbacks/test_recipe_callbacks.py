"""Callbacks of a recipe: they do what they do in Keras, on any number of devices."""

from __future__ import annotations

import json
from pathlib import Path

import keras
import numpy as np
import pytest
from helpers.objectives import STEPWISE, SUPERVISED, write_data
from helpers.subprocesses import in_replicas
from numpy.typing import NDArray
from safetensors.numpy import load_file
from trainer.test_execution import rows, trained, weights, with_key

from archbuilder.cli import main
from archbuilder.compiler.keras_object import KerasObject
from archbuilder.diagnostics.errors import RunError
from archbuilder.diagnostics.span import SourceText, Span
from archbuilder.distribution.collectives import SINGLE_WORKER
from archbuilder.trainer.callbacks.recipe_callbacks import RecipeCallbacks
from archbuilder.yaml.nodes import from_plain

SPAN = Span(SourceText("", ""), 1, 1, 1, 1)

OVERFITTING = """
archbuilder: 1
name: net
inputs: {x: [4]}
layers:
  - Dense: {units: 32, activation: tanh, kernel_initializer: {GlorotUniform: {seed: 1}}}
  - Dense: {units: 3, activation: softmax, kernel_initializer: {GlorotUniform: {seed: 2}}}
data: {train: {npz: train.npz}, validation: {npz: validation.npz}}
training:
  loss: SparseCategoricalCrossentropy
  optimizer: {Adam: {learning_rate: 0.1}}
  metrics: [SparseCategoricalAccuracy]
  epochs: 30
  batch_size: 16
  shuffle: false
  distribute: none
"""
STOPPING = "EarlyStopping: {patience: 4, min_delta: 0.001, restore_best_weights: true}"
PLATEAU = "ReduceLROnPlateau: {factor: 0.5, patience: 1, cooldown: 1, min_lr: 0.02}"
BOTH = f"callbacks: [{{{STOPPING}}}, {{{PLATEAU}}}]"
NEVER_IMPROVES = "patience: 1, min_delta: 1e9, restore_best_weights: true"
"""Arguments that stop a run after its second epoch and restore the first."""


def write_noise(folder: Path) -> dict[str, tuple[NDArray[np.float32], NDArray[np.int64]]]:
    """Write labels that do not depend on the inputs, so that the validation loss rises soon."""
    random = np.random.default_rng(3)
    data = {}
    for name in ("train", "validation"):
        x = random.normal(size=(64, 4)).astype(np.float32)
        y = (x[:, 0] > 0) + (random.random(64) < 0.4)
        data[name] = (x, y.astype(np.int64))
        np.savez(folder / f"{name}.npz", x=x, y=y)
    return data


def test_same_as_keras(tmp_path: Path, capfd: pytest.CaptureFixture[str]):
    """A run stops at the epoch of Keras's `fit`, with its learning rates and its weights."""
    data = write_noise(tmp_path)
    run = trained(tmp_path, with_key(OVERFITTING, BOTH), "run")
    layers = [
        keras.layers.Dense(
            units, activation, kernel_initializer=keras.initializers.GlorotUniform(k)
        )
        for k, (units, activation) in enumerate(((32, "tanh"), (3, "softmax")), start=1)
    ]
    model = keras.Sequential([keras.Input([4]), *layers])
    model.compile(keras.optimizers.Adam(0.1), "sparse_categorical_crossentropy")
    stopping = keras.callbacks.EarlyStopping(patience=4, min_delta=1e-3, restore_best_weights=True)
    plateau = keras.callbacks.ReduceLROnPlateau(factor=0.5, patience=1, cooldown=1, min_lr=0.02)
    history = model.fit(
        *data["train"],
        batch_size=16,
        epochs=30,
        shuffle=False,
        validation_data=data["validation"],
        callbacks=[stopping, plateau],
        verbose=0,
    ).history

    epochs, best_epoch = len(history["loss"]), stopping.best_epoch + 1
    assert best_epoch < epochs < 30
    output = capfd.readouterr().out
    assert (
        "Early stopping: val_loss has not improved for 4 epochs; weights of epoch"
        f" {best_epoch} restored" in output
    )
    assert [row["val_loss"] for row in rows(run)] == pytest.approx(history["val_loss"], rel=1e-4)
    rates = history["learning_rate"]
    assert output.count("Learning rate reduced") == len(set(rates)) - 1 > 1
    saved = keras.saving.load_model(run / "net.keras")
    for value, expected in zip(saved.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_allclose(value, expected, rtol=1e-3, atol=1e-4)

    record = json.loads((run / "run.json").read_text())
    assert record["early_stop"] == {
        "monitor": "val_loss",
        "stopped_epoch": epochs,
        "restored_epoch": best_epoch,
    }
    best = rows(run)[best_epoch - 1]
    for name, value in record["validation_metrics"].items():
        assert value == best[f"val_{name}"]


def test_end_without_an_early_stop(tmp_path: Path, capfd: pytest.CaptureFixture[str]):
    """The best weights are restored at the last epoch too, and more epochs go on from the last."""
    write_noise(tmp_path)
    text = with_key(OVERFITTING, BOTH)
    uninterrupted = trained(tmp_path, text, "uninterrupted")
    run = trained(tmp_path, text, "run", "--epochs", "3")
    best = 1 + int(np.argmin([row["val_loss"] for row in rows(run)]))
    capfd.readouterr()
    assert main(["evaluate", str(run), "--format", "json"]) == 0
    assert json.loads(capfd.readouterr().out)["loss"] == rows(run)[best - 1]["val_loss"]
    early_stop = json.loads((run / "run.json").read_text())["early_stop"]
    assert early_stop == {"monitor": "val_loss", "stopped_epoch": None, "restored_epoch": best}

    assert main(["train", "--resume", str(run), "--epochs", "30"]) == 0
    arrays, expected_arrays = weights(run), weights(uninterrupted)
    assert arrays.keys() == expected_arrays.keys()
    for name, array in arrays.items():
        np.testing.assert_array_equal(array, expected_arrays[name], err_msg=name)
    models = [keras.saving.load_model(each / "net.keras") for each in (run, uninterrupted)]
    for value, expected in zip(*(each.get_weights() for each in models), strict=True):
        np.testing.assert_array_equal(value, expected)


def test_resume_after_an_early_stop(tmp_path: Path, capfd: pytest.CaptureFixture[str]):
    """A run that stopped early says so, also with more epochs, and keeps its weights."""
    write_noise(tmp_path)
    run = trained(tmp_path, with_key(OVERFITTING, BOTH), "run")
    history, model = rows(run), keras.saving.load_model(run / "net.keras").get_weights()
    capfd.readouterr()
    assert main(["train", "--resume", str(run), "--epochs", "50"]) == 0
    output = capfd.readouterr().out
    assert f"Run already stopped early, after {len(history)} epochs" in output
    assert "Epoch" not in output
    assert rows(run) == history
    for value, expected in zip(
        keras.saving.load_model(run / "net.keras").get_weights(), model, strict=True
    ):
        np.testing.assert_array_equal(value, expected)


def test_callbacks_without_effect(tmp_path: Path):
    """The look at the metrics before a run changes none of its weights, bit by bit."""
    key = "callbacks: [{EarlyStopping: {patience: 9}}]"
    plain = weights(trained(tmp_path, SUPERVISED, "plain", "--epochs", "2"))
    watched = weights(trained(tmp_path, with_key(SUPERVISED, key), "watched", "--epochs", "2"))
    assert {name for name in watched if not name.startswith("callbacks.")} == set(plain)
    for name, array in plain.items():
        np.testing.assert_array_equal(array, watched[name], err_msg=name)


@pytest.mark.parametrize(
    ("callback", "keys", "messages"),
    [
        (
            "EarlyStopping: {monitor: val_los}",
            "",
            ["EarlyStopping monitors 'val_los', which the run does not log", "'val_loss'"],
        ),
        (
            "ReduceLROnPlateau: {monitor: val_accuracy}",
            "",
            ["the run logs: loss, sparse_categorical_accuracy, val_loss, val_sparse_categorical"],
        ),
        ("EarlyStopping: val_sparse_accuracy", "", ["'val_sparse_categorical_accuracy'"]),
        (
            "EarlyStopping: {patience: 3}",
            "validation_split: 0",
            ["monitors 'val_loss'", "it has no validation set; add one with 'validation_split'"],
        ),
    ],
)
def test_monitor_is_not_logged(
    tmp_path: Path,
    callback: str,
    keys: str,
    messages: list[str],
    capfd: pytest.CaptureFixture[str],
):
    """The run fails before its first step, with the location and the metrics that it logs."""
    text = with_key(SUPERVISED, f"callbacks:\n    - {{{callback}}}\n  {keys}")
    path, run = tmp_path / "net.yaml", tmp_path / "run"
    path.write_text(text)
    assert main(["train", str(path), "--run-dir", str(run)]) == 2
    errors = capfd.readouterr().err
    assert all(each in errors for each in messages), errors
    assert "net.yaml:15:" in errors
    assert not run.exists()


OUTPUTS = """
archbuilder: 1
name: net
inputs: {x: [4]}
layers:
  - {Dense: {units: 1, activation: sigmoid}, name: first}
  - {Dense: {units: 3, activation: softmax}, name: second, from: x}
outputs: {first: first, second: second}
data: {npz: {file: data.npz, targets: {first: a, second: b}}}
training:
  loss: {first: BinaryCrossentropy, second: SparseCategoricalCrossentropy}
  metrics: {first: [FalseNegatives], second: [SparseCategoricalAccuracy]}
  epochs: 2
"""


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("monitor: val_second_sparse_categorical_accuracy", ""),
        ("monitor: second_loss", ""),
        ("monitor: val_first_false_negatives, mode: min", ""),
        ("monitor: val_first_false_negatives", "add 'mode: min' or 'mode: max'"),
    ],
)
def test_automatic_mode(
    tmp_path: Path, arguments: str, message: str, capfd: pytest.CaptureFixture[str]
):
    """Metrics of one of several outputs have a direction; a count needs `mode`."""
    random = np.random.default_rng(0)
    x, a, b = random.normal(size=(40, 4)), random.integers(0, 2, 40), random.integers(0, 3, 40)
    np.savez(tmp_path / "data.npz", x=x.astype(np.float32), a=a, b=b)
    path = tmp_path / "net.yaml"
    path.write_text(with_key(OUTPUTS, f"callbacks: [{{EarlyStopping: {{{arguments}}}}}]"))
    code = main(["train", str(path), "--run-dir", str(tmp_path / "run")])
    assert code == (2 if message else 0)
    assert message in capfd.readouterr().err


MONITORS = {"gan": "val_discriminator_loss", "causal": "val_perplexity"}


@pytest.mark.parametrize(
    "objective",
    [
        "causal",
        *(pytest.param(each, marks=pytest.mark.thorough) for each in STEPWISE if each != "causal"),
    ],
)
def test_every_objective(tmp_path: Path, objective: str, capfd: pytest.CaptureFixture[str]):
    """Each stops early; `evaluate` has the metrics of the restored epoch, with averages too."""
    write_data(tmp_path)
    monitor = MONITORS.get(objective, "val_loss")
    key = f"callbacks: [{{EarlyStopping: {{monitor: {monitor}, {NEVER_IMPROVES}}}}}]"
    text = with_key(STEPWISE[objective], key).replace("Adam: {", "Adam: {use_ema: true, ")
    run = trained(tmp_path, text, "run", "--epochs", "4")
    history = rows(run)
    assert len(history) == 2
    capfd.readouterr()
    assert main(["evaluate", str(run), "--format", "json"]) == 0
    for name, value in json.loads(capfd.readouterr().out).items():
        if f"val_{name}" in history[0]:
            assert value == pytest.approx(history[0][f"val_{name}"], rel=1e-5), name


def one_epoch(model: keras.Model) -> RecipeCallbacks:
    """Return a callback that has seen an epoch."""
    tree = from_plain({"EarlyStopping": {"restore_best_weights": True}}, SPAN)
    configs = [KerasObject.from_tree("callback", tree)]
    callbacks = RecipeCallbacks(configs, model, ["loss", "val_loss"], SINGLE_WORKER, pytest.fail)
    callbacks.on_epoch_end(0, {"loss": 0.5, "val_loss": 0.25})
    return callbacks


@pytest.mark.parametrize(
    ("name", "damaged"),
    [
        ("callbacks.0.wait", None),
        ("callbacks.0.wait", np.array(np.nan)),
        ("callbacks.0.best", np.array([0.25, 0.25])),
        ("callbacks.best_weights.00001", None),
        ("callbacks.best_weights.00001", np.zeros(3, np.float64)),
        ("callbacks.best_weights.00001", np.zeros(4, np.float32)),
    ],
)
def test_state_of_other_callbacks(name: str, damaged: NDArray[np.generic] | None):
    """A state is restored as it was saved; one that does not fit is an error."""
    model = keras.Sequential([keras.Input([2]), keras.layers.Dense(3)])
    model.compile("sgd", "mse")
    arrays = one_epoch(model).state()
    assert arrays["callbacks.0.best"] == 0.25
    restored = one_epoch(model)
    restored.on_epoch_end(1, {"loss": 0.5, "val_loss": 0.125})
    restored.load_state(arrays)
    assert str(restored.state()) == str(arrays)
    del arrays[name]
    with pytest.raises(RunError, match="the checkpoint has"):
        restored.load_state(arrays if damaged is None else {**arrays, name: damaged})


@pytest.mark.thorough
def test_replicas(tmp_path: Path):
    """On two replicas too, the learning rate falls and the best weights are saved."""
    callbacks = (
        f"callbacks: [{{EarlyStopping: {{{NEVER_IMPROVES}}}}},"
        " {ReduceLROnPlateau: {factor: 0.5, patience: 1, min_delta: 1e9}}]"
    )
    path, run = tmp_path / "net.yaml", tmp_path / "run"
    text = SUPERVISED.replace("steps_per_execution: 1", "steps_per_execution: 7")
    path.write_text(with_key(text, callbacks))
    options = ["--distribute", "mirrored", "--run-dir", run, "--batch-size", "90"]
    output = in_replicas(2, [["train", path, *options], ["evaluate", run, "--format", "json"]])
    assert "2 CPUs" in output
    assert "Learning rate reduced from 0.1 to 0.05: val_loss" in output
    history = rows(run)
    assert len(history) == 2
    assert json.loads(output[output.index("{") :])["loss"] == pytest.approx(history[0]["val_loss"])
    saved, arrays = load_weights_of_best_epoch(run), weights(run)
    assert any(not np.array_equal(saved[name], arrays[name]) for name in saved)


def load_weights_of_best_epoch(run: Path) -> dict[str, NDArray[np.generic]]:
    """Return the weights of the best epoch in the newest checkpoint by the names of the last."""
    arrays = load_file(max((run / "checkpoints").iterdir()) / "variables.safetensors")
    prefix = "callbacks.best_weights."
    return {
        f"network.{name.removeprefix(prefix)}": array
        for name, array in arrays.items()
        if name.startswith(prefix)
    }
