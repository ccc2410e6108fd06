"""What a network will be given: the columns of its data, and what is done to make them fit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from archbuilder.errors import UsageError
from archbuilder.graph import Graph, GraphInput
from archbuilder.recipe.sources import DataSpec
from archbuilder.recipe.spec import TrainingSpec
from archbuilder.training.augmenting import Augmentation
from archbuilder.training.columns import Column, reading
from archbuilder.training.data_errors import located_data_errors
from archbuilder.training.examples import ONLY, Examples, Feature
from archbuilder.training.indices import indices_of
from archbuilder.training.inputs import fit_input
from archbuilder.training.opening import Opener
from archbuilder.training.order import permutation, split, split_behind
from archbuilder.training.samples import as_images, grid
from archbuilder.training.sources import load_source
from archbuilder.training.tables import split_words, splits_off_last

_LOOKED_AT: Final = 1000
"""The examples whose numbers are summed up."""
_CLASSES: Final = 1000
_PICTURES: Final = 64
_IMAGE_AXES: Final = 4


@dataclass(frozen=True, slots=True)
class Summary:
    """One column: the shape of an example, and its numbers in some of those to train on."""

    name: str
    shape: tuple[int, ...]
    dtype: str
    least: float
    most: float
    mean: float
    deviation: float
    train_classes: Mapping[str, int] = field(default_factory=dict)
    """How many examples to train on each class has, of targets that are classes by number."""
    held_out_classes: Mapping[str, int] = field(default_factory=dict)
    """The same of the examples that are held out."""


@dataclass(frozen=True, slots=True, eq=False)
class Inspection:
    """What is known of data without training on it."""

    origin: str
    train: int
    """How many examples there are to train on."""
    held_out: int
    looked_at: int
    """How many of the examples to train on the numbers in the summaries are of."""
    split: str
    """How the validation set was split off, in words; empty if it is a data set of its own."""
    inputs: tuple[Summary, ...]
    targets: tuple[Summary, ...]
    remarks: tuple[str, ...]
    text: str
    """The first piece of a text, from its tokens; empty where there is none."""
    pictures: NDArray[np.uint8] | None
    """Images in a grid, as the network is given them."""


@dataclass(frozen=True, slots=True, eq=False)
class _Part:
    """The examples to train on, or those that are held out, by their numbers."""

    examples: Examples
    rows: NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class _Fitted:
    """Some examples of an input, as a network is given them."""

    batch: tf.Tensor
    value_range: tuple[float, float] | None


def inspect_data(
    graphs: Mapping[str, Graph],
    data: DataSpec,
    training: TrainingSpec | None,
    allow: tuple[Path, ...],
) -> Inspection:
    """Read the data of a recipe, and sum up what networks will be given of it.

    Raises:
        BlueprintError: if a blueprint names a file that it may not.
        RunError: if the data is missing or damaged, or does not fit the network.
    """
    opener = Opener(data.folder or Path(), allow)
    examples = load_source(data.train, opener)
    validation = load_source(data.validation, opener, examples.known) if data.validation else None
    seed = training.seed if training else 0
    train, held_out, split_off = _parts(examples, validation, training)
    order = train.rows[permutation(len(train.rows), seed, 0)]
    rows = np.sort(order[:_LOOKED_AT])
    with located_data_errors(examples.place), reading():
        inputs = tuple(
            _summary(name or "inputs", each.column, rows) for name, each in examples.inputs.items()
        )
        targets = tuple(_target(name, train, held_out, rows) for name in examples.targets)
        fitted, remarks = _fitted(graphs, examples, order)
        pictures = _pictures(fitted, training)
    return Inspection(
        examples.origin,
        len(train.rows),
        0 if held_out is None else len(held_out.rows),
        len(rows),
        split_off,
        inputs,
        targets,
        (*examples.remarks, *remarks),
        _text(examples),
        pictures,
    )


def as_png(pictures: NDArray[np.uint8]) -> bytes:
    """A grid of pictures as a file."""
    content: bytes = tf.io.encode_png(pictures).numpy()
    return content


def _parts(
    examples: Examples, validation: Examples | None, training: TrainingSpec | None
) -> tuple[_Part, _Part | None, str]:
    """Return the parts that training would make, and how it splits the data."""
    whole = _Part(examples, np.arange(examples.count))
    if validation is not None:
        return whole, _Part(validation, np.arange(validation.count)), ""
    if training is None or training.validation == 0 or examples.count == 1:
        return whole, None, ""
    last = splits_off_last(examples, training)
    cut = split_behind if last else split
    train, held_out = cut(examples.count, training.seed, training.validation)
    return _Part(examples, train), _Part(examples, held_out), split_words(last=last)


def _summary(name: str, column: Column, rows: NDArray[np.int64]) -> Summary:
    values = np.asarray(column.take(tf.constant(rows)), np.float64)
    return Summary(
        name,
        column.shape,
        str(column.dtype),
        least=float(values.min()),
        most=float(values.max()),
        mean=float(values.mean()),
        deviation=float(values.std()),
    )


def _target(name: str, train: _Part, held_out: _Part | None, rows: NDArray[np.int64]) -> Summary:
    column = train.examples.targets[name]
    summary = _summary(name or "targets", column, rows)
    if column.dtype.kind not in "bui" or column.shape not in ((), (1,)):
        return summary
    if summary.least < 0 or summary.most >= _CLASSES:
        return summary
    labels = [_labels(name, train), _labels(name, held_out)]
    every = np.concatenate(labels)
    if every.min() < 0 or every.max() >= _CLASSES:
        return summary
    names = train.examples.known.legend.classes.get(name, ())
    trained, held = (_counts(each, int(every.max()) + 1, names) for each in labels)
    return replace(summary, train_classes=trained, held_out_classes=held)


def _labels(name: str, part: _Part | None) -> NDArray[np.int64]:
    """Return the class of every example of a part; none where it has no such target."""
    if part is None or name not in part.examples.targets:
        return np.zeros(0, np.int64)
    column = part.examples.targets[name]
    return np.asarray(column.take(tf.constant(part.rows)), np.int64).reshape(-1)


def _counts(labels: NDArray[np.int64], classes: int, names: tuple[str, ...]) -> dict[str, int]:
    return {
        names[number] if number < len(names) else str(number): int(count)
        for number, count in enumerate(np.bincount(labels, minlength=classes))
    }


def _fitted(
    graphs: Mapping[str, Graph], examples: Examples, order: NDArray[np.int64]
) -> tuple[list[_Fitted], tuple[str, ...]]:
    """Some examples of every input that a network has for the data, and what was done to them."""
    rows = tf.constant(order[:_PICTURES])
    found: list[_Fitted] = []
    remarks: list[str] = []
    for graph, wanted, feature in _pairs(graphs, examples):
        fitted = fit_input(feature, wanted, indices_of(graph).get(wanted.name, ()))
        remarks += fitted.adaptation.remarks
        found.append(_Fitted(fitted.take(rows), fitted.value_range))
    return found, tuple(remarks)


def _pairs(
    graphs: Mapping[str, Graph], examples: Examples
) -> list[tuple[Graph, GraphInput, Feature]]:
    """The inputs of the networks that the data has something for, by name or because it is one.

    Of a generator and a discriminator, the latter is given the data.
    """
    if ONLY not in examples.inputs:
        return [
            (graph, each, examples.inputs[each.name])
            for graph in graphs.values()
            for each in graph.inputs
            if each.name in examples.inputs
        ]
    graph = graphs.get("discriminator", next(iter(graphs.values())))
    images = [each for each in graph.inputs if len(each.shape)]
    if not images:
        raise UsageError(f"the network '{graph.name}' has no input for the data")
    return [(graph, images[0], examples.inputs[ONLY])]


def _pictures(fitted: list[_Fitted], training: TrainingSpec | None) -> NDArray[np.uint8] | None:
    for each in fitted:
        if not each.batch.dtype.is_floating:
            continue
        images = as_images(np.asarray(_augmented(each, training), np.float32))
        if images is not None:
            return grid(images)
    return None


def _augmented(each: _Fitted, training: TrainingSpec | None) -> tf.Tensor:
    if training is None or not training.augment or each.batch.shape.rank != _IMAGE_AXES:
        return each.batch
    augmentation = Augmentation(training.augment, training.seed, each.value_range)
    return augmentation(each.batch, tf.constant(0))


def _text(examples: Examples) -> str:
    vocabulary = examples.known.vocabulary
    if vocabulary is None:
        return ""
    first = next(iter(examples.inputs.values())).column.take(tf.constant([0]))
    return vocabulary.decode(np.asarray(first).reshape(-1))
