"""Over-sampling and under-sampling: how often an epoch has the examples of each class."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from archbuilder.compiler.ir import Shape
from archbuilder.config.loss_traits import traits_of
from archbuilder.config.objectives import TargetSpec
from archbuilder.config.value_types import LocatedText
from archbuilder.data.columns import RowIndices, iter_chunks
from archbuilder.data.errors import locate_data_errors
from archbuilder.data.sample_weights import set_class_weights, target_classes
from archbuilder.data.shuffle import class_permutation
from archbuilder.data.source_dataset import SourceDataset
from archbuilder.data.targets import Target, ignored_class
from archbuilder.diagnostics.errors import RunError
from archbuilder.formatting import plural

_MAX_EPOCH_SIZE: Final = 2**26
"""Examples of an epoch, whose rows are in memory; more only if the training set has as many."""

_MAX_NAMES: Final = 20
"""Number of classes in messages."""


@dataclass(frozen=True, slots=True, eq=False)
class ClassSampling:
    """The training rows of each class, and how many of them an epoch has."""

    rows: Sequence[RowIndices]
    counts: Sequence[int]
    """Number of examples by class; those of a class that repeats differ by at most one."""
    names: Sequence[str]
    """Names or numbers of the classes."""

    @property
    def epoch_size(self) -> int:
        """Number of examples of an epoch."""
        return sum(self.counts)

    def __str__(self) -> str:
        numbers = zip(self.names[:_MAX_NAMES], self.counts, strict=False)
        classes = ", ".join(f"{name} {count:,}" for name, count in numbers)
        num_others = len(self.names) - _MAX_NAMES
        ending = f" and {num_others:,} more classes" if num_others > 0 else ""
        return f"{plural(self.epoch_size, 'example')} per epoch: {classes}{ending}"

    def draw(self, seed: int, epoch: int) -> RowIndices:
        """Return the rows of an epoch, in the order of the data."""
        drawn = []
        for number, (rows, count) in enumerate(zip(self.rows, self.counts, strict=True)):
            copies, rest = divmod(count, len(rows))
            chosen = class_permutation(len(rows), seed, epoch, number)[:rest]
            drawn += [np.repeat(rows, copies), rows[chosen]]
        return np.sort(np.concatenate(drawn))


def make_class_sampling(
    dataset: SourceDataset,
    targets: Mapping[str, object],
    target_spec: TargetSpec,
    shapes: Mapping[str, Shape],
    rows: RowIndices,
) -> ClassSampling | None:
    """Return how training examples are drawn by the classes of an output; None for each once.

    Examples that the loss ignores are left out.

    Args:
        dataset: The data, which knows the names of classes.
        targets: The targets by output.
        target_spec: The losses, and the setting `sampling`.
        shapes: The shapes of the outputs.
        rows: The training set.

    Raises:
        RunError: if the examples have no class each, there is no such class, or an epoch would be
            empty or too large.
    """
    if not target_spec.sampling:
        return None
    ((output, setting),) = target_spec.sampling.items()
    word = setting if isinstance(setting, str) else next(iter(setting), "")
    with locate_data_errors(word.span if isinstance(word, LocatedText) else None):
        return _sample_classes(dataset, targets, target_spec, shapes[output], rows)


def _sample_classes(
    dataset: SourceDataset,
    targets: Mapping[str, object],
    target_spec: TargetSpec,
    shape: Shape,
    rows: RowIndices,
) -> ClassSampling:
    ((output, setting),) = target_spec.sampling.items()
    target, loss = targets.get(output), target_spec.losses.get(output)
    names = dataset.preprocessing.schema.classes_for(output)
    class_format = None
    if isinstance(target, Target):
        class_format = target_classes(target, shape, traits_of(loss).targets)
    if not isinstance(target, Target) or class_format is None:
        raise _no_classes_error(output)
    num_classes, is_categorical = class_format
    labels = _read_labels(target, output, rows, is_categorical=is_categorical)
    is_class = (labels >= 0) & (labels < num_classes) & (labels != ignored_class(loss))
    rows, labels = rows[is_class], labels[is_class]
    classes, sizes = np.unique(labels, return_counts=True)
    weights = np.ones(num_classes)
    if isinstance(setting, str):
        counts = _equal_counts(setting, sizes)
    else:
        set_class_weights(weights, setting, names, output)
        counts = _weighted_counts(sizes, weights[classes])
    rows_by_class = np.split(rows[np.argsort(labels, kind="stable")], np.cumsum(sizes)[:-1])
    drawn = np.flatnonzero(counts)
    sampling = ClassSampling(
        [rows_by_class[each] for each in drawn],
        [int(counts[each]) for each in drawn],
        [names[each] if each < len(names) else str(each) for each in classes[drawn]],
    )
    if not 0 < sampling.epoch_size <= max(_MAX_EPOCH_SIZE, len(rows)):
        raise RunError(
            f"'sampling' by the classes of the output '{output}' makes epochs of"
            f" {sampling.epoch_size:,} examples; write weights that sum up to other numbers, or"
            " 'undersample'"
        )
    return sampling


def _equal_counts(setting: str, sizes: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the same number of examples for each class, of which there are these."""
    if not len(sizes):
        return sizes
    counts = {"oversample": sizes.max(), "undersample": sizes.min()}
    # As many examples as the training set, up to a multiple of the number of classes.
    return np.full(len(sizes), counts.get(setting, sizes.sum() // len(sizes)))


def _weighted_counts(sizes: NDArray[np.int64], weights: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return the number of examples of each class: at least one, unless the weight is 0."""
    counts = np.maximum(np.rint(sizes * weights), 1)
    return np.where(weights > 0, counts, 0).astype(np.int64)


def _read_labels(
    target: Target, output: str, rows: RowIndices, *, is_categorical: bool
) -> NDArray[np.int64]:
    """Return the class of each example.

    Raises:
        RunError: if an example has several, or none.
    """
    if len(target.column.shape) > 1 or (
        not is_categorical and target.column.shape not in ((), (1,))
    ):
        raise _no_classes_error(output)
    labels = [np.zeros(0, np.int64)]
    for values, _ in iter_chunks(target.column, rows):
        if is_categorical:
            labels.append(values.argmax(axis=-1))
            continue
        numbers = values.reshape(-1)
        # The targets of a binary loss may be probabilities.
        if (numbers != np.rint(numbers)).any():
            raise _no_classes_error(output)
        labels.append(numbers.astype(np.int64))
    return np.concatenate(labels)


def _no_classes_error(output: str) -> RunError:
    return RunError(
        f"the examples have no class each for the output '{output}', by which 'sampling' could draw"
        " them"
    )
