"""Images that are changed by chance, alike whenever the same step comes again."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

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
