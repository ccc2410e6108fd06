"""Report about the data of a recipe: statistics, splits, conversions and a preview."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from archbuilder.compiler.ir import Graph, Shape
from archbuilder.config.objectives import SupervisedConfig
from archbuilder.config.sources import DataConfig
from archbuilder.config.split import SplitPlan
from archbuilder.config.training import TrainingConfig
from archbuilder.data.augmentation import Augmentation
from archbuilder.data.batch_share import BatchShare
from archbuilder.data.columns import Column, RowIndices, fit_image_size, translate_read_errors
from archbuilder.data.errors import locate_data_errors
from archbuilder.data.file_access import DataFileOpener
from archbuilder.data.image_grid import image_grid, to_uint8_images
from archbuilder.data.input_checks import adapt_input
from archbuilder.data.lookup_tables import lookup_tables_by_input
from archbuilder.data.random_crop import find_random_crop
from archbuilder.data.sample_weights import combine_weights
from archbuilder.data.sampling import make_class_sampling
from archbuilder.data.shuffle import epoch_permutation
from archbuilder.data.source_dataset import UNNAMED, SourceDataset
from archbuilder.data.sources import load_datasets
from archbuilder.data.split import split_rows
from archbuilder.data.targets import Target, adapt_target, check_listed_classes
from archbuilder.diagnostics.errors import RunError, UsageError

_MAX_ROWS: Final = 1000
"""Number of training examples that the statistics are computed from."""
_MAX_CLASSES: Final = 1000
"""Integers beyond this are taken for quantities rather than classes, and are not counted."""
_PREVIEW_SIZE: Final = 64
_IMAGE_RANK: Final = 4


@dataclass(frozen=True, slots=True)
class ColumnStats:
    """Shape and statistics of a column, from a sample of the training examples."""

    name: str
    shape: tuple[int, ...]
    dtype: str
    min: float
    max: float
    mean: float
    std: float
    training_class_counts: Mapping[str, int] = field(default_factory=dict)
    """Number of training examples by class, for targets that are class indices."""
    validation_class_counts: Mapping[str, int] = field(default_factory=dict)
    """The same for the validation set."""
    test_class_counts: Mapping[str, int] = field(default_factory=dict)
    """The same for the test set."""


@dataclass(frozen=True, slots=True, eq=False)
class DataReport:
    """The result of inspecting the data of a recipe."""

    source_name: str
    training_examples: int
    validation_examples: int
    test_examples: int
    sampled_examples: int
    """Number of training examples that the statistics are computed from."""
    split_note: str
    """Description of the split; empty if the other sets are datasets of their own."""
    inputs: tuple[ColumnStats, ...]
    targets: tuple[ColumnStats, ...]
    notes: tuple[str, ...]
    sample_text: str
    """The first sequence of a text, decoded from its tokens; empty for other data."""
    preview: NDArray[np.uint8] | None
    """A grid of images as the network sees them; None if no input is an image."""
    target_error: RunError | None
    """Why a target does not fit its output and loss; None if all of them fit."""


@dataclass(frozen=True, slots=True, eq=False)
class _Subset:
    """The training, validation or test set, as indices into a dataset."""

    dataset: SourceDataset
    rows: NDArray[np.int64]


def inspect_data(
    graphs: Mapping[str, Graph],
    data: DataConfig,
    training: TrainingConfig | None,
    allow_dirs: tuple[Path, ...],
    output_shapes: Mapping[str, Shape],
) -> DataReport:
    """Read the data of a recipe, and report what the networks will be trained on.

    Args:
        graphs: The networks by name.
        data: The `data` section of the recipe.
        training: The `training` section; None splits the data as by default.
        allow_dirs: Directories that the blueprint may read from, besides its own.
        output_shapes: Shapes of the outputs of the networks by name, without the batch axis.

    Raises:
        BlueprintError: if a blueprint names a file outside of the allowed directories.
        RunError: if the data is missing or damaged, or an input does not fit the network.
    """
    training = training or TrainingConfig(SupervisedConfig({}))
    opener = DataFileOpener(data.directory or Path(), allow_dirs)
    datasets = load_datasets(data, training, opener)
    dataset = datasets.train
    split = dataset.split or split_rows(dataset, SplitPlan())
    train_set = _Subset(dataset, split.train)
    val_set = _held_out(dataset, split.validation, datasets.validation)
    test_set = _held_out(dataset, split.test, datasets.test)
    # The first batches of the run, as it would shuffle them.
    order = train_set.rows[epoch_permutation(len(train_set.rows), training.seed, 0)]
    # Sorted, so that a file is read from front to back.
    rows = np.sort(order[:_MAX_ROWS])
    with locate_data_errors(dataset.span), translate_read_errors():
        input_name = _only([each.name for graph in graphs.values() for each in graph.inputs])
        inputs = tuple(
            _column_stats(name or input_name or "inputs", each.column, rows)
            for name, each in dataset.inputs.items()
        )
        subsets = (train_set, val_set, test_set)
        target_name = _only([*output_shapes]) or "targets"
        targets = tuple(
            replace(_target_stats(name, subsets, rows), name=name or target_name)
            for name in dataset.targets
        )
        preview, notes = _preview(graphs, dataset, order, training)
    target_notes, target_error = _check_targets(train_set, training, output_shapes, rows)
    return DataReport(
        dataset.source_name,
        len(train_set.rows),
        len(val_set.rows),
        len(test_set.rows),
        len(rows),
        split.note,
        inputs,
        targets,
        (*dataset.notes, *notes, *target_notes),
        _sample_text(dataset),
        preview,
        target_error,
    )


def _sample_text(dataset: SourceDataset) -> str:
    """Return the text of the first example; empty without a tokenizer."""
    tokenizer = dataset.preprocessing.tokenizer
    if tokenizer is None:
        return ""
    token_ids = next(iter(dataset.inputs.values())).column.gather(tf.constant([0]))
    return tokenizer.decode(np.asarray(token_ids).reshape(-1))


def _only(names: Sequence[str]) -> str | None:
    return names[0] if len(names) == 1 else None


def _held_out(
    dataset: SourceDataset, rows: RowIndices | None, separate: SourceDataset | None
) -> _Subset:
    """Return a set that was split off or has its own source; an empty one if there is none."""
    if separate is not None:
        return _Subset(separate, np.arange(separate.count))
    return _Subset(dataset, np.zeros(0, np.int64) if rows is None else rows)


def encode_png(image: NDArray[np.uint8]) -> bytes:
    """Encode an image `(height, width, channels)` as a PNG file."""
    # TensorFlow has no types: without the annotation, mypy rejects that Any is returned.
    content: bytes = tf.io.encode_png(image).numpy()
    return content


def _column_stats(name: str, column: Column, rows: NDArray[np.int64]) -> ColumnStats:
    values = np.asarray(column.gather(tf.constant(rows)), np.float64)
    return ColumnStats(
        name,
        column.shape,
        str(column.dtype),
        min=float(values.min()),
        max=float(values.max()),
        mean=float(values.mean()),
        std=float(values.std()),
    )


def _target_stats(
    name: str, subsets: tuple[_Subset, _Subset, _Subset], rows: NDArray[np.int64]
) -> ColumnStats:
    train_set = subsets[0]
    column = train_set.dataset.targets[name]
    stats = _column_stats(name, column, rows)
    if column.dtype.kind not in "bui" or column.shape not in ((), (1,)):
        return stats
    # The sample often shows that these are not classes, without reading the whole column.
    if stats.min < 0 or stats.max >= _MAX_CLASSES:
        return stats
    labels = [_labels(name, each) for each in subsets]
    all_labels = np.concatenate(labels)
    if all_labels.min() < 0 or all_labels.max() >= _MAX_CLASSES:
        return stats
    names = train_set.dataset.preprocessing.schema.classes.get(name, ())
    num_classes = int(all_labels.max()) + 1
    class_names = [*names, *map(str, range(len(names), num_classes))][:num_classes]
    train_counts, val_counts, test_counts = (
        dict(zip(class_names, np.bincount(each, minlength=num_classes).tolist(), strict=True))
        for each in labels
    )
    return replace(
        stats,
        training_class_counts=train_counts,
        validation_class_counts=val_counts,
        test_class_counts=test_counts,
    )


def _check_targets(
    train_set: _Subset,
    training: TrainingConfig,
    output_shapes: Mapping[str, Shape],
    rows: NDArray[np.int64],
) -> tuple[list[str], RunError | None]:
    """Return notes, and the error with which training would refuse targets or weights, or None.

    Of the targets, some rows are read.
    """
    dataset = train_set.dataset
    if not isinstance(training.objective, SupervisedConfig):
        return [], None
    target_spec = training.objective.target_spec()
    targets: dict[str, Target] = {}
    try:
        with locate_data_errors(dataset.span), translate_read_errors():
            for output, loss in target_spec.losses.items():
                column = dataset.targets.get(output, dataset.targets.get(UNNAMED))
                if column is None or output in target_spec.target_from_input:
                    continue
                shape, metrics = output_shapes[output], target_spec.metrics.get(output, ())
                target = adapt_target(
                    fit_image_size(column, shape),
                    output,
                    shape,
                    loss,
                    metrics,
                    is_list=output in dataset.number_lists,
                )
                check_listed_classes(dataset.mask_of(output), target, output, shape, loss)
                target.labels(tf.constant(rows))
                targets[output] = target
            combine_weights(dataset, targets, target_spec, output_shapes)
            sampling = make_class_sampling(
                dataset, targets, target_spec, output_shapes, train_set.rows
            )
    except RunError as error:
        return [], error
    return [] if sampling is None else [f"Sampling: {sampling}"], None


def _labels(name: str, subset: _Subset) -> NDArray[np.int64]:
    """Return the label of every example of a subset; empty if it has no such target."""
    if not len(subset.rows) or name not in subset.dataset.targets:
        return np.zeros(0, np.int64)
    column = subset.dataset.targets[name]
    return np.asarray(column.gather(tf.constant(subset.rows)), np.int64).reshape(-1)


def _preview(
    graphs: Mapping[str, Graph],
    dataset: SourceDataset,
    order: NDArray[np.int64],
    training: TrainingConfig,
) -> tuple[NDArray[np.uint8] | None, list[str]]:
    """Return a grid of the first input of images, and the adapters' notes on all inputs.

    Raises:
        UsageError: if the network has no input for the only column.
    """
    if UNNAMED in dataset.inputs:
        # The generator of a GAN takes noise; only the discriminator sees the data.
        graph = graphs.get("discriminator", next(iter(graphs.values())))
        candidates = [each for each in graph.inputs if len(each.shape)]
        if not candidates:
            raise UsageError(f"the network '{graph.name}' has no input for the data")
        input_features = [(graph, candidates[0], dataset.inputs[UNNAMED])]
    else:
        input_features = [
            (graph, each, dataset.inputs[each.name])
            for graph in graphs.values()
            for each in graph.inputs
            if each.name in dataset.inputs
        ]
    rows = tf.constant(order[:_PREVIEW_SIZE])
    preview: NDArray[np.uint8] | None = None
    notes: list[str] = []
    for graph, graph_input, feature in input_features:
        # The other objectives also augment images of the validation set, which are resized.
        is_supervised = isinstance(training.objective, SupervisedConfig)
        layers = training.augment if is_supervised else ()
        crop = find_random_crop(layers, graph, {graph_input.name: feature})
        uncropped_input = graph_input
        if crop is not None:
            uncropped_input = replace(graph_input, shape=crop.uncropped_shape(graph_input.shape))
        adapted_input = adapt_input(
            feature, uncropped_input, lookup_tables_by_input(graph).get(graph_input.name, ())
        )
        notes += adapted_input.adapter.notes
        batch = adapted_input.gather(rows)
        # Integers are tokens or indices, not pixels.
        if preview is not None or not batch.dtype.is_floating:
            continue
        if training.augment and batch.shape.rank == _IMAGE_RANK:
            augmentation = Augmentation(training.augment, training.seed, adapted_input.value_range)
            batch = augmentation(batch, BatchShare(tf.constant(0, tf.int64), rows))
        images = to_uint8_images(np.asarray(batch, np.float32))
        preview = None if images is None else image_grid(images)
    return preview, notes
