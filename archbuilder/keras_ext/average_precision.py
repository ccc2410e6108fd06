"""Mean average precision of detections: boxes with a class and a score, as benchmarks define it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

import keras
import numpy as np
from numpy.typing import NDArray

from archbuilder.keras_ext.layers._typing import Config, Tensor

Floats = NDArray[np.floating]
Flags = NDArray[np.bool_]

_COCO_DETECTIONS: Final = 100
"""The most detections of a class in an image that COCO counts."""
_COCO_RECALLS: Final = np.linspace(0, 1, 101)
_VOC_2007_RECALLS: Final = np.linspace(0, 1, 11)


@dataclass(frozen=True, slots=True)
class _Benchmark:
    """What a benchmark calls a true positive, and the area below its curve of precision."""

    overlaps: tuple[float, ...]
    """The least intersections over union of a true positive, over which the result is a mean."""
    recalls: Floats | None
    """The recalls at which precision is averaged; None for the area below the curve."""
    is_coco: bool = False
    """COCO assigns the best box that no better detection has, Pascal VOC the best one of all."""


_BENCHMARKS: Final = {
    "coco": _Benchmark(tuple(np.linspace(0.5, 0.95, 10)), _COCO_RECALLS, is_coco=True),
    "coco50": _Benchmark((0.5,), _COCO_RECALLS, is_coco=True),
    "coco75": _Benchmark((0.75,), _COCO_RECALLS, is_coco=True),
    "voc": _Benchmark((0.5,), None),
    "voc2007": _Benchmark((0.5,), _VOC_2007_RECALLS),
}
_NAMES: Final = {
    "coco": "mean_average_precision",
    "coco50": "mean_average_precision_50",
    "coco75": "mean_average_precision_75",
    "voc": "voc_mean_average_precision",
    "voc2007": "voc2007_mean_average_precision",
}


@dataclass(slots=True)
class _ClassMatches:
    """The detections of a class so far: a few bytes for each, whatever the size of the images."""

    num_boxes: int = 0
    scores: list[Floats] = field(default_factory=list)
    is_true: list[Flags] = field(default_factory=list)
    """Whether detections are true positives: a row for each overlap of the benchmark."""


@keras.saving.register_keras_serializable(package="archbuilder")
class MeanAveragePrecision(keras.metrics.Metric):
    """Mean of the average precision over the classes, from 0 to 1.

    Detections are boxes with a class and a score. It is computed from all of them together, in the
    order of their scores, and not as a mean over batches. Detections of the class -1, and true
    boxes of this class, are padding. Classes without a true box do not count.

    Sources: Everingham et al. 2010, "The Pascal Visual Object Classes (VOC) Challenge",
    doi:10.1007/s11263-009-0275-4, section 4.2; Lin et al. 2014, arXiv:1405.0312, with the
    evaluation of cocodataset.org.

    Args:
        classes: The output that has the classes of the boxes; its target has the true classes.
        scores: The output with the scores, if that of the classes does not have the probability of
            each class.
        bounding_box_format: Meaning of the four numbers of a box.
        benchmark: Whose definition: the mean over overlaps from 0.5 to 0.95 (`coco`), one overlap
            (`coco50`, `coco75`), or that of Pascal VOC since 2010 (`voc`) and until 2009
            (`voc2007`).
        name: Name of the metric.
        dtype: The dtype of the result.
    """

    _direction = "up"

    def __init__(
        self,
        classes: str,
        scores: str | None = None,
        bounding_box_format: str = "xyxy",
        benchmark: str = "coco",
        name: str | None = None,
        dtype: str | None = None,
    ) -> None:
        super().__init__(name=name or _NAMES[benchmark], dtype=dtype)
        self.classes = classes
        self.scores = scores
        self.bounding_box_format = bounding_box_format
        self.benchmark = benchmark
        self._matches: dict[int, _ClassMatches] = {}

    def update_state(
        self,
        y_true: tuple[Any, Any],
        y_pred: tuple[Any, Any, Any],
        sample_weight: Tensor | None = None,
    ) -> None:
        """Add a batch of images, outside of compiled functions.

        Args:
            y_true: The true boxes `(images, boxes, 4)`, and their classes `(images, boxes)`.
            y_pred: Boxes, classes and scores of detections.
            sample_weight: None: images have no weights.
        """
        del sample_weight
        true_boxes, boxes = (
            np.asarray(
                keras.utils.bounding_boxes.convert_format(
                    np.asarray(each, np.float64), self.bounding_box_format, "xyxy", dtype="float64"
                )
            )
            for each in (y_true[0], y_pred[0])
        )
        true_classes, classes = (
            np.asarray(each).astype(np.int64) for each in (y_true[1], y_pred[1])
        )
        images = (true_boxes, true_classes, boxes, classes, np.asarray(y_pred[2], np.float64))
        for image in zip(*images, strict=True):
            self._add_image(*image)

    def _add_image(
        self,
        true_boxes: Floats,
        true_classes: NDArray[np.int64],
        boxes: Floats,
        classes: NDArray[np.int64],
        scores: Floats,
    ) -> None:
        benchmark = _BENCHMARKS[self.benchmark]
        present = {*true_classes.tolist(), *classes.tolist()}
        for label in sorted(each for each in present if each >= 0):
            matches = self._matches.setdefault(label, _ClassMatches())
            is_label = np.flatnonzero(classes == label)
            order = is_label[np.argsort(-scores[is_label], kind="stable")]
            if benchmark.is_coco:
                order = order[:_COCO_DETECTIONS]
            of_label = true_boxes[true_classes == label]
            matches.num_boxes += len(of_label)
            matches.scores.append(scores[order])
            ious = _overlaps(boxes[order], of_label)
            assign = _assign_free_boxes if benchmark.is_coco else _assign_best_boxes
            matches.is_true.append(assign(ious, np.array(benchmark.overlaps)))

    def result(self) -> Tensor:
        """Return the mean over the classes with true boxes, and over the overlaps; 0 without."""
        recalls = _BENCHMARKS[self.benchmark].recalls
        values = [
            _average_precision(is_true, each.num_boxes, recalls)
            for each in self._matches.values()
            if each.num_boxes
            for is_true in _sorted_by_score(each)
        ]
        return keras.ops.cast(np.mean(values) if values else 0.0, self.dtype)

    def reset_state(self) -> None:
        """Forget all images."""
        self._matches = {}

    def get_config(self) -> Config:
        """Return the arguments of the constructor."""
        names = ("classes", "scores", "bounding_box_format", "benchmark")
        return {**super().get_config(), **{name: getattr(self, name) for name in names}}


def _overlaps(boxes: Floats, others: Floats) -> Floats:
    """Return the intersection over union of all pairs of boxes."""
    sides = [
        np.minimum(boxes[:, None, axis + 2], others[None, :, axis + 2])
        - np.maximum(boxes[:, None, axis], others[None, :, axis])
        for axis in (0, 1)
    ]
    intersection = sides[0].clip(0) * sides[1].clip(0)
    areas = [(each[:, 2:] - each[:, :2]).clip(0).prod(1) for each in (boxes, others)]
    union = areas[0][:, None] + areas[1][None] - intersection
    return np.divide(intersection, union, out=np.zeros_like(union), where=union > 0)


def _assign_free_boxes(ious: Floats, thresholds: Floats) -> Flags:
    """Return which detections are true as in COCO; a row for each threshold.

    A detection gets the best box that none of a higher score has, the last one of equal ones.
    """
    num_detections, num_boxes = ious.shape
    is_true = np.zeros((len(thresholds), num_detections), bool)
    is_free = np.ones((len(thresholds), num_boxes), bool)
    if not num_boxes:
        return is_true
    rows = np.arange(len(thresholds))
    for index, overlaps in enumerate(ious):
        free_overlaps = np.where(is_free, overlaps, -1.0)
        best = num_boxes - 1 - np.argmax(free_overlaps[:, ::-1], axis=1)
        is_true[:, index] = free_overlaps[rows, best] >= thresholds
        is_free[rows, best] &= ~is_true[:, index]
    return is_true


def _assign_best_boxes(ious: Floats, thresholds: Floats) -> Flags:
    """Return which detections are true as in Pascal VOC; a row for each threshold.

    A detection gets the best box, the first one of equal ones. It is false if one of a higher score
    has this box already.
    """
    is_true = np.zeros((len(thresholds), len(ious)), bool)
    if not ious.shape[1]:
        return is_true
    best = ious.argmax(axis=1)
    for row, threshold in enumerate(thresholds):
        is_near = np.flatnonzero(ious.max(axis=1) > threshold)
        _, firsts = np.unique(best[is_near], return_index=True)
        is_true[row, is_near[firsts]] = True
    return is_true


def _sorted_by_score(matches: _ClassMatches) -> Flags:
    """Return which detections of all images are true, from the highest score on."""
    scores = np.concatenate(matches.scores)
    return np.concatenate(matches.is_true, axis=1)[:, np.argsort(-scores, kind="stable")]


def _average_precision(is_true: Flags, num_boxes: int, recalls: Floats | None) -> float:
    """Return the average of the precision over recalls, or over all of them.

    The precision at a recall is the best one at this recall or a higher one.
    """
    num_true = np.cumsum(is_true)
    recall = num_true / num_boxes
    precision = num_true / np.arange(1, len(is_true) + 1)
    precision = np.maximum.accumulate(precision[::-1])[::-1]
    if recalls is None:
        return float(np.sum(np.diff(recall, prepend=0) * precision))
    positions = np.searchsorted(recall, recalls, side="left")
    return float(np.mean(np.append(precision, 0.0)[positions]))
