"""Losses and metric of boxes: values from plain Python and from Keras's functions of boxes."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf

from archbuilder.keras_ext.losses import CIoU, GIoU
from archbuilder.keras_ext.metrics import BoxIoU

RANDOM = np.random.default_rng(5)


def random_boxes(*shape: int) -> np.ndarray:
    """Boxes of which most overlap others."""
    corner = RANDOM.uniform(0, 5, (*shape, 2))
    return np.concatenate([corner, corner + RANDOM.uniform(0.5, 6, (*shape, 2))], -1)


TRUE, PREDICTED = random_boxes(6, 3), random_boxes(6, 3)


def iou_and_giou(first: np.ndarray, second: np.ndarray) -> tuple[float, float]:
    """Return both indices of two boxes, left, upper, right and lower edge."""
    width = max(0.0, min(first[2], second[2]) - max(first[0], second[0]))
    height = max(0.0, min(first[3], second[3]) - max(first[1], second[1]))
    areas = [(box[2] - box[0]) * (box[3] - box[1]) for box in (first, second)]
    union = sum(areas) - width * height
    around = (max(first[2], second[2]) - min(first[0], second[0])) * (
        max(first[3], second[3]) - min(first[1], second[1])
    )
    iou = width * height / union
    return iou, iou - (around - union) / around


EXPECTED = np.array(
    [
        [iou_and_giou(*pair) for pair in zip(*each, strict=True)]
        for each in zip(TRUE, PREDICTED, strict=True)
    ]
)
FORMATS = {
    "xyxy": lambda boxes: boxes,
    "yxyx": lambda boxes: boxes[..., [1, 0, 3, 2]],
    "xywh": lambda boxes: np.concatenate([boxes[..., :2], boxes[..., 2:] - boxes[..., :2]], -1),
    "center_xywh": lambda boxes: np.concatenate(
        [(boxes[..., :2] + boxes[..., 2:]) / 2, boxes[..., 2:] - boxes[..., :2]], -1
    ),
}


@pytest.mark.parametrize("name", FORMATS)
def test_formats(name: str):
    """Boxes in each format have the same indices."""
    boxes, predicted = (FORMATS[name](each).astype(np.float32) for each in (TRUE, PREDICTED))
    metric = BoxIoU(bounding_box_format=name)
    metric.update_state(boxes[:4], predicted[:4])
    metric.update_state(boxes[4:], predicted[4:])
    assert float(metric.result()) == pytest.approx(EXPECTED[..., 0].mean(), rel=1e-5)
    losses = GIoU(bounding_box_format=name, reduction="none")(boxes, predicted)
    np.testing.assert_allclose(losses, 1 - EXPECTED[..., 1], rtol=1e-4)
    losses = CIoU(bounding_box_format=name, reduction="none")(boxes, predicted)
    expected = keras.utils.bounding_boxes.compute_ciou(boxes, predicted, name)
    np.testing.assert_allclose(losses, 1 - expected, rtol=1e-4, atol=1e-5)


def test_padding_and_weights():
    """Boxes of -1 count neither in the losses nor in the metric; weights are of boxes or images."""
    boxes = TRUE.astype(np.float32)
    boxes[1, 1:] = boxes[4, 0] = -1
    is_box = (boxes != -1).any(-1)
    assert is_box.sum() == 15
    assert float(GIoU()(boxes, PREDICTED)) == pytest.approx(
        1 - EXPECTED[..., 1][is_box].mean(), rel=1e-5
    )
    for weights in (RANDOM.random(6), RANDOM.random((6, 3))):
        metric = BoxIoU()
        metric.update_state(boxes, PREDICTED, weights)
        counts = is_box * (weights if weights.ndim == 2 else weights[:, None])
        expected = (EXPECTED[..., 0] * counts).sum() / counts.sum()
        assert float(metric.result()) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("loss", [GIoU(), CIoU()])
def test_boxes_that_are_learned(loss: keras.losses.Loss):
    """From boxes apart from the others and with edges on the wrong sides, descent finds them."""
    targets = tf.constant([[0.1, 0.2, 0.5, 0.4], [0.6, 0.5, 0.9, 0.9], [-1.0, -1, -1, -1]])
    boxes = tf.Variable([[0.7, 0.6, 0.9, 0.9], [0.2, 0.4, 0.1, 0.1], [0.3, 0.3, 0.3, 0.3]])
    optimizer = keras.optimizers.Adam(0.01)

    @tf.function
    def step():
        with tf.GradientTape() as tape:
            value = loss(targets, boxes)
        gradient = tape.gradient(value, boxes)
        optimizer.apply([gradient], [boxes])
        return value, gradient

    for _ in range(400):
        value, gradient = step()
    assert float(value) < 0.1
    metric = BoxIoU()
    metric.update_state(targets, np.sort(boxes.numpy().reshape(-1, 2, 2), 1).reshape(-1, 4))
    assert float(metric.result()) > 0.9
    np.testing.assert_array_equal(gradient[2], 0)


def test_equal_and_empty_boxes():
    """Equal boxes have no loss; an empty box overlaps nothing and has finite gradients."""
    for loss in (GIoU(), CIoU()):
        assert float(loss(TRUE, TRUE)) == pytest.approx(0, abs=1e-6)
        empty = tf.constant([[0.3, 0.3, 0.3, 0.3]])
        with tf.GradientTape() as tape:
            tape.watch(empty)
            value = loss(empty, empty)
        assert np.isfinite(value)
        assert np.isfinite(tape.gradient(value, empty)).all()
    metric = BoxIoU()
    metric.update_state(empty, empty)
    assert float(metric.result()) == 0


def test_other_shapes():
    """What is not four numbers is an error."""
    with pytest.raises(ValueError, match=r"four numbers on their last axis, not \[8\]"):
        GIoU()(np.zeros((2, 8)), np.zeros((2, 8)))
