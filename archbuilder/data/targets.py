"""Adapt targets to the outputs and losses of a network, and check their values.

A label out of range would give a loss of NaN, or an error without a location. All labels are
therefore checked: before training if they are in memory, otherwise when they are read.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, cast

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from archbuilder.compiler.ir import Shape
from archbuilder.compiler.keras_object import KerasObject
from archbuilder.config.loss_traits import traits_of
from archbuilder.config.metric_checks import takes_class_indices
from archbuilder.config.sources import ImageConfig
from archbuilder.data.columns import (
    Array,
    Column,
    RowIndices,
    ValueCheck,
    map_column,
)
from archbuilder.data.lists import LIST_PADDING
from archbuilder.diagnostics.errors import RunError
from archbuilder.formatting import plural
from archbuilder.keras_backend.instantiate import build_object

_VOID_LABEL: Final = 255
"""The label of unlabeled pixels in many datasets, such as Pascal VOC."""
_INT64: Final = np.dtype(np.int64)
_FLOAT32: Final = np.dtype(np.float32)


@dataclass(frozen=True, slots=True, eq=False)
class Target:
    """The values that an output is compared with."""

    column: Column
    dtype: np.dtype[np.generic]
    num_classes: int | None = None
    """The depth of the one-hot encoding; None for values that are used as they are."""
    add_axis: bool = False
    """Whether an axis of length 1 is appended."""
    note: str = ""
    """The change to the values, for the user; empty if there is none."""

    def labels(self, rows: tf.Tensor) -> tf.Tensor:
        """Return the values of some examples, without one-hot encoding or an added axis."""
        return tf.cast(self.column.gather(rows), tf.as_dtype(self.dtype))

    def gather(self, rows: tf.Tensor) -> tf.Tensor:
        """Return the targets of some examples in the shape of the output."""
        values = self.labels(rows)
        if self.add_axis:
            values = values[..., tf.newaxis]
        return values if self.num_classes is None else tf.one_hot(values, self.num_classes)


def adapt_target(
    column: Column,
    output: str,
    shape: Shape,
    loss: KerasObject | None,
    metrics: Sequence[KerasObject] = (),
    *,
    is_list: bool = False,
) -> Target:
    """Return the targets of an output of this shape.

    Class indices stay as they are if the loss takes them, and are one-hot encoded for other losses.
    Without a loss, the metrics decide. If the last axis of the output has the length 1, targets may
    lack it.

    `is_list` tells lists of numbers, which are filled up with `LIST_PADDING`.

    Raises:
        RunError: if labels in memory are out of range, or the shapes differ.
    """
    target_shape = column.shape
    target_format = traits_of(loss).targets
    if is_list and target_format not in ("values", "probabilities"):
        raise RunError(
            f"the target of the output '{output}' is lists of numbers, and its loss"
            f" '{loss.class_name if loss else ''}' takes classes: add 'vocabulary: true' to its"
            " feature"
        )
    if target_format == "label_sequence":
        return Target(column.with_check(_make_ctc_check(column, output, shape)), _INT64)
    if target_format == "identities":
        return Target(column.with_check(_make_identity_check(column, output)), _INT64)
    if target_format == "class_indices" or (
        loss is None and any(takes_class_indices(each) for each in metrics)
    ):
        check = make_label_check(column, output, shape, ignored_class(loss))
        return Target(column.with_check(check), _INT64)
    add_axis = shape[-1:] == (1,) and _shape_fits(target_shape, shape[:-1])
    if add_axis or _shape_fits(target_shape, shape):
        values = (
            column.with_check(_make_probability_check(column, output))
            if target_format == "probabilities"
            else column
        )
        axis_added = add_axis and target_shape
        note = (
            f"Output '{output}': target reshaped from {list(target_shape)} to {[*target_shape, 1]}"
            if axis_added
            else ""
        )
        return Target(values, _FLOAT32, add_axis=add_axis, note=note)
    # Labels of the shape `(examples, 1)`, as those of CIFAR: one per example.
    if _shape_fits(target_shape, (*shape[:-1], 1)):
        column = map_column(column, lambda values: values[..., 0], target_shape[:-1], column.dtype)
    if (
        _shape_fits(column.shape, shape[:-1])
        and column.dtype.kind in "bui"
        and shape[-1] is not None
    ):
        labels = column.with_check(make_label_check(column, output, shape))
        note = f"Output '{output}': integer labels of {shape[-1]} classes"
        return Target(labels, _INT64, shape[-1], note=note)
    raise RunError(
        f"a target of the output '{output}' has the shape {list(target_shape)},"
        f" but the network gives {list(shape)}"
    )


def check_listed_classes(
    mask: ImageConfig | None,
    target: Target,
    output: str,
    shape: Shape,
    loss: KerasObject | None,
) -> None:
    """Check that the mask of an output lists no more classes than an output of this shape has.

    Masks are read during training, and few may have the last classes. `mask` says how they are
    decoded; it is None for other targets.

    Raises:
        RunError: if it lists more, besides the one that the loss ignores.
    """
    num_classes = shape[-1] if shape and target.dtype == _INT64 else None
    if mask is None or num_classes is None:
        return
    beyond = {*range(num_classes, mask.num_listed_classes)} - {ignored_class(loss)}
    if beyond:
        raise RunError(
            f"'{mask.class_key}' lists {plural(mask.num_listed_classes, 'class', 'classes')}, but"
            f" the output '{output}' has {plural(num_classes, 'class', 'classes')}"
        )


def ignored_class(loss: KerasObject | None) -> int | None:
    """Return the class index that a loss ignores, or None; it may be out of range."""
    if loss is None:
        return None
    # Keras knows the default and the position of the argument, the tree does not.
    ignored: int | None = getattr(build_object(loss), "ignore_class", None)
    return ignored


def make_label_check(
    column: Column,
    output: str,
    shape: Shape,
    ignored: int | None = None,
    column_shape: tuple[int, ...] | None = None,
) -> ValueCheck:
    """Return a check that labels are class indices, or the class that the loss ignores.

    The labels of an example have the shape of the column, or `column_shape` if they are computed
    from it.

    Raises:
        RunError: if the shapes of labels and output do not match.
    """
    if not shape or shape[-1] is None:
        raise RunError(f"the output '{output}' has no last axis with one value per class")
    column_shape = column.shape if column_shape is None else column_shape
    label_shape = column_shape
    # Sparse losses of Keras drop an axis of length 1 at the end of the labels.
    if label_shape[-1:] == (1,) and len(label_shape) == len(shape):
        label_shape = label_shape[:-1]
    if not _shape_fits(label_shape, shape[:-1]):
        is_one_hot = _shape_fits(column_shape, shape)
        expected = (
            f", as the network gives {list(shape)}: one value per class; use"
            " CategoricalCrossentropy, or integer labels"
            if is_one_hot
            else f", but the network gives {list(shape)}: expected one label per position"
        )
        raise RunError(
            f"the labels of the output '{output}' have the shape {list(column_shape)} per example"
            + expected
        )
    num_classes = shape[-1]
    description = _describe("labels", column, output)
    ignored_text = f", and {ignored} to ignore" if ignored is not None else ""

    def check(values: Array, rows: RowIndices) -> None:
        labels = cast(NDArray[np.int64], values.reshape(len(values), -1))
        if labels.dtype.kind == "f":
            _check_all_valid(
                labels == np.floor(labels), rows, column, f"{description} are not integers"
            )
        valid = (labels >= 0) & (labels < num_classes)
        if ignored is not None:
            valid |= labels == ignored
        if not valid.all():
            low, high = int(labels.min()), int(labels.max())
            _check_all_valid(
                valid,
                rows,
                column,
                f"{description} range from {low} to {high}, but the network has"
                f" {plural(num_classes, 'class', 'classes')} (0 to {num_classes - 1}{ignored_text})"
                + _range_hint(num_classes, labels, ignored),
            )

    return check


def _range_hint(num_classes: int, labels: NDArray[np.int64], ignored: int | None) -> str:
    """Return a hint for the usual causes of labels out of range, or an empty text."""
    low, high = labels.min(), labels.max()
    if num_classes == 1 and low >= 0 and high == 1:
        return ": use 2 units, or a sigmoid with the loss BinaryCrossentropy"
    # To ignore 255 there would leave the background as the only class.
    if low == 0 and high == _VOID_LABEL and np.isin(labels, (low, high)).all():
        return (
            ": divide a mask of 0 and 255 by 255, or write 'class_values: [0, 255]' for image files"
            " (see 'Masks' in docs/data.md)"
        )
    if ignored is None and (low == -1 or high == _VOID_LABEL):
        return (
            f": write 'ignore_class: {-1 if low == -1 else _VOID_LABEL}' of the loss to ignore them"
        )
    return ""


def _make_identity_check(column: Column, output: str) -> ValueCheck:
    """Return a check that examples have one integer each.

    Raises:
        RunError: if they have several numbers.
    """
    if column.shape not in ((), (1,)):
        raise RunError(
            f"the labels of the output '{output}' have the shape {list(column.shape)} per example:"
            " expected one integer"
        )
    description = _describe("labels", column, output)

    def check(values: Array, rows: RowIndices) -> None:
        labels = cast(NDArray[np.int64], values.reshape(len(values), -1))
        _check_all_valid(
            labels == np.floor(labels), rows, column, f"{description} are not integers"
        )

    return check


def _make_ctc_check(column: Column, output: str, shape: Shape) -> ValueCheck:
    """Return a check for the labels of the CTC loss.

    Labels are class indices from 1 with zeros as padding at the end, and need no more time steps
    than the output has.

    Raises:
        RunError: if labels are not `(length,)`, or the output is not `(time, classes)`.
    """
    if len(shape) != 2 or len(column.shape) != 1:
        raise RunError(
            f"the loss CTC compares labels [length] with an output [time, classes]: the labels of"
            f" the output '{output}' have the shape {list(column.shape)} per example, and the"
            f" network gives {list(shape)}"
        )
    steps, num_classes = shape
    (length,) = column.shape
    description = _describe("labels", column, output)

    def check(values: Array, rows: RowIndices) -> None:
        labels = cast(NDArray[np.int64], values)
        if labels.dtype.kind == "f":
            _check_all_valid(
                labels == np.floor(labels), rows, column, f"{description} are not integers"
            )
        if num_classes is not None:
            _check_all_valid(
                (labels >= 0) & (labels < num_classes),
                rows,
                column,
                f"{description} range from {int(labels.min())} to {int(labels.max())}, but the"
                " network has"
                f" {num_classes} classes: the blank 0, and labels from 1 to {num_classes - 1}",
            )
        # Keras (3.15) takes the number of labels that are not 0 for their length, so a 0 in the
        # middle would cut off the last ones.
        zeros_at_end = (labels[:, :-1] != 0) | (labels[:, 1:] == 0)
        _check_all_valid(
            zeros_at_end,
            rows,
            column,
            f"{description} have a 0 before other labels: 0 is padding, and must be at the end",
        )
        if steps is not None:
            # CTC needs a blank between equal labels. With fewer steps there is no valid alignment.
            repeated = (labels[:, 1:] == labels[:, :-1]) & (labels[:, 1:] != 0)
            needed_steps = (labels != 0).sum(axis=1) + repeated.sum(axis=1)
            _check_all_valid(
                (needed_steps <= steps)[:, np.newaxis],
                rows,
                column,
                f"{description} need up to {int(needed_steps.max())} time steps, and the network"
                f" gives {steps}",
            )

    # Without values, min() in the check fails, and there is nothing to learn.
    if length == 0:
        raise RunError(f"{description} have no values")
    return check


def _make_probability_check(column: Column, output: str) -> ValueCheck:
    """Return a check that targets are probabilities, between 0 and 1."""
    description = _describe("targets", column, output)

    def check(values: Array, rows: RowIndices) -> None:
        probabilities = cast(NDArray[np.float64], values.reshape(len(values), -1))
        low, high = probabilities.min(), probabilities.max()
        in_range = (probabilities >= 0) & (probabilities <= 1) | (probabilities == LIST_PADDING)
        _check_all_valid(
            in_range,
            rows,
            column,
            f"{description} range from {low:g} to {high:g}, but a binary loss expects 0 to 1",
        )

    return check


def _describe(noun: str, column: Column, output: str) -> str:
    """Return the start of a message about the labels or targets of an output."""
    return f"the {noun} of the output '{output}'" + (f" in {column.name}" if column.name else "")


def _check_all_valid(
    valid: NDArray[np.bool_], rows: RowIndices, column: Column, message: str
) -> None:
    valid_examples = valid.all(axis=1)
    if not valid_examples.all():
        raise RunError(
            f"{message}; the first invalid one is in"
            f" {column.locate(int(rows[valid_examples.argmin()]))}"
        )


def _shape_fits(actual: tuple[int, ...], expected: Shape) -> bool:
    return len(actual) == len(expected) and all(
        size in (each, None) for each, size in zip(actual, expected, strict=True)
    )
