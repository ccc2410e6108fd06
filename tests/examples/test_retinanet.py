"""The losses and detections of the RetinaNet example, compared with NumPy box by box."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from helpers.keras_io_examples import EXAMPLES, FOLDER

import archbuilder

NAME = "vision/retinanet"
SIZE = 128
SCALES = 2.0 ** np.array([0, 1 / 3, 2 / 3])
TRUTH = np.array(
    [
        # left, upper, width, height: one like an anchor, one that shares half of some, one tiny
        [[0.25, 0.25, 0.25, 0.25], [0.4, 0.1, 0.5, 0.6], [0.9, 0.9, 0.02, 0.02]],
        [[0.1, 0.3, 0.4, 0.2], [-1, -1, -1, -1], [-1, -1, -1, -1]],
        [[-1, -1, -1, -1]] * 3,
    ],
    np.float32,
)
CLASSES = np.array([[0, 1, 1], [1, -1, -1], [-1, -1, -1]])


def anchor_boxes() -> np.ndarray:
    """Return the anchors of all levels in pixels: x, y, width and height."""
    boxes = []
    for stride in (8, 16, 32, 64, 128):
        for y in np.arange(stride / 2, SIZE, stride):
            for x in np.arange(stride / 2, SIZE, stride):
                for ratio in (0.5, 1.0, 2.0):
                    height = np.sqrt((4 * stride) ** 2 / ratio)
                    width = (4 * stride) ** 2 / height
                    boxes += [(x, y, scale * width, scale * height) for scale in SCALES]
    return np.array(boxes)


def overlap(first: np.ndarray, second: np.ndarray) -> float:
    """Return the intersection over union of two boxes with a center."""
    sides = [
        min(first[axis] + first[axis + 2] / 2, second[axis] + second[axis + 2] / 2)
        - max(first[axis] - first[axis + 2] / 2, second[axis] - second[axis + 2] / 2)
        for axis in (0, 1)
    ]
    if min(sides) <= 0:
        return 0.0
    intersection = sides[0] * sides[1]
    return float(intersection / (first[2] * first[3] + second[2] * second[3] - intersection))


def expected_losses(
    logits: np.ndarray, moves: np.ndarray, boxes: np.ndarray, classes: np.ndarray
) -> tuple[float, float, int]:
    """Return the losses of one image, and the number of anchors that have a box."""
    class_loss = box_loss = 0.0
    count = 0
    truth = boxes[boxes[:, 2] > 0] * SIZE
    truth[:, :2] += truth[:, 2:] / 2
    for anchor, logit, move in zip(anchor_boxes(), logits, moves, strict=True):
        overlaps = [overlap(anchor, box) for box in truth] or [0.0]
        best, nearest = max(overlaps), int(np.argmax(overlaps))
        labels = np.zeros(2)
        if 0.4 <= best < 0.5:
            continue
        if best >= 0.5:
            count += 1
            box = truth[nearest]
            labels[classes[nearest]] = 1
            shift = (box[:2] - anchor[:2]) / anchor[2:] / 0.1
            growth = np.log(box[2:] / anchor[2:]) / 0.2
            error = np.abs(np.concatenate([shift, growth]) - move)
            box_loss += np.where(error < 1, error**2 / 2, error - 0.5).sum()
        # In double precision, as 1 - p would be 0 for large logits.
        of_label = 1 / (1 + np.exp(np.where(labels == 1, -1.0, 1.0) * logit.astype(np.float64)))
        weight = np.where(labels == 1, 0.25, 0.75)
        class_loss += (-weight * (1 - of_label) ** 2 * np.log(of_label)).sum()
    return class_loss / max(count, 1), box_loss / max(count, 1), count


def expected_detections(
    logits: np.ndarray, moves: np.ndarray, candidates: int, length: int
) -> list[tuple[float, int, np.ndarray]]:
    """Return the score, class and box of the objects that the network finds, best first."""
    anchors = anchor_boxes()
    centers = anchors[:, :2] + 0.1 * moves[:, :2] * anchors[:, 2:]
    boxes = np.concatenate([centers, anchors[:, 2:] * np.exp(0.2 * moves[:, 2:])], 1) / SIZE
    scores = 1 / (1 + np.exp(-logits.max(1)))
    chosen = np.argsort(-scores, kind="stable")[:candidates]
    detections = []
    for rank, index in enumerate(chosen):
        kind = int(logits[index].argmax())
        better = [each for each in chosen[:rank] if logits[each].argmax() == kind]
        if scores[index] > 0.05 and all(overlap(boxes[index], boxes[e]) <= 0.5 for e in better):
            corner = boxes[index, :2] - boxes[index, 2:] / 2
            detections.append((scores[index], kind, np.concatenate([corner, boxes[index, 2:]])))
    return detections[:length]


@pytest.mark.thorough
def test_losses_and_detections():
    """Anchors are matched, boxes encoded and detections kept as in the program."""
    params = dict(EXAMPLES[NAME].params)
    model = archbuilder.load(FOLDER / f"{NAME}.yaml").compile(**params)
    random = np.random.default_rng(0)
    for variable in model.weights:
        if "logits3" in variable.path or "moves3" in variable.path:
            variable.assign(random.normal(0, 0.1, variable.shape))
    parts = {
        name: keras.ops.concatenate([model.get_layer(f"{name}{n}").output for n in range(3, 8)], 1)
        for name in ("class_logits", "box_moves")
    }
    inputs = {
        "image": random.uniform(0, 255, (3, SIZE, SIZE, 3)).astype(np.float32),
        "true_boxes": TRUTH,
        "true_classes": CLASSES.astype(np.int32),
    }
    outputs = keras.Model(model.input, {**model.output, **parts})(inputs)
    values = {name: np.asarray(each) for name, each in outputs.items()}
    logits, moves = values["class_logits"], values["box_moves"]
    counts = []
    for image in range(3):
        *losses, count = expected_losses(logits[image], moves[image], TRUTH[image], CLASSES[image])
        counts.append(count)
        if count:
            actual = [values[name][image] for name in ("focal", "smooth_l1")]
            np.testing.assert_allclose(actual, losses, rtol=1e-4)
    assert counts[0] > counts[1] > 0
    assert counts[2] == values["focal"][2] == values["smooth_l1"][2] == 0
    for image in range(3):
        detections = expected_detections(logits[image], moves[image], params["candidates"], 3)
        assert detections
        scores, classes, boxes = (values[name][image] for name in ("scores", "classes", "boxes"))
        for rank, (score, kind, box) in enumerate(detections):
            assert scores[rank] == pytest.approx(score, rel=1e-4)
            assert classes[rank] == kind
            np.testing.assert_allclose(boxes[rank], box, rtol=1e-3, atol=1e-5)
        assert (boxes[len(detections) :] == -1).all()
        assert (classes[len(detections) :] == -1).all()
