"""Weighs examples, or positions of them, in the loss: by class, and as the data says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from archbuilder.compiler.ir import Shape
from archbuilder.config.objectives import keras_class_name
from archbuilder.data.columns import Column
from archbuilder.data.targets import Target
from archbuilder.diagnostics.errors import RunError, closest_match, quote
from archbuilder.yaml.nodes import Tree
from archbuilder.yaml.scalars import is_ascii_digits

_NUM_BINARY_CLASSES = 2
_MAX_DIGITS = 9
"""The digits of the largest number of a class."""
_PER_EXAMPLE_LOSSES = ("CTC", "Dice", "Tversky")
"""Losses with one value an example, however many positions it has."""


@dataclass(frozen=True, slots=True, eq=False)
class ClassWeights:
    """Weigh each label, pixel or step by its class."""

    target: Target
    per_class: NDArray[np.float32]
    """For each class in order."""
    is_categorical: bool = False
    """Whether targets are shares of classes along their last axis, not numbers of classes."""

    def gather(self, rows: tf.Tensor) -> tf.Tensor:
        """Return the weights of some examples: `(examples, ...)`, one for each label."""
        if self.is_categorical:
            return tf.tensordot(self.target.gather(rows), self.per_class, 1)
        labels = self.target.labels(rows)
        if labels.dtype.is_floating:
            # Targets of a binary loss, which may lie between both classes.
            first, second = self.per_class
            return first + (second - first) * tf.cast(labels, tf.float32)
        # Labels that the loss ignores are the numbers of no class.
        is_class = tf.logical_and(labels >= 0, labels < len(self.per_class))
        weights = tf.gather(self.per_class, tf.where(is_class, labels, tf.zeros_like(labels)))
        return tf.where(is_class, weights, tf.ones_like(weights))


@dataclass(frozen=True, slots=True, eq=False)
class SampleWeights:
    """Weigh examples or positions as the data says."""

    column: Column

    def gather(self, rows: tf.Tensor) -> tf.Tensor:
        """Return the weights of some examples: `(examples, ...)`."""
        return tf.cast(self.column.gather(rows), tf.float32)


@dataclass(frozen=True, slots=True, eq=False)
class CombinedWeights:
    """Multiply everything that weighs the examples of an output.

    `positions` is the number of axes that the loss of an example has at most.
    """

    factors: Sequence[ClassWeights | SampleWeights]
    position_axes: int

    def gather(self, rows: tf.Tensor) -> tf.Tensor:
        """Return the weights of some examples: `(examples, ...)`."""
        product = tf.ones(tf.shape(rows))
        for factor in (each.gather(rows) for each in self.factors):
            rank = max(product.shape.rank, factor.shape.rank)
            product = append_axes(product, rank) * append_axes(factor, rank)
        # Weights of examples have an axis of their own for the positions, and no more.
        while product.shape.rank > self.position_axes + 1 and product.shape[-1] == 1:
            product = tf.squeeze(product, -1)
        return product

    def without_class_weights(self) -> CombinedWeights | None:
        """Return what weighs a validation set, which class weights do not; None for nothing."""
        factors = [each for each in self.factors if not isinstance(each, ClassWeights)]
        return replace(self, factors=factors) if factors else None


def weight_axes(shape: Shape, loss: Tree | None) -> Shape:
    """Return the axes of the positions of an output whose losses can have weights."""
    loss_name = keras_class_name("loss", loss)
    return () if loss_name in _PER_EXAMPLE_LOSSES else shape[:-1]


def make_sample_weights(column: Column, output: str, positions: Shape) -> SampleWeights:
    """Return the sample weights of an output with these axes of positions.

    Raises:
        RunError: if there is neither one for each example nor one for each position.
    """
    weight_shape = column.shape
    while weight_shape and weight_shape[-1] == 1 and len(weight_shape) > len(positions):
        weight_shape = weight_shape[:-1]
    fits = len(weight_shape) <= len(positions) and all(
        size in (each, None) for each, size in zip(weight_shape, positions, strict=False)
    )
    if not fits and weight_shape != (1,):
        alternative = f", or the shape {list(positions)} for each position" if positions else ""
        raise RunError(
            f"the weights of the output '{output}' have the shape {list(column.shape)} an example:"
            f" expected one number{alternative}"
        )
    return SampleWeights(column)


def make_class_weights(
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
    target_classes = _target_classes(target, shape, keras_class_name("loss", loss))
    if weight_axes(shape, loss) != shape[:-1]:
        target_classes = None
    if target is None or target_classes is None:
        raise RunError(
            f"the output '{output}' is not compared with classes, and cannot have class weights:"
            " 'weights' of the data can weigh its examples"
        )
    num_classes, is_categorical = target_classes
    per_class = np.ones(num_classes, np.float32)
    for key, weight in weights.items():
        per_class[_class_index(key, output, num_classes, names)] = weight
    if not per_class.any():
        raise RunError(f"all classes of the output '{output}' weigh nothing")
    return ClassWeights(target, per_class, is_categorical)


def _target_classes(target: Target | None, shape: Shape, loss: str) -> tuple[int, bool] | None:
    """Return the number of classes, and whether targets are their shares; None without classes."""
    num_classes = shape[-1] if shape else None
    if target is None or num_classes is None:
        return None
    if loss.startswith("Binary") and target.num_classes is None:
        return _NUM_BINARY_CLASSES, False
    if target.dtype.kind == "i":
        return num_classes, False
    # Targets that came as one value a class.
    if loss.startswith("Categorical") and not target.add_axis:
        return num_classes, True
    return None


def _class_index(key: str, output: str, num_classes: int, names: Sequence[str]) -> int:
    if key in names:
        return names.index(key)
    if not is_ascii_digits(key):
        suggestion = closest_match(key, names)
        class_text = (
            f"the classes {', '.join(map(quote, names[:8]))}" if names else "classes by number"
        )
        raise RunError(
            f"there is a weight for class {quote(key)} of the output '{output}', which has"
            f" {class_text}" + (f"; did you mean {quote(suggestion)}?" if suggestion else "")
        )
    if len(key) > _MAX_DIGITS or int(key) >= num_classes:
        raise RunError(
            f"there is a weight for class {quote(key)} of the output '{output}', which has"
            f" {num_classes} classes (0 to {num_classes - 1})"
        )
    return int(key)


def append_axes(factor: tf.Tensor, rank: int) -> tf.Tensor:
    """Return a tensor with axes of length 1 at its end, until it has as many axes as `rank`."""
    for _ in range(rank - factor.shape.rank):
        factor = factor[..., tf.newaxis]
    return factor
