"""What a network will be given: the columns of its data, and what is done to make them fit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from archbuilder.compiler.ir import Graph, GraphInput
from archbuilder.config.sources import DataConfig
from archbuilder.config.training import TrainingConfig
from archbuilder.data.augmentation import Augmentation
from archbuilder.data.columns import Column, translate_read_errors
from archbuilder.data.dataset import UNNAMED, Dataset, Feature
from archbuilder.data.errors import locate_data_errors
from archbuilder.data.file_access import DataFileOpener
from archbuilder.data.image_grid import image_grid, to_uint8_images
from archbuilder.data.indices import lookup_tables_by_input
from archbuilder.data.input_checks import make_input_pipeline
from archbuilder.data.shuffle import epoch_permutation, random_split, tail_split
from archbuilder.data.sources import load_source
from archbuilder.data.split import describe_split, uses_tail_split
from archbuilder.diagnostics.errors import UsageError

_MAX_ROWS: Final = 1000
"""The examples whose numbers are summed up."""
_MAX_CLASSES: Final = 1000
_PREVIEW_SIZE: Final = 64
_IMAGE_RANK: Final = 4


@dataclass(frozen=True, slots=True)
class ColumnStats:
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
class DataReport:
    """What is known of data without training on it."""

    origin: str
    num_train: int
    """How many examples there are to train on."""
    num_validation: int
    looked_at: int
    """How many of the examples to train on the numbers in the summaries are of."""
    split_note: str
    """How the validation set was split off, in words; empty if it is a data set of its own."""
    inputs: tuple[ColumnStats, ...]
    targets: tuple[ColumnStats, ...]
    notes: tuple[str, ...]
    text: str
    """The first piece of a text, from its tokens; empty where there is none."""
    preview: NDArray[np.uint8] | None
    """Images in a grid, as the network is given them."""


@dataclass(frozen=True, slots=True, eq=False)
class _Part:
    """The examples to train on, or those that are held out, by their numbers."""

    examples: Dataset
    rows: NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class _InputSample:
    """Some examples of an input, as a network is given them."""

    batch: tf.Tensor
    value_range: tuple[float, float] | None


def inspect_data(
    graphs: Mapping[str, Graph],
    data: DataConfig,
    training: TrainingConfig | None,
    allow: tuple[Path, ...],
) -> DataReport:
    """Read the data of a recipe, and sum up what networks will be given of it.

    Raises:
        BlueprintError: if a blueprint names a file that it may not.
        RunError: if the data is missing or damaged, or does not fit the network.
    """
    opener = DataFileOpener(data.folder or Path(), allow)
    examples = load_source(data.train, opener)
    validation = (
        load_source(data.validation, opener, examples.preprocessing) if data.validation else None
    )
    seed = training.seed if training else 0
    num_train, num_validation, split_note = _parts(examples, validation, training)
    order = num_train.rows[epoch_permutation(len(num_train.rows), seed, 0)]
    rows = np.sort(order[:_MAX_ROWS])
    with locate_data_errors(examples.span), translate_read_errors():
        inputs = tuple(
            _column_stats(name or "inputs", each.column, rows)
            for name, each in examples.inputs.items()
        )
        targets = tuple(
            _target_stats(name, num_train, num_validation, rows) for name in examples.targets
        )
        samples, notes = _input_samples(graphs, examples, order)
        preview = _preview(samples, training)
    return DataReport(
        examples.source_name,
        len(num_train.rows),
        0 if num_validation is None else len(num_validation.rows),
        len(rows),
        split_note,
        inputs,
        targets,
        (*examples.notes, *notes),
        _first_text(examples),
        preview,
    )


def encode_png(image: NDArray[np.uint8]) -> bytes:
    """A grid of pictures as a file."""
    content: bytes = tf.io.encode_png(image).numpy()
    return content


def _parts(
    examples: Dataset, validation: Dataset | None, training: TrainingConfig | None
) -> tuple[_Part, _Part | None, str]:
    """Return the parts that training would make, and how it splits the data."""
    whole = _Part(examples, np.arange(examples.count))
    if validation is not None:
        return whole, _Part(validation, np.arange(validation.count)), ""
    if training is None or training.validation == 0 or examples.count == 1:
        return whole, None, ""
    last = uses_tail_split(examples, training)
    cut = tail_split if last else random_split
    train, held_out = cut(examples.count, training.seed, training.validation)
    return _Part(examples, train), _Part(examples, held_out), describe_split(last=last)


def _column_stats(name: str, column: Column, rows: NDArray[np.int64]) -> ColumnStats:
    values = np.asarray(column.gather(tf.constant(rows)), np.float64)
    return ColumnStats(
        name,
        column.shape,
        str(column.dtype),
        least=float(values.min()),
        most=float(values.max()),
        mean=float(values.mean()),
        deviation=float(values.std()),
    )


def _target_stats(
    name: str, train: _Part, held_out: _Part | None, rows: NDArray[np.int64]
) -> ColumnStats:
    column = train.examples.targets[name]
    stats = _column_stats(name or "targets", column, rows)
    if column.dtype.kind not in "bui" or column.shape not in ((), (1,)):
        return stats
    if stats.least < 0 or stats.most >= _MAX_CLASSES:
        return stats
    labels = [_labels(name, train), _labels(name, held_out)]
    every = np.concatenate(labels)
    if every.min() < 0 or every.max() >= _MAX_CLASSES:
        return stats
    names = train.examples.preprocessing.schema.classes.get(name, ())
    trained, held = (_counts(each, int(every.max()) + 1, names) for each in labels)
    return replace(stats, train_classes=trained, held_out_classes=held)


def _labels(name: str, part: _Part | None) -> NDArray[np.int64]:
    """Return the class of every example of a part; none where it has no such target."""
    if part is None or name not in part.examples.targets:
        return np.zeros(0, np.int64)
    column = part.examples.targets[name]
    return np.asarray(column.gather(tf.constant(part.rows)), np.int64).reshape(-1)


def _counts(labels: NDArray[np.int64], classes: int, names: tuple[str, ...]) -> dict[str, int]:
    return {
        names[number] if number < len(names) else str(number): int(count)
        for number, count in enumerate(np.bincount(labels, minlength=classes))
    }


def _input_samples(
    graphs: Mapping[str, Graph], examples: Dataset, order: NDArray[np.int64]
) -> tuple[list[_InputSample], tuple[str, ...]]:
    """Some examples of every input that a network has for the data, and what was done to them."""
    rows = tf.constant(order[:_PREVIEW_SIZE])
    samples: list[_InputSample] = []
    notes: list[str] = []
    for graph, graph_input, feature in _input_features(graphs, examples):
        fitted_input = make_input_pipeline(
            feature, graph_input, lookup_tables_by_input(graph).get(graph_input.name, ())
        )
        notes += fitted_input.adapter.notes
        samples.append(_InputSample(fitted_input.gather(rows), fitted_input.value_range))
    return samples, tuple(notes)


def _input_features(
    graphs: Mapping[str, Graph], examples: Dataset
) -> list[tuple[Graph, GraphInput, Feature]]:
    """The inputs of the networks that the data has something for, by name or because it is one.

    Of a generator and a discriminator, the latter is given the data.
    """
    if UNNAMED not in examples.inputs:
        return [
            (graph, each, examples.inputs[each.name])
            for graph in graphs.values()
            for each in graph.inputs
            if each.name in examples.inputs
        ]
    graph = graphs.get("discriminator", next(iter(graphs.values())))
    candidates = [each for each in graph.inputs if len(each.shape)]
    if not candidates:
        raise UsageError(f"the network '{graph.name}' has no input for the data")
    return [(graph, candidates[0], examples.inputs[UNNAMED])]


def _preview(
    samples: list[_InputSample], training: TrainingConfig | None
) -> NDArray[np.uint8] | None:
    for sample in samples:
        if not sample.batch.dtype.is_floating:
            continue
        images = to_uint8_images(np.asarray(_augment(sample, training), np.float32))
        if images is not None:
            return image_grid(images)
    return None


def _augment(sample: _InputSample, training: TrainingConfig | None) -> tf.Tensor:
    if training is None or not training.augment or sample.batch.shape.rank != _IMAGE_RANK:
        return sample.batch
    augmentation = Augmentation(training.augment, training.seed, sample.value_range)
    return augmentation(sample.batch, tf.constant(0))


def _first_text(examples: Dataset) -> str:
    tokenizer = examples.preprocessing.tokenizer
    if tokenizer is None:
        return ""
    token_ids = next(iter(examples.inputs.values())).column.gather(tf.constant([0]))
    return tokenizer.decode(np.asarray(token_ids).reshape(-1))
