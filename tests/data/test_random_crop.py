"""Random crops of images that are larger than the input of a network, with their masks."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from helpers.graphs import SPAN
from helpers.keras_objects import keras_object
from PIL import Image

from archbuilder.cli import main
from archbuilder.compiler.ir import Graph, GraphInput, Shape
from archbuilder.data.columns import ArrayColumn
from archbuilder.data.random_crop import RandomCrop, find_random_crop
from archbuilder.data.source_dataset import Feature
from archbuilder.plain_data import PlainData

CROP: PlainData = {"RandomCrop": {"height": 8, "width": 6}}


def crop_of(
    layers: list[PlainData], size: tuple[int, ...], shape: Shape = (8, 6, 3)
) -> RandomCrop | None:
    graph = Graph("net", (GraphInput("photo", shape, "float32", SPAN),), (), (), SPAN)
    feature = Feature(ArrayColumn(np.zeros((1, *size, 3), np.uint8)), image=True)
    configs = [keras_object("layer", each) for each in layers]
    return find_random_crop(configs, graph, {"photo": feature})


def test_images_that_are_cropped():
    """They are larger on both sides than a crop of the size of the input."""
    crop = crop_of(["RandomFlip", CROP], (9, 7))
    assert crop == RandomCrop((8, 6), (9, 7))
    assert (crop.uncropped_shape((8, 6, 2)), crop.uncropped_shape((4, 6))) == ((9, 7, 2), (4, 6))
    assert str(crop) == "cropped at random from 9x7 to 8x6"
    assert crop_of([CROP], (8, 7)) is None
    assert crop_of([CROP], (9, 7), (4, 4, 3)) is None
    assert crop_of([CROP], (9, 7), (None, None, 3)) is None
    assert crop_of(["RandomFlip"], (9, 7)) is None


NET = """
archbuilder: 1
name: net
inputs: {image: [8, 8, 1]}
layers: [{Conv2D: {filters: 1, kernel_size: 1, activation: sigmoid}}]
data:
  images:
    directory: images
    targets: {directory: masks, pixels: classes, class_values: [0, 255]}
training:
  loss: BinaryCrossentropy
  optimizer: {Adam: 0.5}
  epochs: 8
  batch_size: 4
  augment: [{RandomCrop: {height: 8, width: 8}}]
"""


def test_masks_are_cropped_with_images(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    """A network can learn from its own pixel whether that is bright, wherever the crop is."""
    monkeypatch.chdir(tmp_path)
    random = np.random.default_rng(0)
    for directory in ("images", "masks"):
        Path(directory).mkdir()
    for number in range(16):
        pixels = random.choice(np.array([0, 255], np.uint8), (12, 12))
        for directory in ("images", "masks"):
            Image.fromarray(pixels).save(Path(directory, f"{number}.png"))
    Path("net.yaml").write_text(NET)
    assert main(["train", "net.yaml", "--run-dir", "run"]) == 0
    assert "Training images: cropped at random from 12x12 to 8x8" in capsys.readouterr().out
    with Path("run/history.csv").open() as file:
        losses = [float(row["loss"]) for row in csv.DictReader(file)]
    # Without the crop of the masks, no loss would fall below that of a coin, 0.69.
    assert losses[-1] < 0.2
    assert main(["evaluate", "run"]) == 0
    assert main(["inspect-data", "net.yaml", "--preview", "preview.png"]) == 0
    assert Path("preview.png").exists()
