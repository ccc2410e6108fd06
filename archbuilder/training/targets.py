"""Fits targets to the outputs of a network and their losses, and finds those that cannot be right.

A wrong label would give a loss of NaN or none at all, so all of them are looked at: before
training or, where they are not held in memory, as they are read.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, cast

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from archbuilder.backend.objects import build_object
from archbuilder.errors import RunError
from archbuilder.graph import Shape
from archbuilder.recipe.objectives import class_name
from archbuilder.tables import plural
from archbuilder.training.columns import Column, Numbers, Rows, Rule
from archbuilder.tree import Tree

_SPARSE: Final = "Sparse"
"""How the names of Keras's losses begin that take a class by its number."""
_SEQUENCES: Final = "CTC"
"""The loss of sequences of labels, which are shorter than the output."""
_VOID: Final = 255
"""The label of what is not labelled, in many data sets of images."""
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
    """Whether the value of an example, or of a position, gets an axis of its own."""
    remark: str = ""

    def labels(self, rows: tf.Tensor) -> tf.Tensor:
        """The values of some examples as the data has them."""
        return tf.cast(self.column.take(rows), tf.as_dtype(self.dtype))

    def take(self, rows: tf.Tensor) -> tf.Tensor:
        """The targets of some examples."""
        values = self.labels(rows)
        if self.single:
            values = values[..., tf.newaxis]
        return values if self.classes is None else tf.one_hot(values, self.classes)


def fit_target(
    column: Column,
    output: str,
    shape: Shape,
    loss: Tree | None,
    metrics: Sequence[Tree] = (),
) -> Target:
    """The targets of an output of that shape.

    Classes by number stay numbers for a sparse loss, and become one value a class for the others.
    Without a loss the metrics decide. Where a network gives one value an example or a position, its
    axis may be left out.

    Raises:
        RunError: if labels in memory are out of range, or the shapes differ.
    """
    have = column.shape
    name = class_name("loss", loss)
    if name == _SEQUENCES:
        return Target(column.held_to(_of_sequences(column, output, shape)), _WHOLE)
    kinds = [class_name("metric", each) for each in metrics] if loss is None else [name]
    if any(each.startswith(_SPARSE) for each in kinds):
        rule = _labels(column, output, shape, ignored_class(loss))
        return Target(column.held_to(rule), _WHOLE)
    single = shape[-1:] == (1,) and _same(have, shape[:-1])
    if single or _same(have, shape):
        values = column.held_to(_of_binary(column, output)) if name.startswith(_BINARY) else column
        added = single and have
        remark = f"{output}: the shape {list(have)} becomes {[*have, 1]}" if added else ""
        return Target(values, _FLOAT, single=single, remark=remark)
    if _same(have, shape[:-1]) and column.dtype.kind in "bui" and shape[-1] is not None:
        labels = column.held_to(_labels(column, output, shape))
        remark = f"{output}: {shape[-1]} classes, one value each"
        return Target(labels, _WHOLE, shape[-1], remark=remark)
    raise RunError(
        f"a target of the output '{output}' has the shape {list(have)},"
        f" but the network gives {list(shape)}"
    )


def ignored_class(loss: Tree | None) -> int | None:
    """Return the class that a loss ignores, which may lie outside of those of the network."""
    if loss is None:
        return None
    ignored: int | None = getattr(build_object("loss", loss), "ignore_class", None)
    return ignored


def _labels(column: Column, output: str, shape: Shape, ignored: int | None = None) -> Rule:
    """The rule that labels are the numbers of classes, or that of the class to ignore."""
    if not shape or shape[-1] is None:
        raise RunError(f"the output '{output}' has no last axis with one value a class")
    have = column.shape
    if have[-1:] == (1,) and len(have) == len(shape):
        have = have[:-1]
    if not _same(have, shape[:-1]):
        raise _misshapen(column.shape, output, shape)
    classes = shape[-1]
    what = f"the labels of the output '{output}'" + (f" in {column.name}" if column.name else "")
    besides = f", and {ignored} to ignore" if ignored is not None else ""

    def check(values: Numbers, rows: Rows) -> None:
        labels = cast(NDArray[np.int64], values.reshape(len(values), -1))
        if labels.dtype.kind == "f":
            _check(labels == np.floor(labels), rows, f"{what} are not whole numbers")
        right = (labels >= 0) & (labels < classes)
        if ignored is not None:
            right |= labels == ignored
        if not right.all():
            low, high = int(labels.min()), int(labels.max())
            _check(
                right,
                rows,
                f"{what} go from {low} to {high}, but the network has"
                f" {plural(classes, 'class', 'classes')} (0 to {classes - 1}{besides})"
                + _hint(classes, low, high, ignored),
            )

    return check


def _hint(classes: int, low: int, high: int, ignored: int | None) -> str:
    """What may mend labels that are out of range."""
    if classes == 1 and low >= 0 and high == 1:
        return ": end in 2 units, or in a sigmoid with the loss BinaryCrossentropy"
    if ignored is None and (low == -1 or high == _VOID):
        return f": write 'ignore_class: {-1 if low == -1 else _VOID}' of the loss to leave them out"
    return ""


def _of_sequences(column: Column, output: str, shape: Shape) -> Rule:
    """The rule of CTC: labels from 1 with zeros behind them, no more than there are time steps."""
    if len(shape) != 2 or len(column.shape) != 1:
        raise RunError(
            f"the loss CTC compares labels [length] with an output [time, classes]: the labels of"
            f" the output '{output}' have the shape {list(column.shape)} an example, and the"
            f" network gives {list(shape)}"
        )
    steps, classes = shape
    (length,) = column.shape
    what = f"the labels of the output '{output}'" + (f" in {column.name}" if column.name else "")

    def check(values: Numbers, rows: Rows) -> None:
        labels = cast(NDArray[np.int64], values)
        if labels.dtype.kind == "f":
            _check(labels == np.floor(labels), rows, f"{what} are not whole numbers")
        if classes is not None:
            _check(
                (labels >= 0) & (labels < classes),
                rows,
                f"{what} go from {int(labels.min())} to {int(labels.max())}, but the network has"
                f" {classes} classes: the blank 0, and labels from 1 to {classes - 1}",
            )
        behind = (labels[:, :-1] != 0) | (labels[:, 1:] == 0)
        _check(behind, rows, f"{what} have a 0 in front of others: 0 fills what is left at the end")
        if steps is not None:
            # Equal labels in a row have a blank between them.
            repeated = (labels[:, 1:] == labels[:, :-1]) & (labels[:, 1:] != 0)
            needed = (labels != 0).sum(axis=1) + repeated.sum(axis=1)
            _check(
                (needed <= steps)[:, np.newaxis],
                rows,
                f"{what} need up to {int(needed.max())} time steps, and the network gives {steps}",
            )

    # An empty list has no label to learn.
    if length == 0:
        raise RunError(f"{what} have no values")
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
