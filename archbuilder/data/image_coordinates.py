"""Points and boxes in images, which move with the pixels when images are augmented.

Keras 3.15.1 has the boxes of its own layers: RandomCrop takes the vertical offset from horizontal
edges, and RandomRotation reads every format as `xyxy`. Here points follow the transformations of
the pixels, and a box becomes the smallest one around its moved corners.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from typing import Final, TypeAlias

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from archbuilder.config.sources import CoordinateKind
from archbuilder.formatting import plural

PointMotion: TypeAlias = Callable[[tf.Tensor], tf.Tensor]
"""Returns where points `(examples, points, 2)` are after an augmentation."""
PADDING: Final = -1
"""All numbers of a box or point that fills up a list, and its class."""
_RELATIVE: Final = "rel_"
_MEANINGS: Final = {
    "xyxy": "its left, upper, right and lower edge",
    "yxyx": "its upper, left, lower and right edge",
    "xywh": "its left and upper edge, its width and its height",
    "center_xywh": "the center from the left and from above, its width and its height",
    "center_yxhw": "the center from above and from the left, its height and its width",
}
"""What the numbers of a box are in the formats of Keras."""


@dataclass(frozen=True, slots=True)
class Coordinates:
    """What the numbers of an input or of a target are in an image."""

    image: str
    """The input with the image, in parts of whose width and height they are."""
    kind: CoordinateKind | None
    """Points, or the format of boxes; None if the recipe does not say it."""
    length: int | None = None
    """The number of boxes or points that lists are padded to; None for a fixed number."""
    labels: tuple[str, ...] = ()
    """The outputs whose targets have a class for each of the boxes or points."""

    @property
    def is_relative(self) -> bool:
        """Whether they are parts of width and height in the file already."""
        return self._name != (self.kind or "")

    @property
    def has_boxes(self) -> bool:
        """Whether they are boxes, of four numbers each."""
        return self._name not in ("", "points")

    @property
    def begins_vertically(self) -> bool:
        """Whether the first of two numbers is the vertical one."""
        return self._name in ("yxyx", "center_yxhw")

    @property
    def _name(self) -> str:
        return (self.kind or "").removeprefix(_RELATIVE)

    @property
    def num_values(self) -> int:
        """How many numbers a box or a point has."""
        return 4 if self.has_boxes else 2

    @property
    def noun(self) -> str:
        """What messages call one of them."""
        return "box" if self.has_boxes else "point"

    @property
    def meaning(self) -> str:
        """What the four numbers of a box are."""
        return _MEANINGS[self._name]

    def edges(self, numbers: NDArray[np.float64]) -> tuple[NDArray[np.float64], ...]:
        """Return the first and the last edges `(..., 2)` of boxes `(..., 4)`; points are both."""
        if not self.has_boxes:
            return numbers, numbers
        first, last = numbers[..., :2], numbers[..., 2:]
        if self._name in ("xyxy", "yxyx"):
            return first, last
        if self._name != "xywh":
            first = first - last / 2
        return first, first + last

    def count_text(self, count: int) -> str:
        """Return a count of them for messages."""
        return plural(count, self.noun, "boxes" if self.has_boxes else "")

    def select_labels(self, outputs: Collection[str]) -> Coordinates:
        """Return these coordinates with the labels that are targets of some outputs."""
        return replace(self, labels=tuple(each for each in self.labels if each in outputs))

    def move(self, values: tf.Tensor, motion: PointMotion) -> tf.Tensor:
        """Return numbers `(examples, ...)` after the motion of the points of their images.

        Points may leave the image. Boxes end at its border; those of a list that have left it
        become padding.
        """
        numbers = tf.cast(values, tf.float32)
        shape, num_examples = tf.shape(numbers), tf.shape(numbers)[0]
        if self._name == "points":
            moved = motion(tf.reshape(numbers, (num_examples, -1, 2)))
        else:
            boxes = tf.reshape(numbers, (num_examples, -1, 4))
            edges = _move_boxes(_convert(boxes, self._name, "xyxy"), motion)
            moved = _convert(edges, "xyxy", self._name)
            if self.length is not None:
                is_visible = tf.reduce_all(edges[..., 2:] > edges[..., :2], axis=-1, keepdims=True)
                moved = tf.where(is_visible, moved, float(PADDING))
        if self.length is not None:
            is_value = is_no_padding(tf.reshape(numbers, tf.shape(moved)))
            moved = tf.where(is_value[..., tf.newaxis], moved, float(PADDING))
        return tf.ensure_shape(tf.cast(tf.reshape(moved, shape), values.dtype), values.shape)


def is_no_padding(values: tf.Tensor) -> tf.Tensor:
    """Return whether boxes or points `(..., numbers)` are no padding, of shape `(...)`."""
    return tf.reduce_any(values != tf.constant(PADDING, values.dtype), axis=-1)


def _convert(boxes: tf.Tensor, source: str, target: str) -> tf.Tensor:
    return keras.utils.bounding_boxes.convert_format(boxes, source, target)


def _move_boxes(boxes: tf.Tensor, motion: PointMotion) -> tf.Tensor:
    """Return the smallest boxes around the moved corners of boxes, within the image."""
    corners = tf.concat(
        [tf.gather(boxes, axes, axis=-1) for axes in ([0, 1], [2, 1], [0, 3], [2, 3])], axis=1
    )
    # The same corner of all boxes stands together.
    moved = tf.reshape(motion(corners), (tf.shape(boxes)[0], 4, -1, 2))
    edges = tf.concat([tf.reduce_min(moved, axis=1), tf.reduce_max(moved, axis=1)], axis=-1)
    return tf.clip_by_value(edges, 0.0, 1.0)
