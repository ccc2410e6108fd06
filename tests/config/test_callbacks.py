"""The setting `callbacks`: which callbacks a recipe may have, and errors in it."""

from __future__ import annotations

from pathlib import Path

import pytest

import archbuilder
from archbuilder.config import read_recipe
from archbuilder.config.training import TrainingConfig
from archbuilder.diagnostics.errors import BlueprintError, Diagnostic

HEAD = """archbuilder: 1
name: net
inputs: {x: [4]}
layers: [Dense: 3]
data: digits
training:
  loss: MeanSquaredError
"""
GAN = """archbuilder: 1
name: gan
networks:
  generator: {inputs: {noise: [2]}, layers: [Dense: 4]}
  discriminator: {inputs: {x: [4]}, layers: [Dense: 1]}
data: digits
training:
  objective: gan
"""


def parse(folder: Path, text: str) -> TrainingConfig:
    """Parse the recipe of a blueprint."""
    path = folder / "net.yaml"
    path.write_text(text)
    training = read_recipe(archbuilder.load(path)).training
    assert training is not None
    return training


def error(folder: Path, text: str) -> Diagnostic:
    """Return the only error of a recipe."""
    with pytest.raises(BlueprintError) as caught:
        parse(folder, text)
    (diagnostic,) = caught.value.diagnostics
    return diagnostic


def test_callbacks_with_aliases(tmp_path: Path):
    """Callbacks keep their order, and have the aliases of Keras's other objects."""
    text = "  callbacks: [reduce_lr_on_plateau, {EarlyStopping: {patience: 3}}]\n"
    callbacks = parse(tmp_path, HEAD + text).callbacks
    assert [each.class_name for each in callbacks] == ["ReduceLROnPlateau", "EarlyStopping"]
    assert callbacks[1].argument("patience") == 3
    assert parse(tmp_path, HEAD).callbacks == ()


@pytest.mark.parametrize(
    ("value", "code", "message"),
    [
        ("EarlyStopping", "invalid-structure", "'callbacks' must be a list of callbacks, not"),
        ("[EarlyStoping]", "unknown-keras-object", "there is no callback 'EarlyStoping'"),
        ("[{EarlyStopping: {patient: 3}}]", "unknown-argument", "no argument 'patient'"),
        ("[{EarlyStopping: {mode: down}}]", "invalid-choice", "'mode' of EarlyStopping"),
        ("[{EarlyStopping: {verbose: 1}}]", "unsupported-argument", "the log of a run always"),
        ("[{ReduceLROnPlateau: {factor: 1}}]", "out-of-range", "'factor' of ReduceLROnPlateau"),
        ("[{ModelCheckpoint: {filepath: /a}}]", "unknown-keras-object", "save_best: val_loss"),
        ("[TerminateOnNaN]", "unknown-keras-object", "stops at a NaN loss without a callback"),
        ("[LambdaCallback]", "unknown-keras-object", "it takes Python functions"),
        ("[{CSVLogger: /tmp/a}]", "unknown-keras-object", "history.csv without a callback"),
        ("[SwapEMAWeights]", "unknown-keras-object", "use_ema: true"),
        ("[LearningRateScheduler]", "unknown-keras-object", "write a schedule in the optimizer"),
    ],
)
def test_invalid_callbacks(tmp_path: Path, value: str, code: str, message: str):
    """Anything but the supported callbacks is an error that says what to write."""
    diagnostic = error(tmp_path, f"{HEAD}  callbacks: {value}\n")
    assert diagnostic.code == code
    assert message in diagnostic.message
    assert diagnostic.span.line == 8


def test_misspelled_callback_has_a_suggestion(tmp_path: Path):
    """The suggestion is the name of a supported callback."""
    assert error(tmp_path, f"{HEAD}  callbacks: [EarlyStoping]\n").suggestion == "EarlyStopping"


def test_two_callbacks_restore_weights(tmp_path: Path):
    """A run saves one set of weights, so that the second callback is an error."""
    first = "{EarlyStopping: {restore_best_weights: true}}"
    second = "{EarlyStopping: {monitor: loss, restore_best_weights: true}}"
    diagnostic = error(tmp_path, f"{HEAD}  callbacks:\n    - {first}\n    - {second}\n")
    assert "two callbacks restore the weights" in diagnostic.message
    assert diagnostic.span.line == 10


@pytest.mark.parametrize("name", ["ReduceLROnPlateau", "reduce_lr_on_plateau"])
def test_learning_rate_with_a_schedule(tmp_path: Path, name: str):
    """Keras cannot set a learning rate that follows a schedule."""
    schedule = "{CosineDecay: {initial_learning_rate: 0.1, decay_steps: 9}}"
    optimizer = f"  optimizer: {{SGD: {{learning_rate: {schedule}}}}}\n"
    diagnostic = error(tmp_path, f"{HEAD}{optimizer}  callbacks: [{name}]\n")
    assert "it follows a schedule" in diagnostic.message
    assert diagnostic.span.line == 9


def test_learning_rates_of_two_networks(tmp_path: Path):
    """The losses of a GAN do not tell which learning rate to reduce; it may stop early."""
    diagnostic = error(tmp_path, f"{GAN}  callbacks: [ReduceLROnPlateau]\n")
    assert "does not support several optimizers" in diagnostic.message
    stopping = "{EarlyStopping: {monitor: val_generator_loss}}"
    assert parse(tmp_path, f"{GAN}  callbacks: [{stopping}]\n").callbacks


def test_objective_without_steps(tmp_path: Path):
    """Ridge regression has no epochs after which a callback could run."""
    text = HEAD.replace("loss: MeanSquaredError", "objective: ridge")
    diagnostic = error(tmp_path, f"{text}  callbacks: [EarlyStopping]\n")
    assert (diagnostic.code, "callbacks" in diagnostic.message) == ("unknown-key", True)
