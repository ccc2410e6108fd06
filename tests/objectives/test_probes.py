"""Probes of features, and the network of an objective that predicts."""

from __future__ import annotations

import json
from pathlib import Path

import keras
import numpy as np
import pytest
from numpy.typing import NDArray

import archbuilder
from archbuilder.cli import main
from archbuilder.objectives.probe_classifiers import LinearClassifier, NearestNeighbors

RNG = np.random.default_rng(0)
BLUEPRINT = """archbuilder: 1
name: net
networks:
  decoder: {inputs: {code: [3]}, layers: [{Dense: 6}]}
  encoder:
    inputs: {pixels: [6]}
    layers: [{Dense: {units: 4, activation: relu}, name: features}, {Dense: 3, name: code}]
    outputs: [features, code]
data:
  train: {npz: {file: train.npz, inputs: {image: image}, targets: {label: label}}}
  validation: {npz: {file: held_out.npz, inputs: {image: image}, targets: {label: label}}}
training:
  objective:
    inputs: {image: encoder.pixels, label: }
    layers:
      - {encoder: , from: image}
      - {decoder: , from: encoder.code, name: decoded}
      - {losses.MeanSquaredError: , from: [image, decoded], name: error}
    minimize: error
    probe: {linear: encoder.features, knn: {of: encoder.features, neighbors: 5, temperature: 0.5}}
    result: encoder.features
  optimizer: {SGD: {learning_rate: 0.02, use_ema: true, ema_momentum: 0.5}}
  epochs: 2
  batch_size: 20
"""


def clusters(count: int) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Return points near the center of their class, whose centers are 3 units apart."""
    labels = RNG.integers(0, 3, count)
    points = 3 * np.eye(6)[labels] + RNG.normal(size=(count, 6))
    return points.astype(np.float32), labels


def votes(
    points: NDArray[np.float32], labels: NDArray[np.int64], query: NDArray[np.float32]
) -> NDArray[np.float64]:
    """Return the votes of the 5 nearest points for 3 classes, at a temperature of 0.5."""
    lengths = np.linalg.norm(points, axis=1) * np.linalg.norm(query) + 1e-30
    similarities = points @ query / lengths
    nearest = np.argsort(-similarities, kind="stable")[:5]
    weights = np.exp(similarities[nearest] / 0.5)
    return np.array([weights[labels[nearest] == each].sum() for each in range(3)])


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory with a blueprint and its data; the examples are more than those of a chunk."""
    monkeypatch.chdir(tmp_path)
    for name, count in (("train", 600), ("held_out", 80)):
        points, labels = clusters(count)
        np.savez(f"{name}.npz", image=points, label=labels)
    Path("net.yaml").write_text(BLUEPRINT)
    return tmp_path


def test_nearest_neighbors_come_from_all_parts():
    """The classes are those of a comparison with all points at once, also if they are few."""
    points, labels = clusters(50)
    queries, _ = clusters(30)
    classifier = NearestNeighbors(3, 5, 0.5)
    for count in (50, 3):
        classifier.start(queries)
        for start in range(0, count, 7):
            rows = slice(start, min(start + 7, count))
            classifier.add(points[rows], labels[rows])
        expected = [votes(points[:count], labels[:count], each).argmax() for each in queries]
        assert classifier.predict().tolist() == expected


def test_linear_classifier_is_near_the_best_one():
    """The best classifier of these clusters chooses the nearest center."""
    points, labels = clusters(2000)
    queries, expected = clusters(2000)
    classifier = LinearClassifier(3, seed=0)
    # The same values again, whatever was learned before.
    for _ in range(2):
        classifier.start(queries * 100)
        classifier.add(points[:1500] * 100, labels[:1500])
        classifier.add(points[1500:] * 100, labels[1500:])
        accuracy = np.mean(classifier.predict() == expected)
        best = np.mean(queries[:, :3].argmax(axis=1) == expected)
        assert accuracy == pytest.approx(best, abs=0.01)


def test_probes_are_reported_for_every_epoch(folder: Path, capsys: pytest.CaptureFixture[str]):
    """They see the averaged weights that the run ends with, and `evaluate` agrees."""
    assert main(["train", "net.yaml", "--run-dir", "run"]) == 0
    rows = [json.loads(line) for line in Path("run/history.jsonl").read_text().splitlines()]
    encoder = keras.saving.load_model("run/encoder.keras")
    train, held_out = (np.load(f"{name}.npz") for name in ("train", "held_out"))
    features, queries = (
        np.asarray(encoder(each["image"])["features"]) for each in (train, held_out)
    )
    predicted = [votes(features, train["label"], each).argmax() for each in queries]
    accuracy = np.mean(predicted == held_out["label"])
    assert rows[-1]["val_knn_accuracy"] == pytest.approx(accuracy)
    assert 0.5 < rows[0]["val_linear_accuracy"] <= 1
    capsys.readouterr()
    assert main(["evaluate", "run", "--format", "json"]) == 0
    metrics = json.loads(capsys.readouterr().out)
    assert {f"val_{name}": value for name, value in metrics.items()} == {
        name: value for name, value in rows[-1].items() if name.startswith("val_")
    }


def test_result_predicts_and_starts_other_runs(folder: Path, capsys: pytest.CaptureFixture[str]):
    """The column is the one that the objective gives to the network; options name others."""
    assert main(["train", "net.yaml", "--run-dir", "run", "--epochs", "1"]) == 0
    encoder = keras.saving.load_model("run/encoder.keras")
    outputs = encoder(np.load("held_out.npz")["image"])
    for files in ((), "held_out.npz"):
        predictions = [each.outputs for each in archbuilder.predict("run", files)]
        assert {*predictions[0]} == {"features"}
        np.testing.assert_allclose(
            [each["features"] for each in predictions], outputs["features"], rtol=1e-5, atol=1e-6
        )
    codes = [each.outputs["code"] for each in archbuilder.predict("run", network="encoder.code")]
    np.testing.assert_allclose(codes, outputs["code"], rtol=1e-5, atol=1e-6)
    for name, message in (
        ("encodr", "the run has no network 'encodr'; did you mean 'encoder'?"),
        ("encoder.codes", "the network 'encoder' has no output 'codes'; did you mean 'code'?"),
    ):
        assert main(["predict", "run", "--network", name]) == 2
        assert message in capsys.readouterr().err
    Path("classifier.yaml").write_text(
        """archbuilder: 1
name: classifier
inputs: {image: [6]}
layers:
  - {Dense: {units: 4, activation: relu}, name: features}
  - {Dense: {units: 3, activation: softmax}}
data: {npz: {file: train.npz, inputs: image, targets: label}}
training:
  loss: SparseCategoricalCrossentropy
  weights: {file: run, of: features}
  optimizer: {SGD: 0.0}
  epochs: 1
"""
    )
    assert main(["train", "classifier.yaml", "--run-dir", "later"]) == 0
    classifier = keras.saving.load_model("later/classifier.keras")
    for name in ("kernel", "bias"):
        np.testing.assert_array_equal(
            getattr(classifier.get_layer("features"), name),
            getattr(encoder.get_layer("features"), name),
        )


def test_without_labels_or_result(folder: Path, capsys: pytest.CaptureFixture[str]):
    """Data without labels has no probes, and several networks need a choice; messages say so."""
    data = BLUEPRINT.replace("targets: {label: label}", "targets: {}")
    Path("net.yaml").write_text(data.replace("    result: encoder.features\n", ""))
    assert main(["train", "net.yaml", "--run-dir", "run", "--epochs", "1"]) == 0
    captured = capsys.readouterr()
    assert "has no class indices in the column 'label'" in captured.out + captured.err
    assert "val_knn_accuracy" not in json.loads(Path("run/history.jsonl").read_text())
    assert main(["predict", "run"]) == 2
    assert (
        "the run has the networks 'decoder', 'encoder'; choose one with --network, or with"
        " 'result: decoder' in the objective"
    ) in capsys.readouterr().err
