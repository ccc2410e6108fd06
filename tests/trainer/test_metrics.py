"""Metrics have the same names in every process, and leave out what the loss ignores."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from helpers.keras_objects import keras_object

from archbuilder.cli import main
from archbuilder.plain_data import PlainData
from archbuilder.trainer.metrics import build_metrics
from archbuilder.trainer.single_model import SingleNetworkModel

CLASSES = 3
IOU: PlainData = {"MeanIoU": {"num_classes": CLASSES, "sparse_y_pred": False}}
NET = """
archbuilder: 1
name: net
inputs: {x: [4]}
layers:
  - Dense: {units: 3, activation: softmax}
    name: first
  - Dense: {units: 3, activation: softmax}
    from: x
    name: second
outputs: {first: first, second: second}
data: {npz: {file: d.npz, targets: {first: y, second: y}}}
training:
  loss: {first: SparseCategoricalCrossentropy, second: SparseCategoricalCrossentropy}
  metrics: {first: [IOU, IOU], second: [IOU, accuracy, accuracy]}
  epochs: 1
  batch_size: 8
""".replace("IOU", "{MeanIoU: {num_classes: 3, sparse_y_pred: false}}")
NAMES = {
    "loss",
    "first_loss",
    "second_loss",
    "first_mean_io_u",
    "first_mean_io_u_1",
    "second_mean_io_u",
    "second_accuracy",
    "second_accuracy_1",
}


def test_metric_names_are_class_names():
    """The metrics that the process has made before do not count."""
    for _ in range(2):
        metrics = build_metrics([keras_object("metric", each) for each in (IOU, "AUC", "F1Score")])
        assert [each.name for each in metrics] == ["mean_io_u", "auc", "f1_score"]


def test_metric_names_agree_everywhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    """The console, both histories, the record and `evaluate` agree, and a resumed run with them."""
    monkeypatch.chdir(tmp_path)
    Path("net.yaml").write_text(NET)
    chosen = np.random.default_rng(0)
    np.savez("d.npz", x=chosen.normal(size=(24, 4)).astype("f"), y=np.arange(24) % 3)
    assert main(["train", "net.yaml", "--run-dir", "run"]) == 0
    capsys.readouterr()
    assert main(["train", "--resume", "run", "--epochs", "2"]) == 0
    lines = capsys.readouterr().out.splitlines()
    names = next(line for line in lines if line.startswith("Validation - ")).split(" - ")[1:]
    assert {each.partition(": ")[0] for each in names} == NAMES
    rows = list(csv.DictReader(Path("run/history.csv").read_text().splitlines()))
    columns = {"epoch", "seconds", *NAMES, *(f"val_{name}" for name in NAMES)}
    assert [set(row) for row in rows] == [columns, columns]
    assert all(value for row in rows for value in row.values())
    assert json.loads(Path("run/run.json").read_text())["validation_metrics"].keys() == NAMES
    assert main(["evaluate", "run", "--format", "json"]) == 0
    assert json.loads(capsys.readouterr().out).keys() == NAMES


@pytest.mark.parametrize("ignored", [255, -1, 1])
def test_metrics_ignore_the_ignored_class(ignored: int):
    """All metrics of class numbers do, be the ignored class one of the network's or not."""
    chosen = np.random.default_rng(0)
    logits = chosen.normal(size=(12, 5, CLASSES)).astype(np.float32)
    labels = chosen.integers(0, CLASSES, (12, 5))
    # The number of ignored positions differs among the examples.
    labels[chosen.random((12, 5)) < np.linspace(0, 0.9, 12)[:, None]] = ignored
    x = keras.Input((5, CLASSES))
    learner = SingleNetworkModel(keras.Model(x, keras.layers.Softmax()(x)))
    kinds: list[PlainData] = [
        "SparseCategoricalAccuracy",
        "SparseCategoricalCrossentropy",
        "accuracy",
    ]
    kinds += [{"SparseTopKCategoricalAccuracy": {"k": 2}}, IOU]
    learner.compile(
        "sgd",
        keras.losses.SparseCategoricalCrossentropy(ignore_class=ignored),
        metrics=build_metrics([keras_object("metric", each) for each in kinds], ignored),
        jit_compile=False,
    )
    metrics = learner.evaluate(
        tf.data.Dataset.from_tensor_slices((logits, labels)).batch(5), return_dict=True, verbose=0
    )
    labelled = labels != ignored
    shares = np.exp(logits) / np.exp(logits).sum(axis=-1, keepdims=True)
    right, shares = labels[labelled], shares[labelled]
    likeliest = np.argsort(-shares, axis=-1)
    accuracy = np.mean(likeliest[:, 0] == right)
    unions = [
        np.mean((likeliest[:, 0] == right)[(likeliest[:, 0] == each) | (right == each)])
        for each in range(CLASSES)
    ]
    crossentropy = -np.log(shares[np.arange(len(right)), right]).mean()
    assert metrics == pytest.approx(
        {
            "loss": crossentropy,
            "sparse_categorical_crossentropy": crossentropy,
            "sparse_categorical_accuracy": accuracy,
            "accuracy": accuracy,
            "sparse_top_k_categorical_accuracy": np.mean(
                (likeliest[:, :2] == right[:, None]).any(axis=1)
            ),
            "mean_io_u": np.mean(unions),
        },
        rel=1e-5,
    )
