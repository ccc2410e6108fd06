"""Weighs examples, or positions of them, in the loss: by class, and as the data says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from archbuilder.errors import RunError, nearest, shown
from archbuilder.graph import Shape
from archbuilder.recipe.objectives import class_name
from archbuilder.scalars import is_whole_number
from archbuilder.training.columns import Column
from archbuilder.training.reduction import with_axes
from archbuilder.training.targets import Target
from archbuilder.tree import Tree

_BINARY = 2
_DIGITS = 9
"""The digits of the largest number of a class."""
_OF_EXAMPLES = ("CTC", "Dice", "Tversky")
"""Losses with one value an example, however many positions it has."""


@dataclass(frozen=True, slots=True, eq=False)
class ClassWeights:
    """Weigh each label, pixel or step by its class."""

    target: Target
    of_class: NDArray[np.float32]
    """For each class in order."""
    by_share: bool = False
    """Whether targets are shares of classes along their last axis, not numbers of classes."""

    def take(self, rows: tf.Tensor) -> tf.Tensor:
        """Return the weights of some examples: `(examples, ...)`, one for each label."""
        if self.by_share:
            return tf.tensordot(self.target.take(rows), self.of_class, 1)
        labels = self.target.labels(rows)
        if labels.dtype.is_floating:
            # Targets of a binary loss, which may lie between both classes.
            first, second = self.of_class
            return first + (second - first) * tf.cast(labels, tf.float32)
        # Labels that the loss ignores are the numbers of no class.
        known = tf.logical_and(labels >= 0, labels < len(self.of_class))
        weights = tf.gather(self.of_class, tf.where(known, labels, tf.zeros_like(labels)))
        return tf.where(known, weights, tf.ones_like(weights))


@dataclass(frozen=True, slots=True, eq=False)
class SampleWeights:
    """Weigh examples or positions as the data says."""

    column: Column

    def take(self, rows: tf.Tensor) -> tf.Tensor:
        """Return the weights of some examples: `(examples, ...)`."""
        return tf.cast(self.column.take(rows), tf.float32)


@dataclass(frozen=True, slots=True, eq=False)
class Weights:
    """Multiply everything that weighs the examples of an output.

    `positions` is the number of axes that the loss of an example has at most.
    """

    factors: Sequence[ClassWeights | SampleWeights]
    positions: int

    def take(self, rows: tf.Tensor) -> tf.Tensor:
        """Return the weights of some examples: `(examples, ...)`."""
        product = tf.ones(tf.shape(rows))
        for factor in (each.take(rows) for each in self.factors):
            rank = max(product.shape.rank, factor.shape.rank)
            product = with_axes(product, rank) * with_axes(factor, rank)
        # Weights of examples have an axis of their own for the positions, and no more.
        while product.shape.rank > self.positions + 1 and product.shape[-1] == 1:
            product = tf.squeeze(product, -1)
        return product

    def without_classes(self) -> Weights | None:
        """Return what weighs a validation set, which class weights do not; None for nothing."""
        factors = [each for each in self.factors if not isinstance(each, ClassWeights)]
        return replace(self, factors=factors) if factors else None


def weighed_axes(shape: Shape, loss: Tree | None) -> Shape:
    """Return the axes of the positions of an output whose losses can have weights."""
    name = class_name("loss", loss)
    return () if name in _OF_EXAMPLES else shape[:-1]


def weigh_samples(column: Column, output: str, positions: Shape) -> SampleWeights:
    """Return the sample weights of an output with these axes of positions.

    Raises:
        RunError: if there is neither one for each example nor one for each position.
    """
    have = column.shape
    while have and have[-1] == 1 and len(have) > len(positions):
        have = have[:-1]
    fits = len(have) <= len(positions) and all(
        size in (each, None) for each, size in zip(have, positions, strict=False)
    )
    if not fits and have != (1,):
        wanted = f", or the shape {list(positions)} for each position" if positions else ""
        raise RunError(
            f"the weights of the output '{output}' have the shape {list(column.shape)} an example:"
            f" expected one number{wanted}"
        )
    return SampleWeights(column)


def weigh_classes(
    target: Target | None,
    output: str,
    weights: Mapping[str, float],
    shape: Shape,
    loss: Tree | None,
    names: Sequence[str] = (),
) -> ClassWeights:
    """Return the class weights of an output of that shape. Classes have numbers, or `names`.

    Raises:
        RunError: if the output is not compared with classes, there is no such class, or all of
            them weigh nothing.
    """
    kind = _kind(target, shape, class_name("loss", loss))
    if weighed_axes(shape, loss) != shape[:-1]:
        kind = None
    if target is None or kind is None:
        raise RunError(
            f"the output '{output}' is not compared with classes, and cannot have class weights:"
            " 'weights' of the data can weigh its examples"
        )
    classes, by_share = kind
    of_class = np.ones(classes, np.float32)
    for key, weight in weights.items():
        of_class[_number(key, output, classes, names)] = weight
    if not of_class.any():
        raise RunError(f"all classes of the output '{output}' weigh nothing")
    return ClassWeights(target, of_class, by_share)


def _kind(target: Target | None, shape: Shape, loss: str) -> tuple[int, bool] | None:
    """Return the number of classes, and whether targets are their shares; None without classes."""
    classes = shape[-1] if shape else None
    if target is None or classes is None:
        return None
    if loss.startswith("Binary") and target.classes is None:
        return _BINARY, False
    if target.dtype.kind == "i":
        return classes, False
    # Targets that came as one value a class.
    if loss.startswith("Categorical") and not target.single:
        return classes, True
    return None


def _number(key: str, output: str, classes: int, names: Sequence[str]) -> int:
    if key in names:
        return names.index(key)
    if not is_whole_number(key):
        near = nearest(key, names)
        known = f"the classes {', '.join(map(shown, names[:8]))}" if names else "classes by number"
        raise RunError(
            f"there is a weight for class {shown(key)} of the output '{output}', which has {known}"
            + (f"; did you mean {shown(near)}?" if near else "")
        )
    if len(key) > _DIGITS or int(key) >= classes:
        raise RunError(
            f"there is a weight for class {shown(key)} of the output '{output}', which has"
            f" {classes} classes (0 to {classes - 1})"
        )
    return int(key)
