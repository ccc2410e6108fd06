"""Points and boxes move with the pixels of their images: compared with what the images show."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from helpers.graphs import SPAN
from helpers.keras_objects import keras_object
from PIL import Image

import archbuilder
from archbuilder.compiler.ir import Graph, GraphInput, TensorRef
from archbuilder.config.objectives import SupervisedConfig
from archbuilder.config.training import TrainingConfig
from archbuilder.data.augmented_batches import BatchAugmenter
from archbuilder.data.columns import ArrayColumn
from archbuilder.data.image_coordinates import Coordinates
from archbuilder.data.input_adapter import InputAdapter
from archbuilder.data.pipeline import AdaptedColumn, AdaptedDataset, BatchPipeline, train_batches
from archbuilder.data.position import TrainingPosition
from archbuilder.data.targets import Target
from archbuilder.diagnostics.errors import BlueprintError
from archbuilder.plain_data import PlainData

HEIGHT, WIDTH, COUNT = 40, 56, 14
CHOSEN = np.random.default_rng(2)
FILL: dict[str, PlainData] = {"fill_mode": "constant"}
LAYERS: dict[str, PlainData] = {
    "RandomCrop": {"height": 36, "width": 44},
    "RandomFlip": {"mode": "horizontal_and_vertical"},
    "RandomRotation": {"factor": 0.4, **FILL},
    "RandomShear": {"x_factor": 0.4, "y_factor": 0.2, **FILL},
    "RandomTranslation": {"height_factor": 0.2, "width_factor": 0.2, **FILL},
    "RandomZoom": {"height_factor": 0.3, "width_factor": 0.2, **FILL},
}
CHAINS = {name: [{name: each}] for name, each in LAYERS.items()}
CHAINS["all"] = [{"GaussianNoise": 1e-6}, *({name: each} for name, each in LAYERS.items())]
POINTS = np.stack([CHOSEN.uniform(22, 34, COUNT), CHOSEN.uniform(14, 26, COUNT)], axis=1)
CORNERS = CHOSEN.integers((14, 10), (24, 18), (COUNT, 2))
BOXES = np.concatenate([CORNERS, CORNERS + CHOSEN.integers(8, 14, (COUNT, 2))], axis=1)
"""The left, upper, right and lower edges of rectangles of pixels."""
ROWS, COLUMNS = np.mgrid[0:HEIGHT, 0:WIDTH] + 0.5
SPOTS = np.exp(
    -((COLUMNS - POINTS[:, 0, None, None]) ** 2 + (ROWS - POINTS[:, 1, None, None]) ** 2) / 4
)[..., None].astype(np.float32)
RECTANGLES = np.zeros((COUNT, HEIGHT, WIDTH, 1), np.float32)
for rectangle, (left, upper, right, lower) in zip(RECTANGLES, BOXES, strict=True):
    rectangle[upper:lower, left:right] = 1
SIZE = np.array([WIDTH, HEIGHT], np.float32)


def batches(
    layers: list[PlainData],
    images: np.ndarray,
    values: np.ndarray,
    kind: str | None,
    start: TrainingPosition = TrainingPosition(),  # noqa: B008 - it is frozen
) -> BatchPipeline:
    """Batches of images, with the values as an input and as a target."""
    position = Coordinates("image", kind)
    column = ArrayColumn(values.astype(np.float32))
    table = AdaptedDataset(
        {
            "image": AdaptedColumn(ArrayColumn(images), InputAdapter((), ()), (0.0, 1.0)),
            "prompt": AdaptedColumn(column, InputAdapter((), ())),
        },
        {"place": Target(column, column.values.dtype)},
        np.arange(COUNT),
        True,
        True,
        coordinates={"prompt": position, "target place": position},
    )
    graph = Graph(
        "net",
        (
            GraphInput("image", (None, None, 1), "float32", SPAN),
            GraphInput("prompt", values.shape[1:], "float32", SPAN),
        ),
        (),
        (("place", TensorRef("place")),),
        SPAN,
    )
    objective = SupervisedConfig({"place": keras_object("loss", "MeanSquaredError")})
    config = TrainingConfig(
        objective, augment=tuple(keras_object("layer", each) for each in layers), seed=1
    )

    def plain(position: TrainingPosition) -> BatchPipeline:
        return train_batches(table, position, batch_size=5, seed=0, epochs=2)

    first = plain(TrainingPosition())
    augmenter = BatchAugmenter.from_config(config, objective, graph, table, first)
    return plain(start).map(augmenter, augmenter.needs_batch)


def examples(pipeline: BatchPipeline) -> Mapping[str, np.ndarray]:
    """All examples of the batches; the input and the target agree."""
    x, y = zip(*pipeline.dataset().as_numpy_iterator(), strict=True)
    places = np.concatenate([each["place"] for each in y])
    np.testing.assert_array_equal(places, np.concatenate([each["prompt"] for each in x]))
    return {"image": np.concatenate([each["image"] for each in x])[..., 0], "place": places}


@pytest.mark.parametrize("name", CHAINS)
def test_points_follow_their_pixels(name: str):
    """A spot is where its point is, and another point has kept its distance from it."""
    values = np.stack([POINTS, POINTS + np.array([0.0, 3.0])], axis=1) / SIZE
    moved = examples(batches(CHAINS[name], SPOTS, values, "points"))
    images, size = moved["image"], np.array(moved["image"].shape[:0:-1])
    rows, columns = np.mgrid[0 : size[1], 0 : size[0]] + 0.5
    weight = images.sum((1, 2))
    seen = np.stack([(images * columns).sum((1, 2)), (images * rows).sum((1, 2))], 1)
    # Of a spot at the border, a part is not seen.
    border = images[:, [0, -1]].max((1, 2)) + images[:, :, [0, -1]].max((1, 2))
    inside = (weight > 0) & (border < 1e-3)
    assert inside.sum() > COUNT
    points = moved["place"] * size
    errors = points[inside, 0] - seen[inside] / weight[inside, None]
    assert np.abs(errors).max() < 0.15
    assert len(np.unique(points[:, 0].round(3), axis=0)) > COUNT
    distances = np.linalg.norm(points[:, 1] - points[:, 0], axis=1)
    is_rigid = name in {"RandomCrop", "RandomFlip", "RandomRotation", "RandomTranslation"}
    assert not is_rigid or np.allclose(distances, 3, atol=1e-3)


FORMATS = {
    "xyxy": lambda boxes: boxes,
    "yxyx": lambda boxes: boxes[:, [1, 0, 3, 2]],
    "xywh": lambda boxes: np.concatenate([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]], 1),
    "center_yxhw": lambda boxes: np.concatenate(
        [(boxes[:, 1::-1] + boxes[:, :1:-1]) / 2, boxes[:, :1:-1] - boxes[:, 1::-1]], 1
    ),
}


@pytest.mark.parametrize(
    ("name", "kind"),
    [*((name, "xyxy") for name in CHAINS if name != "all"), *(("RandomFlip", k) for k in FORMATS)],
)
def test_boxes_are_around_their_pixels(name: str, kind: str):
    """The box of a rectangle is that of its bright pixels, also at the border of the image."""
    fractions = BOXES / np.tile(SIZE, 2)
    moved = examples(batches(CHAINS[name], RECTANGLES, FORMATS[kind](fractions), kind))
    size = np.tile(moved["image"].shape[:0:-1], 2)
    places = moved["place"]
    for image, box in zip(moved["image"], places, strict=True):
        rows, columns = (np.flatnonzero((image > 0.45).any(axis)) for axis in (1, 0))
        edges = np.array([[columns[0], rows[0], columns[-1] + 1, rows[-1] + 1]]) / size
        # Interpolation blurs a corner that stands on its tip.
        tolerance = 1.6 if name in {"RandomRotation", "RandomShear"} else 0.6
        errors = (box - FORMATS[kind](edges)[0]) * size
        assert np.abs(errors).max() < tolerance
    assert len(np.unique(places.round(4), axis=0)) > COUNT


def test_boxes_outside_of_the_image():
    """What has left the image is an empty box at its border."""
    boxes = np.tile([0.95, 0.2, 1.0, 0.4], (COUNT, 1))
    layers: list[PlainData] = [
        {"RandomTranslation": {"height_factor": 0, "width_factor": [0.3, 0.3]}}
    ]
    places = examples(batches(layers, RECTANGLES, boxes, "xyxy"))["place"]
    np.testing.assert_allclose(places, np.tile([1, 0.2, 1, 0.4], (2 * COUNT, 1)), atol=1e-5)


@pytest.mark.thorough
def test_shares_and_resumed_runs():
    """Coordinates follow from the step and the position in the batch."""
    arguments = (CHAINS["all"], SPOTS, POINTS[:, None] / SIZE, "points")
    batch_places = examples(batches(*arguments))["place"]
    resumed = examples(batches(*arguments, TrainingPosition(epoch=1, batch=1)))["place"]
    np.testing.assert_array_equal(resumed, batch_places[COUNT + 5 :])

    def last_three(size: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        return size - 3, size

    shares = [y["place"] for _, y in batches(*arguments).dataset(last_three).as_numpy_iterator()]
    np.testing.assert_array_equal(shares[0], batch_places[2:5])
    np.testing.assert_array_equal(shares[-1], batch_places[-3:])


@pytest.mark.parametrize(
    ("layer", "kind", "message", "note"),
    [
        ("RandomFlip", None, "of 'place' would not move", "write 'coordinates: points'"),
        ("RandomPerspective", "xyxy", "of 'place' would not move", "can follow RandomCrop"),
        ("RandAugment", "points", "of 'place' would not move", "can follow RandomCrop"),
    ],
)
def test_what_cannot_move(layer: str, kind: str | None, message: str, note: str):
    """Layers and coordinates that do not fit are errors; colors may change."""
    values = BOXES / np.tile(SIZE, 2)
    with pytest.raises(BlueprintError, match=message) as caught:
        batches([layer], RECTANGLES, values, kind)
    assert note in caught.value.diagnostics[0].notes[0]
    colors = examples(batches([{"RandomBrightness": 0.1}], RECTANGLES, values, kind))
    np.testing.assert_array_equal(np.unique(colors["place"]), np.unique(values.astype(np.float32)))


BLUEPRINT = """
archbuilder: 1
name: net
inputs: {photo: [16, 16, 1]}
layers: [Flatten, {Dense: {units: 4, activation: sigmoid}}]
data:
  csv:
    file: table.csv
    inputs: {photo: {column: file, image: {size: [16, 16]}}}
    target: {output: {columns: [x, y, w, h], relative_to: photo, coordinates: center_xywh}}
training:
  loss: {CIoU: center_xywh}
  metrics: [{BoxIoU: center_xywh}]
  augment: [RandomFlip]
  epochs: 2
  batch_size: 4
"""


def test_training_from_files(tmp_path: Path):
    """Boxes in pixels of files are trained with their images; flips do not change the metric."""
    lines = ["file,x,y,w,h"]
    sides = BOXES[:, 2:] - BOXES[:, :2]
    centers = np.concatenate([BOXES[:, :2] + sides / 2, sides], axis=1)
    for number in range(8):
        Image.fromarray((RECTANGLES[number, ..., 0] * 255).astype(np.uint8)).save(
            tmp_path / f"{number}.png"
        )
        lines.append(f"{number}.png,{','.join(map(str, centers[number]))}")
    (tmp_path / "table.csv").write_text("\n".join(lines))
    (tmp_path / "net.yaml").write_text(BLUEPRINT)
    run = archbuilder.train(tmp_path / "net.yaml", run_dir=tmp_path / "run")
    assert 0 < run.history[-1]["box_iou"] <= 1
    # Without the format of the boxes, a flip would make them wrong.
    (tmp_path / "net.yaml").write_text(BLUEPRINT.replace(", coordinates: center_xywh", ""))
    with pytest.raises(BlueprintError, match="RandomFlip moves pixels, but the coordinates"):
        archbuilder.train(tmp_path / "net.yaml", run_dir=tmp_path / "other")
