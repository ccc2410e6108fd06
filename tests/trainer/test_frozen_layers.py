"""Fine-tuning with frozen layers: what Keras does with them, on any number of devices."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
import pytest
from helpers.objectives import MOCO, STEPWISE, write_data
from helpers.subprocesses import in_replicas
from trainer.test_execution import assert_same, trained, weights
from trainer.test_initial_weights import (
    BACKBONE,
    NET,
    by_name,
    network,
    save,
    saved_weights,
    with_weights,
    write_examples,
)

from archbuilder.cli import main

FINE_TUNING = NET.replace("SGD: 0.0", "Adam: 0.01").replace(
    "training:\n",
    "training:\n  weights: {file: start.keras, of: backbone}\n  frozen: [backbone.*]\n"
    "  metrics: [SparseCategoricalAccuracy]\n",
)


def fine_tuned(folder: Path, epochs: int = 1) -> keras.Model:
    """Return the network after fine-tuning in plain Keras, in ten steps for each epoch."""
    x, y = write_examples(folder)
    model = network()
    # The head of a new network is the same in both.
    start = keras.saving.load_model(folder / "initial.keras")
    model.get_layer("head").set_weights(start.get_layer("head").get_weights())
    for name in BACKBONE:
        model.get_layer(name).trainable = False
    model.compile(keras.optimizers.Adam(0.01), "sparse_categorical_crossentropy")
    model.fit(x, y, batch_size=16, epochs=epochs, shuffle=False, verbose=0)
    return model


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a directory with data, the weights to start from, and a run of ten steps."""
    folder = tmp_path_factory.mktemp("frozen")
    write_examples(folder)
    save(network(), folder / "start.keras")
    trained(folder, FINE_TUNING, "run")
    # A rate of 0 leaves the head as it was built.
    initial = trained(folder, NET, "untrained")
    (initial / "net.keras").rename(folder / "initial.keras")
    return folder


def assert_close(run: Path, model: keras.Model, tolerance: float) -> None:
    """Check that frozen weights did not change at all, and the others are those of a model."""
    expected, start = by_name(model), by_name(network())
    for name, array in saved_weights(run).items():
        if name.partition("/")[0] in BACKBONE:
            np.testing.assert_array_equal(array, start[name], err_msg=name)
        np.testing.assert_allclose(array, expected[name], atol=tolerance, err_msg=name)


def test_ten_steps_equal_keras(folder: Path):
    """The steps, the losses and the variables of the optimizer are those of Keras."""
    model = fine_tuned(folder)
    assert_close(folder / "run", model, 1e-6)
    optimizer_arrays = [name for name in weights(folder / "run") if name.startswith("optimizer")]
    # The iteration, the learning rate, and two moments of a kernel and a bias.
    assert len(optimizer_arrays) == len(model.optimizer.variables) == 6


def test_saved_model_says_what_is_frozen(folder: Path):
    """As in Keras, a saved model keeps `trainable`, and its optimizer fits."""
    saved = keras.saving.load_model(folder / "run" / "net.keras")
    assert [each.name for each in saved.layers if each.weights and not each.trainable] == [
        *BACKBONE
    ]
    assert len(saved.trainable_variables) == 2
    x, y = write_examples(folder)
    saved.fit(x, y, batch_size=16, epochs=1, shuffle=False, verbose=0)
    expected = fine_tuned(folder, epochs=2).get_layer("head").get_weights()
    for array, value in zip(saved.get_layer("head").get_weights(), expected, strict=True):
        np.testing.assert_allclose(array, value, atol=1e-5)


def test_accumulation(folder: Path):
    """With frozen statistics, the parts of a batch give the step of the whole batch."""
    text = FINE_TUNING.replace("training:\n", "training:\n  gradient_accumulation_steps: 3\n")
    assert_close(trained(folder, text, "accumulated"), fine_tuned(folder), 1e-5)


@pytest.mark.thorough
def test_replicas(folder: Path):
    """Three replicas with unequal parts keep frozen weights bit by bit, and learn the same."""
    path = folder / "replicas.yaml"
    path.write_text(FINE_TUNING.replace("distribute: none", "distribute: mirrored"))
    in_replicas(3, [["train", str(path), "--run-dir", str(folder / "replicas")]])
    assert_close(folder / "replicas", fine_tuned(folder), 1e-5)


def test_resume_and_evaluate(folder: Path, capsys: pytest.CaptureFixture[str]):
    """A resumed run comes to the same weights, bit by bit, and can be evaluated."""
    uninterrupted = trained(folder, FINE_TUNING, "whole", "--epochs", "2")
    parts = trained(folder, FINE_TUNING, "parts", "--epochs", "1")
    capsys.readouterr()
    assert main(["train", "--resume", str(parts), "--epochs", "2"]) == 0
    output = capsys.readouterr().out
    assert "Weights:" not in output
    assert "Trainable: 18 of 107 parameters of 'net'; 3 layers with weights frozen" in output
    assert_same(uninterrupted, parts)
    assert main(["evaluate", str(parts), "--data", str(folder / "data.npz")]) == 0


def test_trainable_and_frozen(folder: Path):
    """`trainable` selects layers, and `frozen` leaves out some of them."""
    text = FINE_TUNING.replace("frozen: [backbone.*]", "trainable: [backbone, head]").replace(
        "  metrics", "  frozen: '*.batch*'\n  metrics"
    )
    run = trained(folder, text, "some")
    start = by_name(network())
    arrays = saved_weights(run)
    unchanged = {name for name, array in arrays.items() if np.array_equal(array, start[name])}
    assert {each.partition("/")[0] for each in unchanged} == {"backbone.batch_normalization0"}
    assert len(unchanged) == 4


@pytest.mark.parametrize(
    "objective",
    ["causal", *(pytest.param(each, marks=pytest.mark.thorough) for each in ("gan", "moco"))],
)
def test_other_objectives(tmp_path: Path, objective: str):
    """Every objective in steps leaves frozen layers as they are, and trains the others."""
    write_data(tmp_path)
    text = {**STEPWISE, "moco": MOCO}[objective]
    frozen, layer, name = {
        "gan": ("generator.dense0", "dense0", "generator"),
        "moco": ("conv2d0", "conv2d0", "net"),
        "causal": ("embedding0", "embedding0", "net"),
    }[objective]
    text = text.replace("training:\n", f"training:\n  frozen: {frozen}\n", 1)
    arguments = ("--batch-size", "90", "--distribute", "none")
    short = trained(tmp_path, text, "short", *arguments, "--epochs", "1")
    long = trained(tmp_path, text, "long", *arguments, "--epochs", "2")
    arrays, others = saved_weights(short, name), saved_weights(long, name)
    unchanged = {key for key in arrays if np.array_equal(arrays[key], others[key])}
    assert {key.partition("/")[0] for key in unchanged} == {layer}


def test_nothing_left_to_train(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    """A network without a weight to train is an error before the first step."""
    write_examples(tmp_path)
    text = NET.replace("training:\n", "training:\n  frozen: [backbone, head]\n")
    (tmp_path / "net.yaml").write_text(text)
    assert main(["train", str(tmp_path / "net.yaml"), "--run-dir", str(tmp_path / "run")]) == 2
    error = capsys.readouterr().err
    assert "leave no weight of the network 'net' to train" in error
    assert f"net.yaml:{text.splitlines().index('  frozen: [backbone, head]') + 1}:12" in error


def test_nothing_left_to_train_in_a_later_stage(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    """It is an error before the first step of the first stage."""
    write_examples(tmp_path)
    stages = "  stages:\n    - {epochs: 1}\n    - {epochs: 1, trainable: '*.batch*', frozen: '*'}\n"
    text = NET.replace("  epochs: 1\n", stages)
    (tmp_path / "net.yaml").write_text(text)
    run = tmp_path / "run"
    assert main(["train", str(tmp_path / "net.yaml"), "--run-dir", str(run)]) == 2
    assert not (run / "history.csv").exists()
    line = next(n for n, each in enumerate(text.splitlines(), 1) if "'*.batch*'" in each)
    assert f"net.yaml:{line}:50" in capsys.readouterr().err


def test_part_of_a_new_network(tmp_path: Path):
    """Without weights from a file, a frozen layer keeps its random values."""
    write_examples(tmp_path)
    text = with_weights("[]", NET.replace("0.0", "0.5"))
    text = text.replace("training:\n", "training:\n  trainable: head\n")
    first = saved_weights(trained(tmp_path, text, "first"))
    second = saved_weights(trained(tmp_path, text, "second", "--epochs", "2"))
    equal = {name.partition("/")[0] for name in first if np.array_equal(first[name], second[name])}
    assert equal == {*BACKBONE}
