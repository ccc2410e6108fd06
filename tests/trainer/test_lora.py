"""LoRA: what Keras computes with `enable_lora`, and networks that are saved without it."""

from __future__ import annotations

import shutil
from pathlib import Path

import keras
import numpy as np
import pytest
from helpers.subprocesses import in_replicas
from numpy.typing import NDArray
from trainer.test_execution import assert_same, rows, trained, weights
from trainer.test_initial_weights import TRAINING, saved_weights

from archbuilder.cli import main
from archbuilder.config.lora import LoraConfig
from archbuilder.diagnostics.errors import Diagnostics
from archbuilder.keras_backend.saving import save_model
from archbuilder.trainer.lora_layers import check_lora

ADAPTED = ("words", "attention", "conv1d0")
BLUEPRINT = f"""
archbuilder: 1
name: net
inputs: {{x: [5]}}
layers:
  - {{Embedding: {{input_dim: 12, output_dim: 6}}, name: words}}
  - {{MultiHeadAttention: {{num_heads: 2, key_dim: 3}}, from: [words, words], name: attention}}
  - {{Conv1D: {{filters: 4, kernel_size: 2}}}}
  - BatchNormalization
  - Flatten
  - {{Dense: {{units: 3, activation: softmax}}, name: head}}
{TRAINING}"""
LORA = (
    BLUEPRINT.replace("SGD: 0.0", "Adam: 0.02")
    .replace(
        "training:\n",
        "training:\n  trainable: head\n  lora:\n    rank: 2\n    alpha: 5\n"
        "    layers: [words, '*.query', conv1d0]\n  save_best: val_loss\n",
    )
    .replace("validation_split: 0", "validation_split: 0.2")
)


def write_examples(folder: Path) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Write sequences, and return the ten batches of the training set."""
    tokens = np.random.default_rng(3).integers(0, 12, (200, 5))
    y = tokens.max(axis=1) // 4
    np.savez(folder / "data.npz", x=tokens, y=y)
    return tokens[:160], y[:160]


def network() -> keras.Model:
    """Return the network of `BLUEPRINT` with LoRA, built without archbuilder."""
    tokens = keras.Input((5,), name="x")
    x = keras.layers.Embedding(12, 6, name="words")(tokens)
    attention = keras.layers.MultiHeadAttention(2, 3, name="attention")
    x = attention(x, x)
    x = keras.layers.Conv1D(4, 2, name="conv1d0")(x)
    x = keras.layers.BatchNormalization(name="batch_normalization0")(x)
    x = keras.layers.Flatten()(x)
    model = keras.Model(tokens, keras.layers.Dense(3, activation="softmax", name="head")(x))
    for layer in model.layers:
        if layer.name in ADAPTED:
            for variable in layer.variables:
                variable.trainable = False
        elif layer.name != "head":
            layer.trainable = False
    query = attention._query_dense
    for layer in (model.get_layer("words"), query, model.get_layer("conv1d0")):
        layer.enable_lora(2, lora_alpha=5)
    return model


def merged(model: keras.Model) -> list[NDArray[np.generic]]:
    """Return the weights of a model of plain Keras, with merged kernels and without matrices."""
    arrays = []
    for variable in model.variables:
        array = variable.numpy()
        path = variable.path.rpartition("/")[0]
        matrices = [
            each.numpy()
            for each in model.variables
            if each.path.startswith(f"{path}/lora") and variable.name in ("kernel", "embeddings")
        ]
        if matrices:
            array = array + 2.5 * matrices[0] @ matrices[1]
        if "lora" not in variable.name:
            arrays.append(array)
    return arrays


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a directory with data, and a run of ten steps."""
    folder = tmp_path_factory.mktemp("lora")
    write_examples(folder)
    trained(folder, LORA, "run")
    return folder


def test_ten_steps_equal_keras(folder: Path):
    """Frozen kernels stay; the matrices, the head and the optimizer are those of Keras."""
    tokens, y = write_examples(folder)
    # A rate of 0 leaves the network as it was built.
    initial = weights(trained(folder, LORA.replace("Adam: 0.02", "SGD: 0.0"), "initial"))
    arrays = weights(folder / "run")
    model = network()
    for number, variable in enumerate(model.variables):
        variable.assign(initial[f"network.{number:05}"])
    model.compile(keras.optimizers.Adam(0.02), "sparse_categorical_crossentropy")
    model.fit(tokens, y, batch_size=16, shuffle=False, verbose=0)
    for number, variable in enumerate(model.variables):
        array = arrays[f"network.{number:05}"]
        if not variable.trainable:
            np.testing.assert_array_equal(array, initial[f"network.{number:05}"])
        np.testing.assert_allclose(array, variable.numpy(), atol=2e-6, err_msg=variable.path)
    assert sum("lora" in each.name for each in model.trainable_variables) == 6
    assert len([each for each in arrays if each.startswith("optimizer")]) == len(
        model.optimizer.variables
    )
    # The file has merged kernels, and no LoRA that Keras would load as matrices of zeros.
    saved = keras.saving.load_model(folder / "run" / "net.keras")
    assert not saved.get_layer("words").lora_enabled
    for array, value in zip(saved.get_weights(), merged(model), strict=True):
        np.testing.assert_allclose(array, value, atol=2e-6)
    np.testing.assert_allclose(
        saved.predict(tokens, verbose=0), model.predict(tokens, verbose=0), atol=1e-5
    )


def test_resume_and_evaluate(folder: Path, capsys: pytest.CaptureFixture[str]):
    """A resumed run comes to the same weights, bit by bit; commands read the merged ones."""
    uninterrupted = trained(folder, LORA, "whole", "--epochs", "2")
    parts = shutil.copytree(folder / "run", folder / "parts")
    assert main(["train", "--resume", str(parts), "--epochs", "2"]) == 0
    assert_same(uninterrupted, parts)
    files = [
        saved_weights(each, name) for each in (uninterrupted, parts) for name in ("net", "net.best")
    ]
    for name, array in files[0].items():
        np.testing.assert_array_equal(array, files[2][name])
        np.testing.assert_array_equal(files[1][name], files[3][name])
    capsys.readouterr()
    assert main(["evaluate", str(parts)]) == 0
    assert f"{rows(parts)[-1]['val_loss']:.6f}" in capsys.readouterr().out


def test_stages(folder: Path, capsys: pytest.CaptureFixture[str]):
    """A stage starts from merged kernels, with matrices of its own, also in frozen layers."""
    stages = """  stages:
    - {epochs: 1}
    - {epochs: 1, lora: {rank: 1, layers: head}, frozen: head, optimizer: {SGD: 0.0}}
"""
    alone = saved_weights(folder / "run")
    run = trained(folder, LORA.replace("  epochs: 1\n", stages), "stages")
    assert "Trainable: 19 of 378 parameters of 'net'; 4 layers" in capsys.readouterr().out
    # Resumed from its record, in which `alpha` is missing.
    assert main(["train", "--resume", str(run)]) == 0
    for name, array in saved_weights(run, "net.best").items():
        np.testing.assert_allclose(array, alone[name], atol=1e-6, err_msg=name)
    for name, array in saved_weights(run).items():
        if "batch_normalization" not in name:
            np.testing.assert_allclose(array, alone[name], atol=1e-6, err_msg=name)


def test_saved_kernels_have_full_precision(tmp_path: Path):
    """Keras 3.15 would round kernels to the compute dtype; the model in memory stays as it is."""
    layer = keras.layers.Dense(7, dtype="mixed_bfloat16")
    model = keras.Sequential([keras.Input((5,)), layer])
    layer.enable_lora(2)
    kernel, _, a, b = arrays = [
        np.random.default_rng(1).normal(size=each.shape).astype(np.float32)
        for each in model.weights
    ]
    model.set_weights(arrays)
    save_model(model, tmp_path / "net.keras")
    saved = keras.saving.load_model(tmp_path / "net.keras").get_weights()
    np.testing.assert_allclose(saved[0], kernel + a @ b, rtol=1e-6)
    for array, value in zip(arrays, model.get_weights(), strict=True):
        np.testing.assert_array_equal(array, value)
    assert layer.lora_enabled


@pytest.mark.thorough
def test_replicas(folder: Path):
    """Three replicas with unequal parts learn the same matrices."""
    path = folder / "replicas.yaml"
    path.write_text(LORA.replace("distribute: none", "distribute: mirrored"))
    in_replicas(3, [["train", str(path), "--run-dir", str(folder / "replicas")]])
    arrays, expected = weights(folder / "replicas"), weights(folder / "run")
    for name, array in arrays.items():
        np.testing.assert_allclose(array, expected[name], atol=1e-4, err_msg=name)


@pytest.mark.parametrize(
    ("lora", "message", "column"),
    [
        ("{rank: 2, layers: [heads]}", "no layer of the network matches 'heads'", 28),
        ("{rank: 2, layers: [head, flatten0]}", "no layer that supports LoRA matches 'flat", 34),
        ("{rank: 2, layers: ['*.qeury']}", "no layer that supports LoRA matches '*.qeury'", 28),
        ("{rank: 4, layers: [head]}", "the kernel of 'head' has a rank of at most 3", 28),
        ("{layers: [head]}", "'lora' has no 'rank'", 9),
        ("{rank: 0, layers: [head]}", "'rank' must be", 16),
    ],
)
def test_invalid_settings(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], lora: str, message: str, column: int
):
    """Each error has the location of the value."""
    write_examples(tmp_path)
    path = tmp_path / "net.yaml"
    path.write_text(BLUEPRINT.replace("training:\n", f"training:\n  lora: {lora}\n"))
    assert main(["train", str(path), "--run-dir", str(tmp_path / "run")]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert f"net.yaml:15:{column}" in error


def test_constraint(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    """Keras does not support LoRA next to a constraint; a later stage is checked at once."""
    write_examples(tmp_path)
    text = BLUEPRINT.replace("kernel_size: 2", "kernel_size: 2, kernel_constraint: NonNeg")
    stages = "  stages: [{epochs: 1}, {epochs: 1, lora: {rank: 1, layers: conv1d0}}]\n"
    path = tmp_path / "net.yaml"
    path.write_text(text.replace("  epochs: 1\n", stages))
    assert main(["train", str(path), "--run-dir", str(tmp_path / "run")]) == 2
    assert "LoRA does not support 'conv1d0'" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("pattern", "is_reported"),
    [("*", True), ("gen*.flat", True), ("generator.flat", True), ("discriminator.head", False)],
)
def test_patterns_of_several_networks(pattern: str, is_reported: bool):
    """One that may be for the layers of this network has to match one that supports LoRA."""
    model = keras.Sequential([keras.Input((2,)), keras.layers.Flatten(name="flat")])
    diagnostics = Diagnostics()
    check_lora(model, "generator.", LoraConfig(1, (pattern,)), diagnostics)
    assert bool(diagnostics.errors) == is_reported
