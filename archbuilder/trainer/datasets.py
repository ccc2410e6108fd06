"""Training and validation sets, adapted to the inputs and outputs of a network."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import keras
import numpy as np

from archbuilder.compiler.ir import Graph, GraphInput, Shape
from archbuilder.compiler.keras_object import KerasObject
from archbuilder.config.objectives import TargetSpec
from archbuilder.data.columns import (
    ArrayColumn,
    Column,
    RowIndices,
    fit_image_size,
    format_image_size,
)
from archbuilder.data.errors import locate_data_errors
from archbuilder.data.input_checks import adapt_input
from archbuilder.data.lookup_tables import lookup_tables_by_input
from archbuilder.data.pipeline import AdaptedColumn, AdaptedDataset, BatchPipeline, eval_batches
from archbuilder.data.random_crop import RandomCrop, find_random_crop
from archbuilder.data.sample_weights import combine_weights
from archbuilder.data.sampling import make_class_sampling
from archbuilder.data.source_dataset import Feature, SourceDataset, target_key
from archbuilder.data.split import split_rows
from archbuilder.data.targets import Target, adapt_target, check_listed_classes
from archbuilder.diagnostics.errors import RunError, UsageError
from archbuilder.formatting import plural
from archbuilder.trainer.context import TrainingContext

_MAX_CLASSES: Final = 20
"""Number of classes whose weights are logged."""


@dataclass(frozen=True, slots=True, eq=False)
class AdaptedDatasets:
    """The training, validation and test set of a network."""

    train: AdaptedDataset
    validation: AdaptedDataset | None
    test: AdaptedDataset | None
    split_note: str = ""
    """How sets were split off, in words; empty if they have sources of their own."""

    def eval_batches(
        self,
        batch_size: int,
        transform: Callable[[BatchPipeline], BatchPipeline] = lambda batches: batches,
        *,
        drop_remainder: bool = False,
    ) -> tuple[BatchPipeline | None, BatchPipeline | None]:
        """Return the transformed batches of the validation set and of the test set."""

        def batches(dataset: AdaptedDataset) -> BatchPipeline:
            return transform(
                eval_batches(dataset, batch_size=batch_size, drop_remainder=drop_remainder)
            )

        validation, test = (
            None if each is None else batches(each) for each in (self.validation, self.test)
        )
        return validation, test

    def map(self, function: Callable[[AdaptedDataset], AdaptedDataset]) -> AdaptedDatasets:
        """Return the sets that a function returns for these."""
        validation, test = (
            None if each is None else function(each) for each in (self.validation, self.test)
        )
        return replace(self, train=function(self.train), validation=validation, test=test)


def log_datasets(context: TrainingContext, datasets: AdaptedDatasets) -> None:
    """Log the notes, and the number of examples, once for all stages of a run."""
    if context.stage is not None and context.stage.networks:
        return
    log_notes(context, datasets)
    num_validation = 0 if datasets.validation is None else len(datasets.validation.rows)
    if context.eval_dataset is not None:
        context.log(plural(num_validation, "evaluation example"))
        return
    num_training = len(datasets.train.rows)
    num_test = "" if datasets.test is None else f" / {len(datasets.test.rows):,} test"
    for name, weights in datasets.train.class_weights.items():
        numbers = [f"{key} {weight:.4g}" for key, weight in weights.items()]
        ending = f" and {len(numbers) - _MAX_CLASSES:,} more" if len(numbers) > _MAX_CLASSES else ""
        context.log(f"Class weights of '{name}': {', '.join(numbers[:_MAX_CLASSES])}{ending}")
    if datasets.train.sampling is not None:
        context.log(f"Sampling: {datasets.train.sampling}")
    context.log(
        f"{num_training:,} training / {num_validation:,} validation{num_test}"
        f" examples{datasets.split_note}"
    )


def log_notes(context: TrainingContext, datasets: AdaptedDatasets) -> None:
    """Log the notes on how the examples were adapted to the network.

    When another dataset is evaluated, log its notes in place of those of the training data.
    """
    notes = datasets.train.notes
    if context.eval_dataset is not None:
        data_notes = context.dataset.notes
        notes = (*(each for each in notes if each not in data_notes), *context.eval_dataset.notes)
    for note in notes:
        context.log(note)


def single_network(context: TrainingContext, objective: str) -> tuple[str, Graph]:
    """Return the name and graph of the only network of a run.

    Raises:
        UsageError: if the blueprint has several.
    """
    if len(context.graphs) != 1:
        raise UsageError(
            f"the objective '{objective}' trains one network, and this blueprint has"
            f" {len(context.graphs)}: {', '.join(context.graphs)}"
        )
    ((name, graph),) = context.graphs.items()
    return name, graph


def adapt_datasets(
    context: TrainingContext,
    graph: Graph,
    model: keras.Model,
    target_spec: TargetSpec | None = None,
    augment: Sequence[KerasObject] = (),
) -> AdaptedDatasets:
    """Return the sets for a network, with the targets of a spec.

    Images of the training set that `augment` crops to the size of an input keep their own size.

    Raises:
        RunError: if the examples do not fit the network.
    """
    spec = target_spec or TargetSpec()
    crop: RandomCrop | None = None
    if augment:
        with locate_data_errors(context.dataset.span):
            features = _select_columns(context.dataset, graph, spec)[1]
        crop = find_random_crop(augment, graph, features)

    def adapt(dataset: SourceDataset) -> AdaptedDataset:
        return _adapt_dataset(dataset, graph, model, spec)

    def adapt_uncropped(dataset: SourceDataset) -> AdaptedDataset:
        return _adapt_dataset(dataset, graph, model, spec, crop)

    datasets = adapt_sets(context, adapt, None if crop is None else adapt_uncropped)
    # An evaluation has no epochs.
    if context.eval_dataset is not None:
        return datasets
    shapes = {name: each.shape[1:] for name, each in _output_tensors(graph, model).items()}
    train = datasets.train
    with locate_data_errors(context.dataset.span):
        sampling = make_class_sampling(context.dataset, train.targets, spec, shapes, train.rows)
    return replace(datasets, train=replace(train, sampling=sampling))


def adapt_sets(
    context: TrainingContext,
    adapt: Callable[[SourceDataset], AdaptedDataset],
    adapt_train: Callable[[SourceDataset], AdaptedDataset] | None = None,
) -> AdaptedDatasets:
    """Return the training, validation and test set, of the rows that the split chooses.

    `adapt_train` adapts the training set if that differs from the other sets.
    """
    with locate_data_errors(context.dataset.span):
        adapted = adapt(context.dataset)
        train = adapted if adapt_train is None else adapt_train(context.dataset)
    split = context.dataset.split
    if split is None or len(adapted.rows) != context.dataset.count:
        # Another dataset that is evaluated is not split.
        is_evaluated = context.eval_dataset is not None
        plan = context.config.split_plan(
            has_validation=is_evaluated or context.validation_dataset is not None,
            has_test=is_evaluated or context.test_dataset is not None,
        )
        split = split_rows(context.dataset, plan, len(adapted.rows))

    def held_out(source: SourceDataset | None, rows: RowIndices | None) -> AdaptedDataset | None:
        # As in Keras, class weights do not apply to validation: its loss stays comparable when they
        # change.
        if source is not None:
            with locate_data_errors(source.span):
                return adapt(source).without_class_weights()
        return None if rows is None else replace(adapted, rows=rows).without_class_weights()

    return AdaptedDatasets(
        replace(train, rows=split.train),
        held_out(context.validation_dataset, split.validation),
        held_out(context.test_dataset, split.test),
        split.note,
    )


def adapt_inputs(
    dataset: SourceDataset, graph: Graph, target_spec: TargetSpec
) -> Mapping[str, AdaptedColumn]:
    """Return the columns of the inputs of a graph.

    Raises:
        RunError: if an example does not fit an input.
    """
    features = _select_columns(dataset, graph, target_spec)[1]
    lookup_tables = lookup_tables_by_input(graph)
    return {
        each.name: adapt_input(features[each.name], each, lookup_tables.get(each.name, ()))
        for each in graph.inputs
    }


def _select_columns(
    dataset: SourceDataset, graph: Graph, target_spec: TargetSpec
) -> tuple[SourceDataset, Mapping[str, Feature]]:
    """Return the dataset with the columns of a graph, and the features of the inputs."""
    # An input that receives a target, and an output whose target is an input, have no column of
    # their own.
    names = tuple(
        each.name for each in graph.inputs if each.name not in target_spec.feed_targets_to_inputs
    )
    used = {*target_spec.outputs, *target_spec.feed_targets_to_inputs.values()} - set(
        target_spec.target_from_input
    )
    selected = dataset.select_for(names, tuple(name for name, _ in graph.outputs if name in used))
    target_features = {
        name: Feature(selected.targets[output])
        for name, output in target_spec.feed_targets_to_inputs.items()
    }
    return selected, {**selected.inputs, **target_features}


def _adapt_dataset(
    dataset: SourceDataset,
    graph: Graph,
    model: keras.Model,
    target_spec: TargetSpec,
    crop: RandomCrop | None = None,
) -> AdaptedDataset:
    selected, features = _select_columns(dataset, graph, target_spec)
    input_graph = graph if crop is None else crop.uncropped_graph(graph)
    inputs = adapt_inputs(dataset, input_graph, target_spec)
    outputs = _output_tensors(graph, model)
    shapes: dict[str, Shape] = {name: tuple(each.shape[1:]) for name, each in outputs.items()}
    if crop is not None:
        shapes = {name: crop.uncropped_shape(each) for name, each in shapes.items()}
    targets = {
        name: _adapt_target(dataset, column, name, shapes[name], target_spec)
        for name, column in selected.targets.items()
    }
    input_targets = {
        name: adapt_input(features[each], GraphInput(name, shapes[name], "float32", graph.span))
        for name, each in target_spec.target_from_input.items()
    }
    # Keras needs a target for every output, even for one that has no loss.
    unused = Target(ArrayColumn(np.zeros(dataset.count, np.float32)), np.dtype(np.float32))
    all_targets = {name: input_targets.get(name, targets.get(name, unused)) for name in shapes}
    notes = [*selected.notes]
    notes += [f"Training images: {crop}"] if crop else []
    notes += [
        note for each in (*inputs.values(), *input_targets.values()) for note in each.adapter.notes
    ]
    notes += [each.note for each in targets.values() if each.note]
    return AdaptedDataset(
        inputs,
        all_targets,
        np.arange(dataset.count, dtype=np.int64),
        named_inputs=isinstance(model.input, dict) or len(inputs) > 1,
        named_outputs=isinstance(model.output, dict),
        sample_weights=combine_weights(dataset, targets, target_spec, shapes),
        notes=tuple(notes),
        coordinates={
            **dataset.coordinates,
            **{
                name: dataset.coordinates[target_key(output)]
                for name, output in target_spec.feed_targets_to_inputs.items()
                if target_key(output) in dataset.coordinates
            },
        },
        number_lists=dataset.number_lists & {*targets},
    )


def _output_tensors(graph: Graph, model: keras.Model) -> Mapping[str, keras.KerasTensor]:
    """Return the outputs of a model by name."""
    return model.output if isinstance(model.output, dict) else {graph.outputs[0][0]: model.output}


def _adapt_target(
    dataset: SourceDataset, column: Column, output: str, shape: Shape, target_spec: TargetSpec
) -> Target:
    loss, metrics = target_spec.losses.get(output), target_spec.metrics.get(output, ())
    sized = fit_image_size(column, shape)
    try:
        target = adapt_target(
            sized, output, shape, loss, metrics, is_list=output in dataset.number_lists
        )
    except RunError as error:
        # A class index for an image or a sequence of outputs: say where such targets come from.
        if column.shape or len(shape) < 2 or not dataset.target_description:
            raise
        raise RunError(
            f"{error}; {dataset.source_name} has one target, {dataset.target_description}: to"
            " train on a target with several axes, such as a mask, name the directory of its images"
            " under 'targets', or use the source npz or npy"
        ) from None
    check_listed_classes(dataset.mask_of(output), target, output, shape, loss)
    if sized.shape == column.shape:
        return target
    size = format_image_size(sized.shape)
    return replace(target, note=f"Output '{output}': images decoded to {size}")
