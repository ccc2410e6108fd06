"""What examples count, as the data says."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from archbuilder.cli import main

NET = """
archbuilder: 1
name: net
inputs: {x: [3]}
layers:
  - Dense: {units: 2, activation: softmax}
data: {npz: {file: data.npz, WEIGHTS}}
training: {loss: SparseCategoricalCrossentropy, optimizer: {SGD: 0.5}, epochs: 3, batch_size: 4,
  validation: 0CLASSES}
"""


def trained(folder: Path, data: dict[str, np.ndarray], weights: str = "", classes: str = ""):
    """The weights of a small network."""
    np.savez(folder / "data.npz", **data)
    text = NET.replace(", WEIGHTS", f", {weights}" if weights else "")
    (folder / "net.yaml").write_text(text.replace("CLASSES", f", {classes}" if classes else ""))
    run = folder / f"run-{len([*folder.iterdir()])}"
    assert main(["train", str(folder / "net.yaml"), "--run", str(run)]) == 0
    record = json.loads((run / "history.jsonl").read_text().splitlines()[-1])
    return record["loss"]


@pytest.fixture
def data() -> dict[str, np.ndarray]:
    numbers = np.random.default_rng(3)
    x = numbers.normal(size=(16, 3)).astype(np.float32)
    return {"x": x, "y": (x.sum(axis=1) > 0).astype(int), "w": np.ones(16, np.float32)}


def test_ones_change_nothing(tmp_path: Path, data):
    """An example counts one where nothing is said."""
    assert trained(tmp_path, data, "weights: w") == pytest.approx(trained(tmp_path, data))


def test_what_counts_nothing_is_not_learned_from(tmp_path: Path, data):
    """Examples with wrong labels and no weight leave the loss of the others as if they were right.

    The mean is over all examples, so that two halves of weight 2 and 0 weigh as much as ones do.
    """
    twice = {key: np.concatenate([each, each]) for key, each in data.items()}
    twice["w"][:16], twice["w"][16:] = 2, 0
    spoiled = {**twice, "y": np.concatenate([data["y"], 1 - data["y"]])}
    right = trained(tmp_path, twice, "weights: w")
    assert trained(tmp_path, spoiled, "weights: w") == pytest.approx(right)
    assert trained(tmp_path, spoiled) != pytest.approx(right)


def test_weights_of_examples_and_of_classes_multiply(tmp_path: Path, data):
    """Either of them alone says the same as both."""
    of_class = {**data, "w": np.where(data["y"] == 1, 3, 1).astype(np.float32)}
    classes = "class_weights: {1: 3}"
    once = trained(tmp_path, of_class, "weights: w")
    assert trained(tmp_path, data, classes=classes) == pytest.approx(once)
    root = {**data, "w": np.where(data["y"] == 1, 1.5, 1).astype(np.float32)}
    halves = trained(tmp_path, root, "weights: w", "class_weights: {1: 2}")
    assert halves == pytest.approx(once)


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        (np.ones((16, 2)), "and not one number"),
        (np.full(16, -1.0), "the weight of example 1 is below 0"),
        (np.full(16, np.nan), "no finite number in 16 of 16"),
        (np.ones(15), "different lengths: 15, 16"),
    ],
)
def test_wrong_weights(tmp_path: Path, data, weights: np.ndarray, message: str, capsys):
    """They are told before the training begins."""
    np.savez(tmp_path / "data.npz", **{**data, "w": weights})
    (tmp_path / "net.yaml").write_text(NET.replace("WEIGHTS", "weights: w").replace("CLASSES", ""))
    assert main(["train", str(tmp_path / "net.yaml"), "--run", str(tmp_path / "run")]) == 1
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    ("weights", "code", "message"),
    [
        ("weights: {outptu: w}", 1, "weights of examples for 'outptu'"),
        ("weights: v", 1, "no array 'v'; it has 'x', 'y', 'w'"),
        ("weights: [w]", 2, "'weights' is a text"),
    ],
)
def test_wrong_names(tmp_path: Path, data, weights: str, code: int, message: str, capsys):
    """They are told too."""
    np.savez(tmp_path / "data.npz", **data)
    (tmp_path / "net.yaml").write_text(NET.replace("WEIGHTS", weights).replace("CLASSES", ""))
    found = main(["train", str(tmp_path / "net.yaml"), "--run", str(tmp_path / "run")])
    assert (found, message in capsys.readouterr().err) == (code, True)
