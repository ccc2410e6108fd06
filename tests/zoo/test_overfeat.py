"""OverFeat's maps for larger images against its classifier of crops, and their sizes."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from zoo.weights import fill, relative_error, without_softmax

import archbuilder

SMALL = {"width": 0.03, "classes": 3}
SCALES = {
    (245, 245): (3, 3),
    (281, 317): (6, 9),
    (317, 389): (9, 15),
    (389, 461): (15, 21),
    (425, 497): (18, 24),
    (461, 569): (21, 30),
}
"""Sizes of images, and of the maps that the accurate model gives for them."""


def of_crops(model: str) -> keras.Model:
    """A small network with random weights, before its softmax."""
    compiled = archbuilder.load("overfeat").compile(model=model, **SMALL)
    fill(compiled.weights)
    return without_softmax(compiled)


def of_images(crops: keras.Model, model: str, size: tuple[int, int], result: str) -> keras.Model:
    """The network with the same weights for larger images."""
    height, width = size
    compiled = archbuilder.load("overfeat").compile(
        model=model, result=result, image_size=height, image_width=width, **SMALL
    )
    compiled.set_weights(crops.get_weights())
    return without_softmax(compiled)


def pooling(network: keras.Model) -> int:
    """The place of the last pooling, behind which the classifier begins."""
    return next(at for at, each in enumerate(network.layers) if each.name.startswith("pooled."))


def noise(*shape: int) -> np.ndarray:
    """An image."""
    return np.random.default_rng(3).normal(size=shape).astype("float32")


@pytest.mark.parametrize("model", ["fast", "accurate"])
@pytest.mark.parametrize("result", ["coarse", "fine"])
def test_overfeat_maps_equal_sliding_classifier(model: str, result: str) -> None:
    """Fine ones at every offset of the maps before the last pooling, coarse ones where it pools."""
    crops = of_crops(model)
    size = crops.input_shape[1]
    images = of_images(crops, model, (size + 48, size + 72), result)
    last = pooling(images)
    image = noise(1, *images.input_shape[1:])
    seen = np.asarray(keras.Model(images.input, images.layers[last - 1].output)(image))
    classifier = keras.Sequential(crops.layers[last:])
    window = crops.layers[last].input.shape[1]
    step = 1 if result == "fine" else crops.layers[last].pool_size[0]
    rows, columns = (range(0, size - window + 1, step) for size in seen.shape[1:3])
    windows = [
        seen[:, row : row + window, column : column + window] for row in rows for column in columns
    ]
    expected = np.asarray(classifier(np.concatenate(windows)))
    maps = np.asarray(images(image))
    assert maps.shape == (1, len(rows), len(columns), 3)
    assert len(windows) > 1
    assert relative_error(maps.reshape(-1, 3), expected) < 1e-5


@pytest.mark.parametrize(
    ("model", "size", "step", "spot"),
    [("fast", 247, 16, slice(103, 144)), ("accurate", 245, 12, slice(113, 132))],
)
def test_overfeat_maps_equal_image_crops(model: str, size: int, step: int, spot: slice) -> None:
    """At every offset, for images that are dark but for a spot in their middle.

    Near its border a crop is filled up with zeros and the image is not. Where nothing is seen at
    the borders, as biases are zero here, both are the same.
    """
    crops = of_crops(model)
    for layer in crops.layers[: pooling(crops)]:
        if isinstance(layer, keras.layers.Conv2D):
            layer.bias.assign(np.zeros(layer.bias.shape))
    images = of_images(crops, model, (size, size), "fine")
    image = np.zeros((1, size, size, 3), "float32")
    image[:, spot, spot] = noise(*image[:, spot, spot].shape)
    crop = crops.input_shape[1]
    offsets = range(0, size - crop + 1, step)
    cut = [
        image[:, row : row + crop, column : column + crop] for row in offsets for column in offsets
    ]
    expected = np.asarray(crops(np.concatenate(cut)))
    maps = np.asarray(images(image))
    assert maps.shape == (1, len(offsets), len(offsets), 3)
    assert len(np.unique(expected.round(5), axis=0)) == len(cut)
    assert relative_error(maps.reshape(-1, 3), expected) < 1e-5


@pytest.mark.parametrize("model", ["fast", "accurate"])
@pytest.mark.parametrize("result", ["coarse", "fine"])
def test_overfeat_map_of_a_single_crop(model: str, result: str) -> None:
    """An image of the size of a crop has one window."""
    crops = of_crops(model)
    size = crops.input_shape[1]
    image = noise(1, size, size, 3)
    maps = np.asarray(of_images(crops, model, (size, size), result)(image))
    assert relative_error(maps[:, 0, 0], np.asarray(crops(image))) < 1e-5


@pytest.mark.parametrize(("size", "expected"), SCALES.items())
def test_overfeat_map_sizes_of_six_scales(size: tuple[int, int], expected: tuple[int, int]) -> None:
    """They have the sizes of the paper's table of scales."""
    height, width = size
    compiled = archbuilder.load("overfeat").compile(
        model="accurate", result="fine", image_size=height, image_width=width, **SMALL
    )
    assert compiled.output_shape == (None, *expected, 3)


def test_overfeat_of_class_and_box() -> None:
    """The two outputs are those of the classifier and of the regressor on the same features."""
    sizes = {"model": "fast", **SMALL}
    both = archbuilder.load("overfeat:both").compile(**sizes)
    fill(both.weights)
    image = noise(2, *both.input_shape[1:])
    outputs = both(image)
    for name, task in {"class": "classification", "box": "localisation"}.items():
        alone = archbuilder.load("overfeat").compile(task=task, **sizes)
        for layer in alone.layers:
            layer.set_weights(both.get_layer(layer.name).get_weights())
        np.testing.assert_allclose(outputs[name], alone(image), rtol=1e-5, atol=1e-6)
