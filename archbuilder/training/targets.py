"""Fits targets to the outputs of a network and their losses, and finds those that cannot be right.

A wrong label would give a loss of NaN or none at all, so all of them are looked at: before
training or, where they are not held in memory, as they are read.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, cast

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from archbuilder.errors import RunError
from archbuilder.graph import Shape
from archbuilder.recipe.objectives import class_name
from archbuilder.tables import plural
from archbuilder.training.columns import Column, Numbers, Rows, Rule
from archbuilder.tree import Tree

_SPARSE: Final = "Sparse"
"""How the names of Keras's losses begin that take a class by its number."""
_BINARY: Final = "Binary"
"""How the names of those begin that take probabilities."""
_WHOLE: Final = np.dtype(np.int64)
_FLOAT: Final = np.dtype(np.float32)


@dataclass(frozen=True, slots=True, eq=False)
class Target:
    """The values that an output is compared with. `classes` asks for one value a class."""

    column: Column
    dtype: np.dtype[np.generic]
    classes: int | None = None
    single: bool = False
    """Whether the one value of an example gets an axis of its own."""
    remark: str = ""

    def labels(self, rows: tf.Tensor) -> tf.Tensor:
        """The values of some examples as the data has them."""
        return tf.cast(self.column.take(rows), tf.as_dtype(self.dtype))

    def take(self, rows: tf.Tensor) -> tf.Tensor:
        """The targets of some examples."""
        values = self.labels(rows)
        if self.single:
            values = tf.reshape(values, (-1, 1))
        return values if self.classes is None else tf.one_hot(values, self.classes)


@dataclass(frozen=True, slots=True, eq=False)
class ClassWeights:
    """What each example counts, by its class."""

    target: Target
    of_class: NDArray[np.float32]
    """For each class in order."""

    def take(self, rows: tf.Tensor) -> tf.Tensor:
        """The weights of some examples: `(examples,)`."""
        return tf.gather(self.of_class, tf.reshape(self.target.labels(rows), [-1]))


@dataclass(frozen=True, slots=True, eq=False)
class SampleWeights:
    """What each example counts, as the data says."""

    column: Column

    def take(self, rows: tf.Tensor) -> tf.Tensor:
        """The weights of some examples: `(examples,)`."""
        return tf.cast(tf.reshape(self.column.take(rows), [-1]), tf.float32)


@dataclass(frozen=True, slots=True, eq=False)
class Weights:
    """What each example counts: the product of everything that says so."""

    factors: Sequence[ClassWeights | SampleWeights]

    def take(self, rows: tf.Tensor) -> tf.Tensor:
        """The weights of some examples: `(examples,)`."""
        return tf.math.reduce_prod(tf.stack([each.take(rows) for each in self.factors]), axis=0)


def weigh(
    target: Target | None, output: str, weights: Mapping[int, float], shape: Shape
) -> ClassWeights:
    """The weights of the classes of an output of that shape.

    Raises:
        RunError: if its targets are no classes by number, one an example, there is no such class,
            or all of them weigh nothing.
    """
    classes = shape[-1] if shape else None
    if target is None or target.dtype != _WHOLE or math.prod(target.column.shape) != 1:
        classes = None
    if target is None or classes is None:
        raise RunError(f"the output '{output}' is not compared with classes, and has no weights")
    if max(weights, default=0) >= classes:
        raise RunError(
            f"there is a weight for class {max(weights)} of the output '{output}', which has"
            f" {classes} classes (0 to {classes - 1})"
        )
    of_class = np.array([weights.get(number, 1.0) for number in range(classes)], np.float32)
    if not of_class.any():
        raise RunError(f"all classes of the output '{output}' weigh nothing")
    return ClassWeights(target, of_class)


def fit_target(column: Column, output: str, shape: Shape, loss: Tree | None) -> Target:
    """The targets of an output of that shape.

    Classes by number stay numbers for a sparse loss, and become one value a class for the others.

    Raises:
        RunError: if labels in memory are out of range, or the shapes differ.
    """
    have = column.shape
    name = class_name("loss", loss) if loss is not None else ""
    if name.startswith(_SPARSE):
        return Target(column.held_to(_labels(column, output, shape)), _WHOLE)
    single = math.prod(have) == 1 and shape == (1,)
    if single or _same(have, shape):
        values = column.held_to(_of_binary(column, output)) if name.startswith(_BINARY) else column
        return Target(values, _FLOAT, single=single and not _same(have, shape))
    if _same(have, shape[:-1]) and column.dtype.kind in "bui" and shape[-1] is not None:
        labels = column.held_to(_labels(column, output, shape))
        remark = f"{output}: {shape[-1]} classes, one value each"
        return Target(labels, _WHOLE, shape[-1], remark=remark)
    raise RunError(
        f"a target of the output '{output}' has the shape {list(have)},"
        f" but the network gives {list(shape)}"
    )


def _labels(column: Column, output: str, shape: Shape) -> Rule:
    """The rule that labels are the numbers of classes."""
    if not shape or shape[-1] is None:
        raise RunError(f"the output '{output}' has no last axis with one value a class")
    have = () if column.shape == (1,) and len(shape) == 1 else column.shape
    if not _same(have, shape[:-1]):
        raise _misshapen(have, output, shape)
    classes = shape[-1]
    what = f"the labels of the output '{output}'" + (f" in {column.name}" if column.name else "")

    def check(values: Numbers, rows: Rows) -> None:
        labels = cast(NDArray[np.int64], values.reshape(len(values), -1))
        if labels.dtype.kind == "f":
            _check(labels == np.floor(labels), rows, f"{what} are not whole numbers")
        low, high = int(labels.min()), int(labels.max())
        _check(
            (labels >= 0) & (labels < classes),
            rows,
            f"{what} go from {low} to {high}, but the network has"
            f" {plural(classes, 'class', 'classes')} (0 to {classes - 1})",
        )

    return check


def _of_binary(column: Column, output: str) -> Rule:
    """The rule that targets tell how likely something is."""
    what = f"the targets of the output '{output}'" + (f" in {column.name}" if column.name else "")

    def check(values: Numbers, rows: Rows) -> None:
        shares = cast(NDArray[np.float64], values.reshape(len(values), -1))
        low, high = shares.min(), shares.max()
        within = (shares >= 0) & (shares <= 1)
        _check(within, rows, f"{what} go from {low:g} to {high:g}, and a binary loss has 0 to 1")

    return check


def _misshapen(have: tuple[int, ...], output: str, shape: Shape) -> RunError:
    """What is wrong with labels that are not one number for every position but the last."""
    front = f"the labels of the output '{output}' have the shape {list(have)} an example"
    if _same(have, shape):
        return RunError(
            f"{front}, as the network gives {list(shape)}: one value a class; use"
            " CategoricalCrossentropy, or give the number of the class"
        )
    return RunError(
        f"{front}, but the network gives {list(shape)}: one label for every position but the last"
    )


def _check(right: NDArray[np.bool_], rows: Rows, message: str) -> None:
    whole = right.all(axis=1)
    if not whole.all():
        raise RunError(
            f"{message}; the first wrong one is that of example {rows[whole.argmin()] + 1}"
        )


def _same(have: tuple[int, ...], wanted: Shape) -> bool:
    return len(have) == len(wanted) and all(
        size in (each, None) for each, size in zip(have, wanted, strict=True)
    )
