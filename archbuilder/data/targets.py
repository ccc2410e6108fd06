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

from archbuilder.compiler.ir import Shape
from archbuilder.config.objectives import keras_class_name
from archbuilder.data.columns import Array, Column, RowIndices, ValueCheck
from archbuilder.diagnostics.errors import RunError
from archbuilder.formatting import plural
from archbuilder.keras_backend.instantiate import build_object
from archbuilder.yaml.nodes import Tree

_SPARSE_PREFIX: Final = "Sparse"
"""How the names of Keras's losses begin that take a class by its number."""
_CTC_LOSS: Final = "CTC"
"""The loss of sequences of labels, which are shorter than the output."""
_VOID_LABEL: Final = 255
"""The label of what is not labelled, in many data sets of images."""
_BINARY_PREFIX: Final = "Binary"
"""How the names of those begin that take probabilities."""
_INT64: Final = np.dtype(np.int64)
_FLOAT32: Final = np.dtype(np.float32)


@dataclass(frozen=True, slots=True, eq=False)
class Target:
    """The values that an output is compared with. `classes` asks for one value a class."""

    column: Column
    dtype: np.dtype[np.generic]
    num_classes: int | None = None
    add_axis: bool = False
    """Whether the value of an example, or of a position, gets an axis of its own."""
    note: str = ""

    def labels(self, rows: tf.Tensor) -> tf.Tensor:
        """The values of some examples as the data has them."""
        return tf.cast(self.column.gather(rows), tf.as_dtype(self.dtype))

    def gather(self, rows: tf.Tensor) -> tf.Tensor:
        """The targets of some examples."""
        values = self.labels(rows)
        if self.add_axis:
            values = values[..., tf.newaxis]
        return values if self.num_classes is None else tf.one_hot(values, self.num_classes)


def adapt_target(
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
    target_shape = column.shape
    loss_name = keras_class_name("loss", loss)
    if loss_name == _CTC_LOSS:
        return Target(column.with_check(_make_ctc_check(column, output, shape)), _INT64)
    kinds = [keras_class_name("metric", each) for each in metrics] if loss is None else [loss_name]
    if any(each.startswith(_SPARSE_PREFIX) for each in kinds):
        check = _make_label_check(column, output, shape, ignored_class(loss))
        return Target(column.with_check(check), _INT64)
    add_axis = shape[-1:] == (1,) and _shape_fits(target_shape, shape[:-1])
    if add_axis or _shape_fits(target_shape, shape):
        values = (
            column.with_check(_make_probability_check(column, output))
            if loss_name.startswith(_BINARY_PREFIX)
            else column
        )
        axis_added = add_axis and target_shape
        note = (
            f"{output}: the shape {list(target_shape)} becomes {[*target_shape, 1]}"
            if axis_added
            else ""
        )
        return Target(values, _FLOAT32, add_axis=add_axis, note=note)
    if (
        _shape_fits(target_shape, shape[:-1])
        and column.dtype.kind in "bui"
        and shape[-1] is not None
    ):
        labels = column.with_check(_make_label_check(column, output, shape))
        note = f"{output}: {shape[-1]} classes, one value each"
        return Target(labels, _INT64, shape[-1], note=note)
    raise RunError(
        f"a target of the output '{output}' has the shape {list(target_shape)},"
        f" but the network gives {list(shape)}"
    )


def ignored_class(loss: Tree | None) -> int | None:
    """Return the class that a loss ignores, which may lie outside of those of the network."""
    if loss is None:
        return None
    ignored: int | None = getattr(build_object("loss", loss), "ignore_class", None)
    return ignored


def _make_label_check(
    column: Column, output: str, shape: Shape, ignored: int | None = None
) -> ValueCheck:
    """The rule that labels are the numbers of classes, or that of the class to ignore."""
    if not shape or shape[-1] is None:
        raise RunError(f"the output '{output}' has no last axis with one value a class")
    label_shape = column.shape
    if label_shape[-1:] == (1,) and len(label_shape) == len(shape):
        label_shape = label_shape[:-1]
    if not _shape_fits(label_shape, shape[:-1]):
        raise _label_shape_error(column.shape, output, shape)
    num_classes = shape[-1]
    description = f"the labels of the output '{output}'" + (
        f" in {column.name}" if column.name else ""
    )
    ignored_text = f", and {ignored} to ignore" if ignored is not None else ""

    def check(values: Array, rows: RowIndices) -> None:
        labels = cast(NDArray[np.int64], values.reshape(len(values), -1))
        if labels.dtype.kind == "f":
            _check_all_valid(
                labels == np.floor(labels), rows, f"{description} are not whole numbers"
            )
        valid = (labels >= 0) & (labels < num_classes)
        if ignored is not None:
            valid |= labels == ignored
        if not valid.all():
            low, high = int(labels.min()), int(labels.max())
            _check_all_valid(
                valid,
                rows,
                f"{description} go from {low} to {high}, but the network has"
                f" {plural(num_classes, 'class', 'classes')} (0 to {num_classes - 1}{ignored_text})"
                + _range_hint(num_classes, low, high, ignored),
            )

    return check


def _range_hint(num_classes: int, low: int, high: int, ignored: int | None) -> str:
    """What may mend labels that are out of range."""
    if num_classes == 1 and low >= 0 and high == 1:
        return ": end in 2 units, or in a sigmoid with the loss BinaryCrossentropy"
    if ignored is None and (low == -1 or high == _VOID_LABEL):
        return (
            f": write 'ignore_class: {-1 if low == -1 else _VOID_LABEL}' of the loss to"
            " leave them out"
        )
    return ""


def _make_ctc_check(column: Column, output: str, shape: Shape) -> ValueCheck:
    """The rule of CTC: labels from 1 with zeros behind them, no more than there are time steps."""
    if len(shape) != 2 or len(column.shape) != 1:
        raise RunError(
            f"the loss CTC compares labels [length] with an output [time, classes]: the labels of"
            f" the output '{output}' have the shape {list(column.shape)} an example, and the"
            f" network gives {list(shape)}"
        )
    steps, num_classes = shape
    (length,) = column.shape
    description = f"the labels of the output '{output}'" + (
        f" in {column.name}" if column.name else ""
    )

    def check(values: Array, rows: RowIndices) -> None:
        labels = cast(NDArray[np.int64], values)
        if labels.dtype.kind == "f":
            _check_all_valid(
                labels == np.floor(labels), rows, f"{description} are not whole numbers"
            )
        if num_classes is not None:
            _check_all_valid(
                (labels >= 0) & (labels < num_classes),
                rows,
                f"{description} go from {int(labels.min())} to {int(labels.max())}, but the"
                " network has"
                f" {num_classes} classes: the blank 0, and labels from 1 to {num_classes - 1}",
            )
        zeros_at_end = (labels[:, :-1] != 0) | (labels[:, 1:] == 0)
        _check_all_valid(
            zeros_at_end,
            rows,
            f"{description} have a 0 in front of others: 0 fills what is left at the end",
        )
        if steps is not None:
            # Equal labels in a row have a blank between them.
            repeated = (labels[:, 1:] == labels[:, :-1]) & (labels[:, 1:] != 0)
            needed_steps = (labels != 0).sum(axis=1) + repeated.sum(axis=1)
            _check_all_valid(
                (needed_steps <= steps)[:, np.newaxis],
                rows,
                f"{description} need up to {int(needed_steps.max())} time steps, and the network"
                f" gives {steps}",
            )

    # An empty list has no label to learn.
    if length == 0:
        raise RunError(f"{description} have no values")
    return check


def _make_probability_check(column: Column, output: str) -> ValueCheck:
    """The rule that targets tell how likely something is."""
    description = f"the targets of the output '{output}'" + (
        f" in {column.name}" if column.name else ""
    )

    def check(values: Array, rows: RowIndices) -> None:
        probabilities = cast(NDArray[np.float64], values.reshape(len(values), -1))
        low, high = probabilities.min(), probabilities.max()
        in_range = (probabilities >= 0) & (probabilities <= 1)
        _check_all_valid(
            in_range,
            rows,
            f"{description} go from {low:g} to {high:g}, and a binary loss has 0 to 1",
        )

    return check


def _label_shape_error(label_shape: tuple[int, ...], output: str, shape: Shape) -> RunError:
    """What is wrong with labels that are not one number for every position but the last."""
    prefix = f"the labels of the output '{output}' have the shape {list(label_shape)} an example"
    if _shape_fits(label_shape, shape):
        return RunError(
            f"{prefix}, as the network gives {list(shape)}: one value a class; use"
            " CategoricalCrossentropy, or give the number of the class"
        )
    return RunError(
        f"{prefix}, but the network gives {list(shape)}: one label for every position but the last"
    )


def _check_all_valid(valid: NDArray[np.bool_], rows: RowIndices, message: str) -> None:
    valid_examples = valid.all(axis=1)
    if not valid_examples.all():
        raise RunError(
            f"{message}; the first wrong one is that of example {rows[valid_examples.argmin()] + 1}"
        )


def _shape_fits(actual: tuple[int, ...], expected: Shape) -> bool:
    return len(actual) == len(expected) and all(
        size in (each, None) for each, size in zip(actual, expected, strict=True)
    )
