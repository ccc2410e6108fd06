"""Weights of examples or positions in the loss: class weights, and sample weights of the data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from archbuilder.compiler.ir import Shape
from archbuilder.compiler.keras_object import KerasObject
from archbuilder.config.loss_traits import TargetFormat, is_own_loss, traits_of
from archbuilder.config.objectives import TargetSpec
from archbuilder.config.output_types import ClassNumbers
from archbuilder.config.value_types import LocatedText
from archbuilder.data.columns import Column, RowIndices, iter_chunks
from archbuilder.data.errors import locate_data_errors
from archbuilder.data.source_dataset import UNNAMED, SourceDataset
from archbuilder.data.targets import Target, ignored_class
from archbuilder.diagnostics.errors import RunError, closest_match, quote, quote_list
from archbuilder.yaml.scalars import is_ascii_digits

_NUM_BINARY_CLASSES = 2
_MAX_DIGITS = 9
"""Largest number of digits of a class index; int() raises ValueError beyond 4,300."""


@dataclass(frozen=True, slots=True, eq=False)
class ClassWeights:
    """Weights of labels, pixels or time steps by their class."""

    target: Target
    per_class: NDArray[np.float32]
    """The weight of each class."""
    is_categorical: bool = False
    """Whether targets are probabilities on their last axis rather than class indices."""
    names: Sequence[str] = ()
    """Names of the classes; empty if they are numbers."""

    @property
    def by_name(self) -> Mapping[str, float]:
        """The weights by the names or numbers of the classes."""
        names = [*self.names, *map(str, range(len(self.names), len(self.per_class)))]
        return dict(zip(names, self.per_class.tolist(), strict=False))

    def gather(self, rows: tf.Tensor) -> tf.Tensor:
        """Return the weights of some examples, `(examples, ...)`, one for each label."""
        if self.is_categorical:
            # The expected weight, which for one-hot targets is that of the class.
            return tf.tensordot(self.target.gather(rows), self.per_class, 1)
        labels = self.target.labels(rows)
        if labels.dtype.is_floating:
            # Targets of a binary loss are probabilities: interpolate between both classes.
            first, second = self.per_class
            return first + (second - first) * tf.cast(labels, tf.float32)
        # Labels that the loss ignores (`ignore_class`) may be out of range, where tf.gather fails
        # on a CPU. They get the weight 1.
        is_class = tf.logical_and(labels >= 0, labels < len(self.per_class))
        weights = tf.gather(self.per_class, tf.where(is_class, labels, tf.zeros_like(labels)))
        return tf.where(is_class, weights, tf.ones_like(weights))


@dataclass(frozen=True, slots=True, eq=False)
class SampleWeights:
    """Weights of examples or positions from a column of the data."""

    column: Column

    def gather(self, rows: tf.Tensor) -> tf.Tensor:
        """Return the weights of some examples, `(examples, ...)`."""
        return tf.cast(self.column.gather(rows), tf.float32)


@dataclass(frozen=True, slots=True, eq=False)
class CombinedWeights:
    """The product of the class weights and the sample weights of an output."""

    factors: Sequence[ClassWeights | SampleWeights]
    position_axes: int
    """Largest number of axes that the loss of an example has."""

    def gather(self, rows: tf.Tensor) -> tf.Tensor:
        """Return the weights of some examples, `(examples, ...)`."""
        product = tf.ones(tf.shape(rows))
        for factor in (each.gather(rows) for each in self.factors):
            rank = max(product.shape.rank, factor.shape.rank)
            product = append_axes(product, rank) * append_axes(factor, rank)
        # Weights may be stored as `(examples, 1)`, but must not have more axes than the loss.
        while product.shape.rank > self.position_axes + 1 and product.shape[-1] == 1:
            product = tf.squeeze(product, -1)
        return product

    def without_class_weights(self) -> CombinedWeights | None:
        """Return the weights for validation, without those of classes; None if none are left."""
        factors = [each for each in self.factors if not isinstance(each, ClassWeights)]
        return replace(self, factors=factors) if factors else None


def combine_weights(
    dataset: SourceDataset,
    targets: Mapping[str, Target],
    target_spec: TargetSpec,
    shapes: Mapping[str, Shape],
) -> dict[str, CombinedWeights]:
    """Return the factors of each output's loss: class weights, times sample weights in the data.

    Raises:
        RunError: if there are weights of an output that has no loss, or that do not fit it.
    """
    factors: dict[str, list[ClassWeights | SampleWeights]] = {}
    classes = dataset.preprocessing.schema.classes
    axes = {
        name: weight_axes(shape, target_spec.losses.get(name)) for name, shape in shapes.items()
    }
    all_rows = np.arange(dataset.count, dtype=np.int64)
    rows = all_rows if dataset.split is None else dataset.split.train
    for name, weights in target_spec.class_weight.items():
        loss, names = target_spec.losses.get(name), classes.get(name, classes.get(UNNAMED, ()))
        factors.setdefault(name, []).append(
            make_class_weights(targets.get(name), name, weights, shapes[name], loss, names, rows)
        )
    for name, column in dataset.sample_weights.items():
        outputs = [*target_spec.losses] if name == UNNAMED else [name]
        if not target_spec.losses or not {*outputs} <= {*target_spec.losses}:
            raise RunError(
                f"{dataset.source_name} has sample weights"
                + (f" for {quote(name)}" if name else "")
                + ", but no loss to apply them to"
            )
        for output in outputs:
            factors.setdefault(output, []).append(make_sample_weights(column, output, axes[output]))
    return {name: CombinedWeights(tuple(each), len(axes[name])) for name, each in factors.items()}


def weight_axes(shape: Shape, loss: KerasObject | None) -> Shape:
    """Return the axes of an output's positions, or none if the loss reduces them to one value."""
    if is_own_loss(loss):
        return shape
    return () if traits_of(loss).reduces_positions else shape[:-1]


def make_sample_weights(column: Column, output: str, positions: Shape) -> SampleWeights:
    """Return the sample weights of an output whose positions have these axes.

    Raises:
        RunError: if there is neither a weight for each example nor one for each position.
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
            f"the weights of the output '{output}' have the shape {list(column.shape)} per example:"
            f" expected one number{alternative}"
        )
    return SampleWeights(column)


def make_class_weights(
    target: Target | None,
    output: str,
    weights: ClassNumbers,
    shape: Shape,
    loss: KerasObject | None,
    names: Sequence[str],
    rows: RowIndices,
) -> ClassWeights:
    """Return the class weights of an output. Keys of `weights` are class indices or `names`.

    Balanced weights follow from the classes of the training set, which has these `rows`.

    Raises:
        RunError: if the output is not compared with classes, there is no such class, or all
            weights are 0.
    """
    class_format = target_classes(target, shape, traits_of(loss).targets)
    # A loss of whole examples has no values for the classes of their positions.
    if weight_axes(shape, loss) != shape[:-1]:
        class_format = None
    if target is None or class_format is None:
        raise RunError(
            f"the output '{output}' has no class labels for 'class_weight': use 'sample_weight' in"
            " the data source"
        )
    num_classes, is_categorical = class_format
    # As in Keras, classes that are not mentioned have the weight 1.
    per_class = np.ones(num_classes, np.float32)
    if isinstance(weights, str):
        counts = _class_counts(target, num_classes, rows, is_categorical=is_categorical)
        ignored = ignored_class(loss)
        if ignored is not None and 0 <= ignored < num_classes:
            counts[ignored] = 0
        present = counts > 0
        # As scikit-learn's `compute_class_weight`.
        per_class[present] = counts.sum() / (np.count_nonzero(present) * counts[present])
    else:
        set_class_weights(per_class, weights, names, output)
    if not per_class.any():
        raise RunError(f"all classes of the output '{output}' have a weight of 0")
    return ClassWeights(target, per_class, is_categorical, names)


def _class_counts(
    target: Target, num_classes: int, rows: RowIndices, *, is_categorical: bool
) -> NDArray[np.float64]:
    """Return how often each class occurs in some examples, also as a sum of probabilities."""
    counts = np.zeros(num_classes)
    for values, _ in iter_chunks(target.column, rows):
        if is_categorical:
            counts += values.astype(np.float64).reshape(-1, num_classes).sum(axis=0)
        elif target.dtype.kind == "f":
            # The probability of the second of two classes.
            probability = float(values.astype(np.float64).sum())
            counts += [values.size - probability, probability]
        else:
            labels = values.astype(np.int64).reshape(-1)
            # Others are those that the loss ignores.
            labels = labels[(labels >= 0) & (labels < num_classes)]
            counts += np.bincount(labels, minlength=num_classes)
    return counts


def set_class_weights(
    per_class: NDArray[np.float32] | NDArray[np.float64],
    weights: Mapping[str, float],
    names: Sequence[str],
    output: str,
) -> None:
    """Set the weights of classes that a recipe names, or gives by number.

    Raises:
        RunError: if there is no such class, or one is both named and given by number.
    """
    keys: dict[int, str] = {}
    for key, weight in weights.items():
        with locate_data_errors(key.span if isinstance(key, LocatedText) else None):
            index = _class_index(key, names, len(per_class), output)
            earlier_key = keys.setdefault(index, key)
            if earlier_key != key:
                raise RunError(
                    f"{quote(earlier_key)} and {quote(key)} are the same class of the output"
                    f" '{output}'"
                )
            per_class[index] = weight


def _class_index(key: str, names: Sequence[str], num_classes: int, output: str) -> int:
    """Return the index of a class, given its name or its number.

    Raises:
        RunError: if there is no such class.
    """
    if key in names:
        return names.index(key)
    if is_ascii_digits(key) and len(key) <= _MAX_DIGITS and int(key) < num_classes:
        return int(key)
    classes = f"{num_classes} classes (0 to {num_classes - 1})"
    if names and not is_ascii_digits(key):
        suggestion = closest_match(key, names)
        classes = f"the classes {quote_list(names, 8)}"
        classes += f"; did you mean {quote(suggestion)}?" if suggestion else ""
    raise RunError(
        f"there is a weight for class {quote(key)} of the output '{output}', which has {classes}"
    )


def target_classes(
    target: Target | None, shape: Shape, target_format: TargetFormat
) -> tuple[int, bool] | None:
    """Return the number of classes, and whether targets are probabilities; None without classes."""
    num_classes = shape[-1] if shape else None
    if target is None or num_classes is None or target_format == "identities":
        return None
    if target_format == "probabilities" and target.num_classes is None:
        return _NUM_BINARY_CLASSES, False
    if target.dtype.kind == "i":
        return num_classes, False
    # Targets that the data has as one value per class.
    if target_format == "one_hot" and not target.add_axis:
        return num_classes, True
    return None


def append_axes(factor: tf.Tensor, rank: int) -> tf.Tensor:
    """Append axes of length 1 to a tensor until it has this rank."""
    for _ in range(rank - factor.shape.rank):
        factor = factor[..., tf.newaxis]
    return factor
