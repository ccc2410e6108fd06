"""Stages with images of other sizes: what Keras computes with a network that takes any size."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from helpers.subprocesses import in_replicas
from numpy.typing import NDArray
from trainer.test_execution import assert_same, rows, trained
from trainer.test_initial_weights import by_name, saved_weights
from trainer.test_stages import without_last_checkpoint

import archbuilder
from archbuilder.cli import main

STAGES = """
    - {epochs: 1, batch_size: 16}
    - {epochs: 1, image_size: [12, 10], batch_size: 8, trainable: head, optimizer: {SGD: 0.1}}
"""
BLUEPRINT = f"""
archbuilder: 1
name: net
inputs: {{image: [null, null, 3]}}
layers:
  - {{Conv2D: {{filters: 4, kernel_size: 3, activation: relu}}, name: conv}}
  - GlobalAveragePooling2D
  - {{Dense: {{units: 2, activation: softmax}}, name: head}}
data: {{npz: {{file: data.npz, inputs: x, targets: y}}}}
training:
  loss: SparseCategoricalCrossentropy
  optimizer: {{Adam: 0.01}}
  validation_split: 0.2
  shuffle: false
  distribute: none
  weights: start.keras
  checkpoint_every_seconds: 0
  image_size: 8
  stages: {STAGES}
"""


def write_examples(folder: Path) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Write 40 images of 6x6 pixels, of which 32 are for training."""
    random = np.random.default_rng(2)
    x = random.integers(0, 256, (40, 6, 6, 3)).astype(np.uint8)
    y = (x.mean(axis=(1, 2, 3)) > 127).astype(np.int64)
    np.savez(folder / "data.npz", x=x, y=y)
    return x, y


def network() -> keras.Model:
    """Return the network of `BLUEPRINT`, built without archbuilder."""
    keras.utils.set_random_seed(3)
    image = keras.Input((None, None, 3), name="image")
    x = keras.layers.Conv2D(4, 3, activation="relu", name="conv")(image)
    x = keras.layers.GlobalAveragePooling2D()(x)
    return keras.Model(image, keras.layers.Dense(2, activation="softmax", name="head")(x))


def resized(images: NDArray[np.uint8], height: int, width: int) -> tf.Tensor:
    return tf.image.resize(images / np.float32(255), (height, width))


def test_stages_of_two_sizes(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    """Each stage trains, validates and counts its batches as Keras; commands use the last size."""
    x, y = write_examples(tmp_path)
    model = network()
    model.save(tmp_path / "start.keras")
    run = trained(tmp_path, BLUEPRINT, "run")
    assert "Stage 2 of 2: epochs 2 to 2, images of 12x10\n" in capsys.readouterr().out
    loss = "sparse_categorical_crossentropy"
    model.compile(keras.optimizers.Adam(0.01), loss)
    model.fit(resized(x[:32], 8, 8), y[:32], batch_size=16, shuffle=False, verbose=0)
    val_losses = [model.evaluate(resized(x[32:], 8, 8), y[32:], verbose=0)]
    model.get_layer("conv").trainable = False
    model.compile(keras.optimizers.SGD(0.1), loss)
    large = resized(x, 12, 10)
    model.fit(large[:32], y[:32], batch_size=8, shuffle=False, verbose=0)
    val_losses.append(model.evaluate(large[32:], y[32:], verbose=0))
    expected = by_name(model)
    for name, array in saved_weights(run).items():
        np.testing.assert_allclose(array, expected[name], atol=1e-6, err_msg=name)
    np.testing.assert_allclose([each["val_loss"] for each in rows(run)], val_losses, rtol=1e-5)
    assert [each.name for each in sorted((run / "checkpoints").iterdir())] == [
        "epoch-00001-batch-0000003",
        "epoch-00002-batch-0000000",
    ]
    # The rest of the second stage is the same, bit by bit.
    parts = without_last_checkpoint(run, "parts")
    assert main(["train", "--resume", str(parts)]) == 0
    assert_same(run, parts)
    capsys.readouterr()
    assert main(["evaluate", str(run)]) == 0
    assert f"{rows(run)[-1]['val_loss']:.6f}" in capsys.readouterr().out
    predictions = [each.outputs["output"] for each in archbuilder.predict(run)]
    np.testing.assert_allclose(predictions, model.predict(large[32:], verbose=0), atol=1e-6)


@pytest.mark.parametrize(
    ("size", "message"),
    [
        ("24", "'image_size' is for a network that takes images of any size"),
        ("0", "'image_size'"),
        ("[2, 3, 4]", "'image_size'"),
    ],
)
def test_errors(tmp_path: Path, capsys: pytest.CaptureFixture[str], size: str, message: str):
    """A network with a size of its own, and values that are no sizes."""
    write_examples(tmp_path)
    text = BLUEPRINT.replace("[12, 10]", size).replace("  image_size: 8\n", "")
    if size == "24":
        text = text.replace("[null, null, 3]", "[6, 6, 3]")
    (tmp_path / "net.yaml").write_text(text)
    assert main(["validate", str(tmp_path / "net.yaml")]) == 2
    error = capsys.readouterr().err
    assert message in error
    line = next(n for n, each in enumerate(text.splitlines(), 1) if "epochs: 1, image" in each)
    assert f"net.yaml:{line}:31" in error


@pytest.mark.thorough
def test_replicas(tmp_path: Path):
    """Two replicas learn the same in both stages."""
    write_examples(tmp_path)
    network().save(tmp_path / "start.keras")
    path = tmp_path / "replicas.yaml"
    path.write_text(BLUEPRINT.replace("distribute: none", "distribute: mirrored"))
    in_replicas(2, [["train", str(path), "--run-dir", str(tmp_path / "replicas")]])
    expected = saved_weights(trained(tmp_path, BLUEPRINT, "run"))
    for name, array in saved_weights(tmp_path / "replicas").items():
        np.testing.assert_allclose(array, expected[name], atol=1e-5, err_msg=name)
