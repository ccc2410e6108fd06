"""Lists of boxes with classes: how files become padded targets, and how these are trained."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import tensorflow as tf
from PIL import Image

import archbuilder
from archbuilder.cli import main
from archbuilder.config.sources import Csv, DataPath, FeatureConfig, Jsonl, Parquet, TableImage
from archbuilder.data.file_access import DataFileOpener
from archbuilder.data.image_coordinates import Coordinates
from archbuilder.data.source_dataset import SourceDataset
from archbuilder.data.sources import load_source
from archbuilder.diagnostics.errors import RunError, UsageError

EXAMPLES: list[dict[str, Any]] = [
    {
        "file": "0.png",
        "boxes": [[2, 3, 8, 6], [10.5, 0, 4, 4]],
        "labels": ["traffic light", "car"],
        "spots": [[0.25, 0.5], [0.75, 1], [1.5, 0.25]],
    },
    {"file": "1.png", "boxes": [], "labels": [], "spots": [[0.5, 0.5]]},
    {"file": "2.png", "boxes": [[0, 0, 20, 10]], "labels": ["car"], "spots": []},
    {"file": "3.png", "boxes": [[5, 5, 5, 5]], "labels": ["bus"], "spots": [[0.25, 0.25]]},
]
SIZES = np.array([[20, 10], [16, 16], [20, 10], [30, 20]])
BOXES = np.full((4, 3, 4), -1.0)
"""The boxes in parts of the width and height of their images."""
for number, example in enumerate(EXAMPLES):
    for index, box in enumerate(example["boxes"]):
        BOXES[number, index] = np.array(box) / np.tile(SIZES[number], 2)
SHADES = np.array([10, 60, 160, 250])
CLASSES = np.array([[2, 1, -1], [-1, -1, -1], [1, -1, -1], [0, -1, -1]])
NET = """
archbuilder: 1
name: net
inputs: {photo: [8, 8, 1]}
layers:
  - {Conv2D: {filters: 4, kernel_size: 3, strides: 2, activation: relu}}
  - {Flatten: , name: features}
  - Dense: 12
  - {Reshape: [3, 4], name: boxes}
  - {Dense: 9, from: features}
  - Reshape: [3, 3]
  - {Softmax: , name: classes}
outputs: {boxes: boxes, classes: classes}
data:
  jsonl:
    file: table.jsonl
    inputs: {photo: {column: file, image: {size: [8, 8], channels: 1}}}
    targets:
      boxes: {column: boxes, length: 3, relative_to: photo, coordinates: xywh}
      classes: {column: labels, labels_of: boxes}
training:
  loss: {boxes: MeanAbsoluteError, classes: {SparseCategoricalCrossentropy: {ignore_class: -1}}}
  metrics: {boxes: [{BoxIoU: xywh}, MeanAbsoluteError], classes: [accuracy]}
  epochs: 2
  batch_size: 4
  validation_split: {last: 0.75}
  shuffle: false
"""


def write(folder: Path, examples: list[dict[str, Any]] = EXAMPLES) -> None:
    """Write a table of boxes, and images of several sizes."""
    folder.mkdir(exist_ok=True)
    for name, (width, height) in enumerate(SIZES):
        # Of one shade, which resizing does not change.
        pixels = np.full((height, width), SHADES[name], np.uint8)
        Image.fromarray(pixels).save(folder / f"{name}.png")
    lines = "".join(json.dumps(each) + "\n" for each in examples)
    (folder / "table.jsonl").write_text(lines)
    pq.write_table(pa.Table.from_pylist(examples), folder / "table.parquet")


def blueprint(folder: Path, changes: Mapping[str, str] = {}) -> Path:
    """Write the blueprint of a network of three boxes."""
    folder.mkdir(exist_ok=True)
    text = NET
    for old, new in changes.items():
        assert old in text
        text = text.replace(old, new)
    path = folder / "net.yaml"
    path.write_text(text)
    return path


def means(model: keras.Model, inputs: np.ndarray, rows: slice) -> dict[str, float]:
    """Return the losses and the accuracy over the boxes of some examples."""
    outputs = model(inputs)
    boxes, classes = BOXES[rows], CLASSES[rows]
    is_box = classes >= 0
    errors = np.abs(np.asarray(outputs["boxes"]) - boxes).mean(-1)[is_box]
    probabilities = np.asarray(outputs["classes"])[is_box]
    return {
        "boxes_loss": errors.mean(),
        "boxes_mean_absolute_error": errors.mean(),
        "classes_loss": -np.log(probabilities[np.arange(is_box.sum()), classes[is_box]]).mean(),
        "classes_accuracy": (probabilities.argmax(-1) == classes[is_box]).mean(),
    }


def test_training(tmp_path: Path):
    """Padding counts neither in losses of Keras nor in metrics; images may have no box."""
    write(tmp_path)
    run = archbuilder.train(blueprint(tmp_path), run_dir=tmp_path / "run")
    model = keras.saving.load_model(tmp_path / "run/net.keras")
    photos = np.broadcast_to(SHADES[:, None, None, None] / 255, (4, 8, 8, 1)).astype(np.float32)
    expected = means(model, photos[1:], slice(1, 4))
    for name, value in expected.items():
        assert run.history[-1][f"val_{name}"] == pytest.approx(value, rel=1e-4), name
    # Other data needs no boxes to be predicted, and has the classes of the training data.
    (tmp_path / "new.jsonl").write_text('{"file": "1.png"}\n')
    (prediction,) = archbuilder.predict(tmp_path / "run", tmp_path / "new.jsonl")
    boxes = model(photos[1:2])["boxes"][0]
    np.testing.assert_allclose(prediction.outputs["boxes"], boxes, rtol=1e-4)
    write(tmp_path / "other", EXAMPLES[2:])
    metrics = archbuilder.evaluate(tmp_path / "run", data=tmp_path / "other/table.jsonl")
    expected = means(model, photos[2:], slice(2, 4))
    assert metrics["classes_accuracy"] == pytest.approx(expected["classes_accuracy"])
    assert metrics["boxes_loss"] == pytest.approx(expected["boxes_loss"], rel=1e-4)
    parts = blueprint(
        tmp_path,
        {
            "training:": "training:\n  gradient_accumulation_steps: 2",
            "{last: 0.75}": "{last: 0.25}",
        },
    )
    single = blueprint(tmp_path / "whole", {"{last: 0.75}": "{last: 0.25}"})
    write(tmp_path / "whole")
    losses = [
        archbuilder.train(path, run_dir=path.parent / "steps").history[-1]["loss"]
        for path in (parts, single)
    ]
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)


def features(**changes: FeatureConfig) -> dict[str, FeatureConfig]:
    """The features of the table, by the names of targets."""
    return {
        "boxes": FeatureConfig("boxes", length=3, relative_to="photo", coordinates="xywh"),
        "classes": FeatureConfig("labels", labels_of="boxes"),
        "spots": FeatureConfig("spots", length=4, relative_to="photo", coordinates="rel_points"),
        **changes,
    }


def load(
    folder: Path, kind: str = "jsonl", on_error: str = "stop", **changes: FeatureConfig
) -> SourceDataset:
    """Return the dataset of a table."""
    source_type = Jsonl if kind == "jsonl" else Parquet
    file = DataPath(str(folder / f"table.{kind}"))
    inputs = {
        "photo": FeatureConfig("file", image=TableImage()),
        "prompt": features(**changes)["boxes"],
    }
    key = "targets" if kind == "jsonl" else "target"
    source = source_type(file, **{key: features(**changes), "inputs": inputs, "on_error": on_error})
    return load_source(source, DataFileOpener())


def rows(column: Any) -> np.ndarray:
    return np.asarray(column.gather(np.arange(column.count)))


@pytest.mark.parametrize("kind", ["jsonl", "parquet"])
def test_padded_lists(tmp_path: Path, kind: str):
    """Boxes are parts of the size of their own image; classes have the alphabetical order."""
    write(tmp_path)
    dataset = load(tmp_path, kind)
    np.testing.assert_allclose(rows(dataset.targets["boxes"]), BOXES, rtol=1e-6)
    np.testing.assert_allclose(rows(dataset.inputs["prompt"].column), BOXES, rtol=1e-6)
    np.testing.assert_array_equal(rows(dataset.targets["classes"]), CLASSES)
    assert dataset.preprocessing.schema.classes["classes"] == ("bus", "car", "traffic light")
    spots = rows(dataset.targets["spots"])
    np.testing.assert_array_equal(spots[0], [*EXAMPLES[0]["spots"], [-1, -1]])
    np.testing.assert_array_equal(spots[2], np.full((4, 2), -1))
    listed = load(
        tmp_path,
        kind,
        classes=FeatureConfig(
            "labels", labels_of="boxes", vocabulary=("car", "traffic light", "bus")
        ),
    )
    np.testing.assert_array_equal(rows(listed.targets["classes"]), np.array([2, 0, 1, -1])[CLASSES])
    assert listed.coordinates["target boxes"].labels == ("classes",)


@pytest.mark.parametrize("kind", ["jsonl", "parquet"])
@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"boxes": [[1, 1, 2, 2]] * 5, "labels": ["car"] * 5},
            "5 boxes, more than its 'length' of 3",
        ),
        ({"boxes": [[1, 1, 2]], "labels": ["car"]}, "shape [3], but a box has 4 numbers"),
        ({"labels": ["car"]}, "has 2 boxes in {}'boxes', and 1 label in {}'labels'"),
        ({"labels": ["car", None]}, "has a label that is missing"),
        (
            {"boxes": [[1, 1, 2, 2], [10, 9, -2, 3]]},
            "has the box [10, 9, -2, 3], whose width or height is not above 0; a box is its left",
        ),
        ({"boxes": [[1, 1, 0, 2], [10, 9, 2, 3]]}, "has the box [1, 1, 0, 2], whose width or"),
    ],
)
def test_invalid_rows(tmp_path: Path, kind: str, change: dict[str, Any], message: str):
    """The message has the row; such rows can be skipped."""
    write(tmp_path, [EXAMPLES[3], {**EXAMPLES[0], **change}, EXAMPLES[2]])
    noun, row = ("the field ", "':2 has") if kind == "jsonl" else ("column ", "row 2 of")
    with pytest.raises(RunError, match=re.escape(message.format(noun, noun))) as caught:
        load(tmp_path, kind)
    assert row in str(caught.value)
    dataset = load(tmp_path, kind, on_error="skip")
    np.testing.assert_allclose(rows(dataset.targets["boxes"]), BOXES[[3, 2]], rtol=1e-6)


@pytest.mark.parametrize(
    ("coordinates", "box"),
    [
        ("xyxy", [4, 2, 4, 6]),
        ("yxyx", [6, 2, 4, 6]),
        ("center_xywh", [4, 4, -1, 2]),
        ("center_yxhw", [4, 4, 2, 0]),
        ("rel_xyxy", [0.5, 0.1, 0.4, 0.2]),
    ],
)
def test_boxes_without_sides(tmp_path: Path, coordinates: Any, box: list[float]):
    """Boxes in lists and in columns of numbers need a width and a height in each format."""
    write(tmp_path, [EXAMPLES[1], {**EXAMPLES[1], "file": "0.png", "boxes": [box]}])
    boxes = FeatureConfig("boxes", length=3, relative_to="photo", coordinates=coordinates)
    with pytest.raises(RunError, match=r"'boxes' of .*:2 has the box .* not above 0"):
        load(tmp_path, boxes=boxes, classes=replace(boxes, column="spots", coordinates="points"))
    (tmp_path / "table.csv").write_text(f"file,a,b,c,d\n0.png,{','.join(map(str, box))}\n")
    columns = replace(boxes, column=None, columns=(*"abcd",), length=None)
    inputs = {"photo": FeatureConfig("file", image=TableImage())}
    source = Csv(DataPath(str(tmp_path / "table.csv")), inputs=inputs, target={"box": columns})
    with pytest.raises(RunError, match=r"column 'a' of line 2 of .* has the box .* not above 0"):
        load_source(source, DataFileOpener())


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"boxes": [[1, 1, 2, 2], [21, 1, 3, 3]]}, "the image has 20 by 10 pixels"),
        ({"boxes": [[-5, 1, 5, 3], [1, 1, 2, 2]]}, "the image has 20 by 10 pixels"),
        ({"boxes": [[1, 1, 2, 2], [1, 1, 2, 20]]}, "the image has 20 by 10 pixels"),
        ({"spots": [[1, 1], [2, 2.5]]}, "'rel_points' are fractions of the width and height"),
        ({"boxes": [[-19, 1, 20, 2], [1, -9, 2, 28]], "spots": [[-1, 2]]}, ""),
    ],
)
def test_boxes_far_outside(tmp_path: Path, changes: dict[str, Any], message: str):
    """Boxes overlap their image, and end at most a width or height beyond it; so do points."""
    spots = {"spots": []}
    examples = [{**each, **spots} for each in EXAMPLES]
    write(tmp_path, [examples[3], {**examples[0], **changes}])
    if not message:
        assert load(tmp_path).count == 2
        return
    name = next(iter(changes))
    kind = {"boxes": "box", "spots": "point"}[name]
    with pytest.raises(RunError) as caught:
        load(tmp_path)
    assert "line 2 of" in str(caught.value)
    assert f" has the {kind} [" in str(caught.value)
    assert f"in the field '{name}', but {message}" in str(caught.value)


def test_labels_of_other_data(tmp_path: Path):
    """A class that the training data lacks has its location."""
    write(tmp_path)
    training = load(tmp_path)
    write(tmp_path, [EXAMPLES[2], {**EXAMPLES[0], "labels": ["car", "tram"]}])
    source = Jsonl(
        DataPath(str(tmp_path / "table.jsonl")),
        inputs={"photo": FeatureConfig("file", image=TableImage())},
        targets=features(),
    )
    with pytest.raises(
        RunError,
        match=r"line 2 of .* has 'tram' in the field 'labels', which is not a class of the",
    ):
        load_source(source, DataFileOpener(), training.preprocessing)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({", coordinates: xywh": ""}, "'relative_to', which needs 'coordinates'"),
        ({"length: 3,": "length: [2, 3],"}, "has several lengths for coordinates"),
        ({"length: 3,": "length: 3, truncating: post,"}, "'truncating' for lists of coordinates"),
        (
            {"length: 3, relative_to: photo, coordinates: xywh": "length: 3"},
            "nor 'coordinates' with a 'length'",
        ),
        ({"labels_of: boxes": "labels_of: photo"}, "nor 'coordinates' with a 'length'"),
    ],
)
def test_invalid_settings(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], changes: dict[str, str], message: str
):
    """They are errors of the blueprint, found without the data."""
    assert main(["validate", str(blueprint(tmp_path, changes))]) == 2
    assert message in capsys.readouterr().err


def test_boxes_that_leave_the_image(tmp_path: Path):
    """They become padding with their classes, which the loss has to ignore."""

    def shift(points: tf.Tensor) -> tf.Tensor:
        return points + tf.constant([0.25, 0.0])

    values = np.tile([[0.1, 0.1, 0.2, 0.2], [0.8, 0.1, 0.1, 0.2], [-1, -1, -1, -1]], (4, 1, 1))
    boxes = Coordinates("image", "xywh", 3, ("classes",))
    moved = boxes.move(tf.constant(values, tf.float32), shift)
    np.testing.assert_allclose(moved[0], [[0.35, 0.1, 0.2, 0.2], [-1] * 4, [-1] * 4], atol=1e-6)
    points = Coordinates("image", "points", 2).move(
        tf.constant([[[0.9, 0.5], [-1.0, -1.0]]]), shift
    )
    np.testing.assert_allclose(points[0], [[1.15, 0.5], [-1, -1]], atol=1e-6)
    write(tmp_path)
    shift = "augment: [{RandomTranslation: {height_factor: 0, width_factor: [1, 1]}}]"
    run = archbuilder.train(
        blueprint(tmp_path, {"epochs: 2": f"epochs: 2\n  {shift}", "{last: 0.75}": "{last: 0.25}"}),
        run_dir=tmp_path / "run",
    )
    # Nothing is left to learn from.
    assert run.history[-1]["boxes_loss"] == 0
    assert run.history[-1]["classes_loss"] == 0
    path = blueprint(
        tmp_path,
        {
            "epochs: 2": "epochs: 2\n  augment: [RandomFlip]",
            "{SparseCategoricalCrossentropy: {ignore_class: -1}}": "SparseCategoricalCrossentropy",
        },
    )
    write(
        tmp_path,
        [{**EXAMPLES[0], "boxes": [[1, 1, 2, 2]] * 3, "labels": ["bus", "car", "tram"]}] * 4,
    )
    with pytest.raises(UsageError, match="the output 'classes' needs 'ignore_class: -1'"):
        archbuilder.train(path, run_dir=tmp_path / "other")
