"""Mean average precision, compared with pycocotools and with plain Python."""

from __future__ import annotations

from dataclasses import dataclass

import keras
import numpy as np
import pytest

from archbuilder.keras_ext.metrics import MeanAveragePrecision

LENGTH, CLASSES = 8, 4


@dataclass(frozen=True)
class Images:
    """Boxes of images in the format `xywh`, padded with -1."""

    true_boxes: np.ndarray
    true_classes: np.ndarray
    boxes: np.ndarray
    classes: np.ndarray
    scores: np.ndarray

    def rows(self, rows: slice) -> tuple[tuple[np.ndarray, ...], tuple[np.ndarray, ...]]:
        """Return some images as the metric takes them."""
        true = self.true_boxes[rows].astype(np.float32), self.true_classes[rows]
        boxes, scores = (each[rows].astype(np.float32) for each in (self.boxes, self.scores))
        return true, (boxes, self.classes[rows], scores)


def random_images(seed: int, count: int, most: int) -> Images:
    """Return images with detections near and far from their boxes, of classes that are missing.

    All numbers are exact in float32. Many scores and overlaps are equal.
    """
    random = np.random.default_rng(seed)

    def boxes(number: int) -> np.ndarray:
        sides = random.integers(4, 24, (number, 2))
        return np.concatenate([random.integers(0, 40, (number, 2)), sides], 1) / 64

    images = Images(
        np.full((count, LENGTH, 4), -1.0),
        np.full((count, LENGTH), -1),
        np.full((count, most, 4), -1.0),
        np.full((count, most), -1),
        np.zeros((count, most)),
    )
    for image in range(count):
        number, detected = random.integers(0, LENGTH + 1), random.integers(0, most + 1)
        images.true_boxes[image, :number] = boxes(number)
        images.true_classes[image, :number] = random.integers(0, CLASSES - 1, number)
        for index, random_box in enumerate(boxes(detected)):
            box = random_box
            label = random.integers(0, CLASSES)
            if number and random.random() < 0.7:
                near = random.integers(0, number)
                box = images.true_boxes[image, near] + random.integers(-2, 3, 4) / 64
                if random.random() < 0.8:
                    label = images.true_classes[image, near]
            images.boxes[image, index] = [*box[:2], *np.maximum(box[2:], 1 / 64)]
            images.classes[image, index] = label
            images.scores[image, index] = random.integers(1, 200) / 256
    return images


def measured(images: Images, benchmark: str, batch: int = 7) -> float:
    """Return the metric over batches of images."""
    metric = MeanAveragePrecision("classes", "scores", "xywh", benchmark)
    for start in range(0, len(images.boxes), batch):
        metric.update_state(*images.rows(slice(start, start + batch)))
    return float(metric.result())


@pytest.mark.parametrize(
    ("case", "expected"),
    [
        # The first three numbers of `COCOeval.summarize` in pycocotools 2.0.
        ((0, 30, 12), (0.0798836339, 0.1783996374, 0.0504049821)),
        ((1, 4, 700), (0.2174547713, 0.4608279181, 0.1536205163)),
    ],
)
def test_coco(case: tuple[int, int, int], expected: tuple[float, float, float]):
    """Over all overlaps, and with one; a class has at most 100 detections in an image."""
    images = random_images(*case)
    values = [measured(images, name) for name in ("coco", "coco50", "coco75")]
    np.testing.assert_allclose(values, expected, rtol=1e-6)
    assert measured(images, "coco", batch=3) == values[0]


def overlap(first: np.ndarray, second: np.ndarray) -> float:
    """Return the intersection over union of two boxes."""
    sides = [
        min(first[axis] + first[axis + 2], second[axis] + second[axis + 2])
        - max(first[axis], second[axis])
        for axis in (0, 1)
    ]
    both = max(sides[0], 0) * max(sides[1], 0)
    return float(both / (first[2] * first[3] + second[2] * second[3] - both))


def voc_precision(images: Images, label: int, *, at_recalls: bool) -> float | None:
    """Return the average precision of a class, as the development kits of Pascal VOC define it."""
    detections = sorted(
        (-images.scores[image, index], image, index)
        for image, index in zip(*np.nonzero(images.classes == label), strict=True)
    )
    count = int((images.true_classes == label).sum())
    if not count:
        return None
    taken: set[tuple[int, int]] = set()
    points, correct = [], 0
    for rank, (_, image, index) in enumerate(detections, start=1):
        overlaps = {
            true: overlap(images.boxes[image, index], images.true_boxes[image, true])
            for true in np.flatnonzero(images.true_classes[image] == label)
        }
        best = max(overlaps, key=lambda true: overlaps[true], default=None)
        if best is not None and overlaps[best] > 0.5 and (image, best) not in taken:
            taken.add((image, best))
            correct += 1
        points.append((correct / count, correct / rank))
    if at_recalls:
        recalls = [step / 10 for step in range(11)]
        return sum(max((p for r, p in points if r >= t), default=0) for t in recalls) / 11
    area, last = 0.0, 0.0
    for recall in sorted({r for r, _ in points}):
        area += (recall - last) * max(p for r, p in points if r >= recall)
        last = recall
    return area


@pytest.mark.parametrize("benchmark", ["voc", "voc2007"])
def test_pascal_voc(benchmark: str):
    """The area below the curve, and the mean at eleven recalls."""
    images = random_images(3, 40, 9)
    values = [
        voc_precision(images, label, at_recalls=benchmark == "voc2007") for label in range(CLASSES)
    ]
    expected = np.mean([each for each in values if each is not None])
    assert 0.05 < expected < 0.9
    assert measured(images, benchmark) == pytest.approx(expected, rel=1e-6)


def test_formats_and_configuration():
    """Boxes may have any format; the metric is forgotten, saved and named as others."""
    images = random_images(5, 12, 9)
    expected = measured(images, "coco")
    metric = MeanAveragePrecision("kinds", bounding_box_format="xyxy")
    assert metric.name == "mean_average_precision"
    assert float(metric.result()) == 0
    true, predicted = images.rows(slice(None))
    edges = [
        np.concatenate([each[0][..., :2], each[0][..., :2] + each[0][..., 2:]], -1)
        for each in (true, predicted)
    ]
    for _ in range(2):
        metric.update_state((edges[0], true[1]), (edges[1], *predicted[1:]))
        assert float(metric.result()) == pytest.approx(expected, rel=1e-6)
        metric.reset_state()
    copy = MeanAveragePrecision.from_config(
        MeanAveragePrecision("kinds", benchmark="coco50").get_config()
    )
    assert (copy.classes, copy.name) == ("kinds", "mean_average_precision_50")
    # Perfect detections.
    metric.update_state((edges[0], true[1]), (edges[0], true[1], np.ones(true[1].shape)))
    assert float(metric.result()) == 1
    assert isinstance(metric, keras.metrics.Metric)
