"""Images that are changed by chance, alike whenever the same step comes again."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import tensorflow as tf
from helpers.graphs import SPAN
from helpers.keras_objects import keras_object

from archbuilder.config.augment_layers import AUGMENTATION_LAYERS
from archbuilder.data.augmentation import Augmentation, ValueRange
from archbuilder.data.batch_share import BatchShare
from archbuilder.diagnostics.errors import BlueprintError
from archbuilder.plain_data import PlainData

LAYERS: dict[str, PlainData] = {
    "flip": {"RandomFlip": "horizontal"},
    "turn": {"RandomRotation": 0.2},
    "crop": {"RandomCrop": {"height": 6, "width": 6}},
    "augment": {"RandAugment": {"num_ops": 1}},
    "noise": {"GaussianNoise": 0.3},
    "elastic": "RandomElasticTransform",
    "jitter": {"RandomColorJitter": {"brightness_factor": 0.5, "hue_factor": 0.2}},
}


def images(count: int = 12, channels: int = 3) -> tf.Tensor:
    return tf.random.stateless_uniform([count, 8, 8, channels], seed=[1, 2])


def batch_share(step: int, count: int) -> BatchShare:
    return BatchShare(tf.constant(step, tf.int64), tf.range(count))


def augmented(
    layer: PlainData,
    step: int,
    view: int = 0,
    seed: int = 3,
    *,
    inputs: tf.Tensor | None = None,
    value_range: ValueRange | None = (0, 1),
) -> np.ndarray:
    """As in a pipeline: within a graph, where the size of a batch is open."""
    augmentation = Augmentation([keras_object("layer", layer)], seed, value_range)
    inputs = images() if inputs is None else inputs
    changed = (
        tf.data.Dataset.from_tensor_slices(inputs)
        .batch(len(inputs))
        .map(lambda batch: augmentation(batch, batch_share(step, len(inputs)), view))
    )
    return np.asarray(next(iter(changed)))


@pytest.mark.parametrize("name", LAYERS)
def test_follows_from_seed_view_and_step(name: str):
    """The same three give the same images, and each of them others."""
    layer = LAYERS[name]
    first = augmented(layer, 5)
    np.testing.assert_array_equal(first, augmented(layer, 5))
    for changed in (augmented(layer, 6), augmented(layer, 5, view=1), augmented(layer, 5, seed=4)):
        assert np.abs(first - changed).max() > 0.01


def test_images_are_cropped_independently():
    """The places that are cut out of twelve images are not all the same."""
    originals, cut = np.asarray(images()), augmented(LAYERS["crop"], 0)
    places = {
        (top, left)
        for image, crop in zip(originals, cut, strict=True)
        for top in range(3)
        for left in range(3)
        if np.array_equal(image[top : top + 6, left : left + 6], crop)
    }
    assert len(places) > 2


def test_elastic_transform_does_not_mix_images():
    """In a batch of open size each image is made of its own pixels, not of those of the first."""
    shades = tf.reshape(tf.range(12, dtype=tf.float32) / 12, (-1, 1, 1, 1)) * tf.ones((12, 8, 8, 1))
    outputs = augmented(LAYERS["elastic"], 0, inputs=shades)
    np.testing.assert_allclose(outputs, shades, atol=1e-5)


@pytest.mark.parametrize("layer", ["RandomBrightness", "RandomContrast", "RandomPosterization"])
def test_color_layers_get_value_range(layer: str):
    """Images from 0 to 1 stay there: Keras itself takes them for images from 0 to 255."""
    factor = 3 if layer == "RandomPosterization" else 0.3
    outputs = augmented({layer: factor}, 0)
    assert 0 <= outputs.min() < outputs.max() <= 1
    assert 0.01 < np.abs(outputs - images()).max() < 0.7
    bright = augmented({layer: factor}, 0, inputs=images() * 255, value_range=(0, 255))
    np.testing.assert_allclose(bright / 255, outputs, atol=1e-2)


@pytest.mark.parametrize(
    ("arguments", "value_range", "message"),
    [
        ({"value_range": [0, 255]}, (0.0, 1.0), "expects values in [0, 255], but the images"),
        ({}, None, "needs 'value_range': the data does not define the range of its images"),
    ],
)
def test_unsuitable_value_range(
    arguments: dict[str, PlainData], value_range: ValueRange | None, message: str
):
    """It is an error that names both, or says what to write."""
    with pytest.raises(BlueprintError) as error:
        augmented({"RandomBrightness": {"factor": 0.3, **arguments}}, 0, value_range=value_range)
    (diagnostic,) = error.value.diagnostics
    assert message in diagnostic.message
    assert "value_range" in " ".join(diagnostic.notes)


def test_value_range_of_the_recipe():
    """Floats may have any; what is written is believed."""
    layer: PlainData = {"RandomBrightness": {"factor": 0.3, "value_range": [0, 1]}}
    outputs = augmented(layer, 0, value_range=None)
    np.testing.assert_array_equal(outputs, augmented({"RandomBrightness": 0.3}, 0))


def test_integer_images_are_rounded():
    """Bytes that a layer makes fractions of come to the nearest byte, and stay bytes."""
    pixels = tf.cast(tf.round(images() * 255), tf.uint8)
    layer: PlainData = {"RandomBrightness": 0.5}
    outputs = augmented(layer, 0, inputs=pixels, value_range=(0, 255))
    exact = augmented(layer, 0, inputs=tf.cast(pixels, tf.float32), value_range=(0, 255))
    assert outputs.dtype == np.uint8
    np.testing.assert_array_equal(outputs, np.rint(exact))


@pytest.mark.parametrize(
    ("layer", "shape", "message"),
    [
        ({"RandomHue": 0.3}, [None, 8, 8, 1], "RandomHue under 'augment' does not take images of"),
        (LAYERS["crop"], [None, 6, 6, 3], "does not take images of 6x6 for a crop of 6x6"),
        (LAYERS["crop"], [None, 8, 4, 3], "does not take images of 8x4 for a crop of 6x6"),
    ],
)
def test_unsupported_image_shapes(layer: PlainData, shape: list[int | None], message: str):
    """They are refused before there are some."""
    augmentation = Augmentation([keras_object("layer", layer)], 0, (0, 1))
    with pytest.raises(BlueprintError) as error:
        augmentation.check(tf.TensorSpec(shape, tf.float32))
    (diagnostic,) = error.value.diagnostics
    assert (diagnostic.span, message in diagnostic.message) == (SPAN, True)


SHARED: dict[str, PlainData] = {
    "GaussianNoise": 0.3,
    "RandomBrightness": 0.2,
    "RandomColorDegeneration": 0.5,
    "RandomColorJitter": {"brightness_factor": 0.5, "contrast_factor": 0.3, "hue_factor": 0.2},
    "RandomContrast": 0.3,
    "RandomCrop": {"height": 6, "width": 6},
    "RandomElasticTransform": {"scale": [0.8, 1.0]},
    "RandomErasing": {"scale": [0.1, 0.4]},
    "RandomFlip": "horizontal",
    "RandomGaussianBlur": {"kernel_size": 3, "sigma": 1.0},
    "RandomGrayscale": 0.5,
    "RandomHue": 0.3,
    "RandomInvert": 0.5,
    "RandomPosterization": 4,
    "RandomRotation": 0.2,
    "RandomSaturation": 0.5,
    "RandomSharpness": 0.5,
    "RandomShear": {"x_factor": 0.3},
    "RandomTranslation": {"height_factor": 0.2, "width_factor": 0.2},
    "RandomZoom": 0.3,
}


@pytest.mark.thorough
@pytest.mark.parametrize("name", AUGMENTATION_LAYERS)
def test_shares_are_augmented_like_their_batch(name: str):
    """Whatever a layer draws; three layers say that they need the batch."""
    layer: PlainData = {name: SHARED[name]} if name in SHARED else name
    augmentation = Augmentation([keras_object("layer", layer)], 3, (0, 1))
    batch = BatchShare(tf.constant(5, tf.int64), tf.range(12, dtype=tf.int64))
    needs_batch = augmentation.needs_batch(tf.TensorSpec([None, 8, 8, 3], tf.float32))
    assert needs_batch == (name in ("CutMix", "GaussianNoise", "MixUp"))
    if needs_batch:
        return
    bounds = [(tf.constant(a, tf.int64), tf.constant(b, tf.int64)) for a, b in ((0, 5), (5, 12))]
    shares = [replace(batch, bounds=each) for each in bounds]
    together = tf.concat([augmentation(each.select(images()), each) for each in shares], axis=0)
    # A vectorized sine rounds an angle differently by its position.
    tolerance = 1e-6 if name == "RandomRotation" else 0
    np.testing.assert_allclose(together, augmentation(images(), batch), rtol=0, atol=tolerance)
