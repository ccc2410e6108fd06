"""Images that are changed by chance, alike whenever the same step comes again."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from archbuilder.errors import UsageError
from archbuilder.training.augmenting import Augmentation
from archbuilder.tree import Plain, Source, Span, from_plain

SPAN = Span(Source("test.yaml", ""), 1, 1, 1, 1)
LAYERS: dict[str, Plain] = {
    "flip": {"RandomFlip": "horizontal"},
    "turn": {"RandomRotation": 0.2},
    "crop": {"RandomCrop": {"height": 6, "width": 6}},
    "augment": {"RandAugment": {"value_range": [0, 1], "num_ops": 2}},
}


def images(count: int = 12) -> tf.Tensor:
    return tf.random.stateless_uniform([count, 8, 8, 3], seed=[1, 2])


def augmented(layer: Plain, step: int, view: int = 0, seed: int = 3) -> np.ndarray:
    """As in a pipeline: within a graph."""
    augmentation = Augmentation.of([from_plain(layer, SPAN)], seed)
    changed = tf.data.Dataset.from_tensors(images()).map(
        lambda batch: augmentation(batch, tf.constant(step, tf.int64), view)
    )
    return np.asarray(next(iter(changed)))


@pytest.mark.parametrize("name", LAYERS)
def test_follows_from_seed_view_and_step(name: str):
    """The same three give the same images, and each of them others."""
    layer = LAYERS[name]
    first = augmented(layer, 5)
    np.testing.assert_array_equal(first, augmented(layer, 5))
    for other in (augmented(layer, 6), augmented(layer, 5, view=1), augmented(layer, 5, seed=4)):
        assert np.abs(first - other).max() > 0.01


def test_every_image_is_cropped_by_itself():
    """The places that are cut out of twelve images are not all the same."""
    whole, cut = np.asarray(images()), augmented(LAYERS["crop"], 0)
    places = {
        (top, left)
        for image, part in zip(whole, cut, strict=True)
        for top in range(3)
        for left in range(3)
        if np.array_equal(image[top : top + 6, left : left + 6], part)
    }
    assert len(places) > 2


@pytest.mark.parametrize(
    ("inputs", "told"),
    [
        (np.ones((3, 4)), "is an image: [4]"),
        ({"a": np.ones((3, 4)), "b": np.ones((3, 8, 8))}, "is an image: a [4], b [8, 8]"),
    ],
)
def test_there_has_to_be_an_image(inputs: object, told: str):
    """Otherwise nothing would be changed, and the error says which inputs there are."""
    augmentation = Augmentation.of([from_plain(LAYERS["flip"], SPAN)], 0)
    batches = tf.data.Dataset.from_tensor_slices((inputs, np.ones(3))).batch(2)
    with pytest.raises(UsageError) as error:
        augmentation.of_inputs(batches, 0)
    assert told in str(error.value)


def test_other_inputs_stay():
    """Beside an image, what is none is left alone."""
    augmentation = Augmentation.of([from_plain(LAYERS["turn"], SPAN)], 0)
    given = {"image": images(4), "more": tf.ones([4, 3])}
    batches = tf.data.Dataset.from_tensor_slices((given, tf.ones(4))).batch(4)
    changed, _ = next(iter(augmentation.of_inputs(batches, 0)))
    np.testing.assert_array_equal(changed["more"], given["more"])
    assert np.abs(changed["image"] - given["image"]).max() > 0.01
