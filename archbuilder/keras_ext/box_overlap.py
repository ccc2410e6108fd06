"""Overlap of boxes in images, and the losses and the metric that it makes."""

from __future__ import annotations

import math
from abc import abstractmethod
from typing import Final

import keras
from keras import ops

from archbuilder.keras_ext.constructor_config import ConstructorConfig
from archbuilder.keras_ext.layers._typing import Tensor

PADDING: Final = -1
"""All four numbers of a box that only fills up a list."""
_EPSILON: Final = 1e-7
"""Avoids divisions by the area, the height or the diagonal of an empty box."""


class _BoxLoss(ConstructorConfig, keras.losses.Loss):
    """A loss of pairs of boxes `(..., 4)`, without those of `y_true` that are padding."""

    def __init__(
        self,
        bounding_box_format: str = "xyxy",
        reduction: str = "sum_over_batch_size",
        name: str | None = None,
        dtype: str | None = None,
    ) -> None:
        super().__init__(name=name, reduction=reduction, dtype=dtype)
        self.bounding_box_format = bounding_box_format

    def call(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        """Return the loss of each box."""
        is_box = is_no_padding(y_true)
        boxes, predicted = (_edges(each, self.bounding_box_format) for each in (y_true, y_pred))
        # As in algorithm 2 of GIoU: an edge that is on the wrong side is the other edge.
        left, upper, right, lower = predicted
        predicted = (
            ops.minimum(left, right),
            ops.minimum(upper, lower),
            ops.maximum(left, right),
            ops.maximum(upper, lower),
        )
        losses = ops.where(is_box, self._losses(boxes, predicted), 0.0)
        losses._keras_mask = is_box  # noqa: SLF001 - as the crossentropy with `ignore_class`
        return losses

    @abstractmethod
    def _losses(self, y_true: tuple[Tensor, ...], y_pred: tuple[Tensor, ...]) -> Tensor:
        """Return the losses of boxes, which are left, upper, right and lower edges."""


@keras.saving.register_keras_serializable(package="archbuilder")
class GIoU(_BoxLoss):
    """One minus the generalized intersection over union of boxes, from 0 to 2.

    `loss = 1 - IoU + (C - U) / C`, where `U` is the area of the union and `C` that of the smallest
    box around both boxes. Boxes of `y_true` whose numbers are all -1 are padding and do not count.

    Source: Rezatofighi et al. 2019, arXiv:1902.09630, algorithm 2.

    Args:
        bounding_box_format: Meaning of the four numbers of a box.
        reduction: Type of reduction over the batch, as in all losses of Keras.
        name: Name of the loss.
        dtype: The dtype of the computation.
    """

    def __init__(
        self,
        bounding_box_format: str = "xyxy",
        reduction: str = "sum_over_batch_size",
        name: str = "giou",
        dtype: str | None = None,
    ) -> None:
        super().__init__(bounding_box_format, reduction, name, dtype)

    def _losses(self, y_true: tuple[Tensor, ...], y_pred: tuple[Tensor, ...]) -> Tensor:
        iou, union = _iou(y_true, y_pred)
        width, height = _sides_around(y_true, y_pred)
        around = width * height
        return 1 - iou + (around - union) / (around + _EPSILON)


@keras.saving.register_keras_serializable(package="archbuilder")
class CIoU(_BoxLoss):
    """One minus the intersection over union, with penalties of the distance and of the aspect.

    `loss = 1 - IoU + d**2 / c**2 + a * v`, where `d` is the distance of the centers, `c` the
    diagonal of the smallest box around both boxes,
    `v = 4 / pi**2 * (atan(w_true / h_true) - atan(w / h))**2` and `a = v / (1 - IoU + v)`, which
    has no gradient. Boxes of `y_true` whose numbers are all -1 are padding and do not count.

    Source: Zheng et al. 2020, arXiv:1911.08287, equations 7 to 11.

    Args:
        bounding_box_format: Meaning of the four numbers of a box.
        reduction: Type of reduction over the batch, as in all losses of Keras.
        name: Name of the loss.
        dtype: The dtype of the computation.
    """

    def __init__(
        self,
        bounding_box_format: str = "xyxy",
        reduction: str = "sum_over_batch_size",
        name: str = "ciou",
        dtype: str | None = None,
    ) -> None:
        super().__init__(bounding_box_format, reduction, name, dtype)

    def _losses(self, y_true: tuple[Tensor, ...], y_pred: tuple[Tensor, ...]) -> Tensor:
        iou, _ = _iou(y_true, y_pred)
        width, height = _sides_around(y_true, y_pred)
        squared_distance = sum(
            ops.square((y_true[axis] + y_true[axis + 2] - y_pred[axis] - y_pred[axis + 2]) / 2)
            for axis in (0, 1)
        )
        squared_diagonal = ops.square(width) + ops.square(height) + _EPSILON
        angle_true, angle = (
            ops.arctan((right - left) / (lower - upper + _EPSILON))
            for left, upper, right, lower in (y_true, y_pred)
        )
        aspect = 4 / math.pi**2 * ops.square(angle_true - angle)
        weight = ops.stop_gradient(aspect / (1 - iou + aspect + _EPSILON))
        return 1 - iou + squared_distance / squared_diagonal + weight * aspect


@keras.saving.register_keras_serializable(package="archbuilder")
class BoxIoU(ConstructorConfig, keras.metrics.Mean):
    """Mean over the boxes of intersection over union, from 0 to 1 for equal boxes.

    Targets and outputs are boxes `(..., 4)`. Boxes of the targets whose numbers are all -1 are
    padding and do not count.

    Source: Everingham et al. 2010, "The Pascal Visual Object Classes (VOC) Challenge",
    doi:10.1007/s11263-009-0275-4, equation 2.

    Args:
        bounding_box_format: Meaning of the four numbers of a box.
        name: Name of the metric.
        dtype: The dtype of the result.
    """

    _direction = "up"

    def __init__(
        self,
        bounding_box_format: str = "xyxy",
        name: str = "box_iou",
        dtype: str | None = None,
    ) -> None:
        super().__init__(name=name, dtype=dtype)
        self.bounding_box_format = bounding_box_format

    def update_state(
        self, y_true: Tensor, y_pred: Tensor, sample_weight: Tensor | None = None
    ) -> None:
        """Add a batch of boxes."""
        boxes, predicted = (_edges(each, self.bounding_box_format) for each in (y_true, y_pred))
        values, _ = _iou(boxes, predicted)
        weights = ops.cast(is_no_padding(y_true), "float32")
        if sample_weight is not None:
            missing_axes = len(weights.shape) - len(sample_weight.shape)
            shape = (*ops.shape(sample_weight), *[1] * missing_axes)
            weights *= ops.reshape(ops.cast(sample_weight, "float32"), shape)
        super().update_state(values, weights)


def is_no_padding(boxes: Tensor) -> Tensor:
    """Return whether boxes `(..., 4)` are boxes rather than padding, of shape `(...)`."""
    return ops.any(ops.convert_to_tensor(boxes) != PADDING, axis=-1)


def _edges(boxes: Tensor, bounding_box_format: str) -> tuple[Tensor, ...]:
    """Return the left, upper, right and lower edges of boxes.

    Raises:
        ValueError: if the last axis is not that of a box.
    """
    boxes = ops.cast(boxes, "float32")
    if boxes.shape[-1] != 4:
        raise ValueError(f"boxes have four numbers on their last axis, not {[*boxes.shape[1:]]}")
    edges = keras.utils.bounding_boxes.convert_format(boxes, bounding_box_format, "xyxy")
    return tuple(edges[..., index] for index in range(4))


def _iou(first: tuple[Tensor, ...], second: tuple[Tensor, ...]) -> tuple[Tensor, Tensor]:
    """Return the intersection over union of pairs of boxes, and the area of the union."""
    width, height = (
        ops.relu(
            ops.minimum(first[axis + 2], second[axis + 2]) - ops.maximum(first[axis], second[axis])
        )
        for axis in (0, 1)
    )
    intersection = width * height
    areas = [
        ops.relu(right - left) * ops.relu(lower - upper)
        for left, upper, right, lower in (first, second)
    ]
    union = areas[0] + areas[1] - intersection
    return ops.divide_no_nan(intersection, union), union


def _sides_around(first: tuple[Tensor, ...], second: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    """Return the width and the height of the smallest box around pairs of boxes."""
    return tuple(
        ops.maximum(first[axis + 2], second[axis + 2]) - ops.minimum(first[axis], second[axis])
        for axis in (0, 1)
    )
