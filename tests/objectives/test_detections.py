"""Mean average precision in training and `evaluate`, on any number of devices."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path

import keras
import numpy as np
import pytest
from helpers.subprocesses import in_replicas, in_workers
from keras_ext.test_average_precision import Images, measured, random_images

import archbuilder
from archbuilder.cli import main
from archbuilder.diagnostics.errors import BlueprintError
from archbuilder.keras_ext.metrics import MeanAveragePrecision

NET = """
archbuilder: 1
name: net
inputs: {near: [8, 4], kind: {shape: [8], dtype: int32}, sure: [8], odds: [8, 4]}
layers:
  - {Dense: {units: 4, kernel_initializer: identity}, from: near, name: boxes}
  - {Activation: linear, from: sure, name: scores}
  - {formula: kind + 0, name: classes}
  - {Activation: linear, from: odds, name: logits}
  - {formula: "mean(boxes ** 2, axis=[1, 2])", name: size}
outputs: {boxes: boxes, classes: classes, scores: scores, logits: logits, size: size}
data:
  npz:
    file: data.npz
    inputs: {near: near, kind: kind, sure: sure, odds: odds}
    targets: {boxes: boxes, classes: classes, logits: logits}
training:
  loss: {size: value}
  metrics:
    boxes:
      - BoxIoU: xywh
      - MeanAveragePrecision: {classes: classes, scores: scores, bounding_box_format: xywh}
      - MeanAveragePrecision: &voc
          {classes: classes, scores: scores, bounding_box_format: xywh, benchmark: voc}
      - MeanAveragePrecision: *voc
  optimizer: {SGD: 0.05}
  epochs: 2
  batch_size: 5
  validation_split: {last: 0.5}
  distribute: none
  save_best: val_boxes_mean_average_precision
"""
IMAGES = random_images(7, 26, 8)
ODDS = 9 * np.eye(4)[IMAGES.classes.clip(0)] * IMAGES.scores[..., None]


def write(folder: Path, changes: Mapping[str, str] = {}) -> Path:
    """Write detections as the inputs of a network, which moves them, and their truth."""
    np.savez(
        folder / "data.npz",
        near=IMAGES.boxes.astype(np.float32),
        kind=IMAGES.classes,
        sure=IMAGES.scores.astype(np.float32),
        odds=ODDS.astype(np.float32),
        boxes=IMAGES.true_boxes.astype(np.float32),
        classes=IMAGES.true_classes,
        logits=IMAGES.true_classes.clip(0),
    )
    text = NET
    for old, new in changes.items():
        assert old in text
        text = text.replace(old, new)
    (folder / "net.yaml").write_text(text)
    return folder / "net.yaml"


def held_out(model: keras.Model) -> Images:
    """Return the last images, with the boxes of a network."""
    rows = slice(13, 26)
    columns = {
        "near": IMAGES.boxes,
        "kind": IMAGES.classes,
        "sure": IMAGES.scores,
        "odds": ODDS,
    }
    inputs = {name: values[rows] for name, values in columns.items()}
    boxes = np.asarray(model(inputs)["boxes"])
    return Images(
        IMAGES.true_boxes[rows],
        IMAGES.true_classes[rows],
        boxes,
        IMAGES.classes[rows],
        IMAGES.scores[rows],
    )


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with metrics of detections."""
    folder = tmp_path_factory.mktemp("detections")
    archbuilder.train(write(folder), run_dir=folder / "run")
    return folder / "run"


def test_training_and_evaluate(run: Path):
    """The metrics are those of all held-out detections together, with the weights of the epoch."""
    rows = [json.loads(line) for line in (run / "history.jsonl").read_text().splitlines()]
    model = keras.saving.load_model(run / "net.keras")
    metrics = archbuilder.evaluate(run)
    for name, benchmark in (
        ("boxes_mean_average_precision", "coco"),
        ("boxes_voc_mean_average_precision", "voc"),
        ("boxes_voc_mean_average_precision_1", "voc"),
    ):
        expected = measured(held_out(model), benchmark)
        assert 0 < expected < 1
        assert rows[1][f"val_{name}"] == pytest.approx(expected, rel=1e-6)
        assert metrics[name] == pytest.approx(expected, rel=1e-6)
    assert rows[0] != rows[1]
    assert json.loads((run / "run.json").read_text())["best_epoch"]["epoch"] in (1, 2)


@pytest.mark.parametrize(
    "carry_out", [in_replicas, pytest.param(in_workers, marks=pytest.mark.thorough)]
)
def test_replicas_and_workers(run: Path, carry_out: Callable[[int, list[list[str]]], str]):
    """Two devices share batches, and report the same numbers."""
    strategy = "mirrored" if carry_out is in_replicas else "multi_worker"
    command = ["evaluate", str(run), "--format", "json", "--distribute", strategy]
    metrics = json.loads(carry_out(2, [command]).splitlines()[-1])
    assert metrics == pytest.approx(archbuilder.evaluate(run), rel=1e-6)


def test_classes_with_probabilities(tmp_path: Path):
    """Without scores, a detection has the class of the highest probability, from logits too."""
    path = write(
        tmp_path,
        {
            "loss: {size: value}": "loss: {size: value, logits:"
            " {SparseCategoricalCrossentropy: {from_logits: true}}}",
            "{classes: classes, scores: scores, bounding_box_format: xywh}": (
                "{classes: logits, bounding_box_format: xywh, benchmark: coco50}"
            ),
            "epochs: 2": "epochs: 1",
            "  save_best: val_boxes_mean_average_precision": "",
        },
    )
    history = archbuilder.train(path, run_dir=tmp_path / "run").history
    images = held_out(keras.saving.load_model(tmp_path / "run/net.keras"))
    exponents = np.exp(ODDS[13:])
    probabilities = exponents / exponents.sum(-1, keepdims=True)
    expected = measured(
        Images(
            images.true_boxes,
            images.true_classes.clip(0),
            images.boxes,
            probabilities.argmax(-1),
            probabilities.max(-1),
        ),
        "coco50",
    )
    actual = history[0]["val_boxes_mean_average_precision_50"]
    assert actual == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"{classes: classes, scores": "{classes: clases, scores"}, "did you mean 'classes'?"),
        ({"{classes: classes, scores": "{classes: boxes, scores"}, "no other output 'boxes'"),
        ({"scores: scores, bounding": "scores: score, bounding"}, "did you mean 'scores'?"),
        ({"{classes: classes, scores: scores, ": "{scores: scores, "}, "needs 'classes'"),
    ],
)
def test_invalid_settings(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], changes: dict[str, str], message: str
):
    """Outputs that the network lacks are found without the data."""
    assert main(["validate", str(write(tmp_path, changes))]) == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"{classes: classes, scores: scores, ": "{classes: classes, "}, "without 'scores'"),
        ({"scores: scores, bounding": "scores: size, bounding"}, "a score for each box: [8]"),
        ({"{classes: classes, scores": "{classes: logits, scores"}, "the class of each box: [8]"),
        ({"{classes: classes, scores: scores, bounding_box_format: xywh}": "size"}, "a value for"),
    ],
)
def test_other_shapes(tmp_path: Path, changes: dict[str, str], message: str):
    """Outputs of other shapes are errors with the location of their name."""
    path = write(tmp_path, changes)
    with pytest.raises(BlueprintError) as caught:
        archbuilder.train(path, run_dir=tmp_path / "run")
    assert message in str(caught.value)
    assert "net.yaml:" in str(caught.value)


DETR = """
archbuilder: 1
name: detector
imports:
  detr:
    file: ./detr.yaml
    params: {depths: [1, 1, 1, 1], image_size: [32, 32], queries: 8, depth: 1, width: 8, hidden: 8,
             heads: 2, classes: 4}
inputs: {image: [32, 32, 3]}
layers:
  - {detr: , name: detr}
  - {formula: "softmax(detr.class, axis=-1)[..., :-1]", name: probabilities}
  - {formula: "max(probabilities, axis=-1)", name: scores}
  - {formula: "cast(argmax(probabilities, axis=-1), 'int32')", name: classes}
outputs: {boxes: detr.box, classes: classes, scores: scores}
data:
  npz: {file: data.npz, inputs: image, targets: {boxes: boxes, classes: classes}}
training:
  loss: {boxes: {CIoU: center_xywh}}
  metrics:
    boxes:
      - MeanAveragePrecision:
          {classes: classes, scores: scores, bounding_box_format: center_xywh, benchmark: voc}
  epochs: 1
  validation_split: {last: 0.5}
"""


@pytest.mark.thorough
def test_detr(tmp_path: Path):
    """The library's DETR is measured with three steps that leave out the class of no object."""
    library = Path(archbuilder.__file__).parent.parent / "blueprints"
    for name in ("detr", "resnet"):
        (tmp_path / f"{name}.yaml").write_text((library / f"{name}.yaml").read_text())
    photos = np.random.default_rng(0).integers(0, 256, (8, 32, 32, 3)).astype(np.uint8)
    centers = IMAGES.true_boxes[:8].copy()
    centers[..., :2] += centers[..., 2:] / 2
    centers[IMAGES.true_classes[:8] < 0] = -1
    np.savez(
        tmp_path / "data.npz",
        image=photos,
        boxes=centers.astype(np.float32),
        classes=IMAGES.true_classes[:8],
    )
    (tmp_path / "net.yaml").write_text(DETR)
    history = archbuilder.train(tmp_path / "net.yaml", run_dir=tmp_path / "run").history
    model = keras.saving.load_model(tmp_path / "run/detector.keras")
    outputs = {name: np.asarray(each) for name, each in model(photos[4:] / 255.0).items()}
    metric = MeanAveragePrecision("classes", "scores", "center_xywh", "voc")
    true = (centers[4:].astype(np.float32), IMAGES.true_classes[4:8])
    metric.update_state(true, (outputs["boxes"], outputs["classes"], outputs["scores"]))
    actual = history[0]["val_boxes_voc_mean_average_precision"]
    assert actual == pytest.approx(float(metric.result()), abs=1e-6)
