"""Objective `supervised`: one network, with a target for each output with a loss or metric."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import replace
from functools import cache
from typing import Final

import keras

from archbuilder.compiler.ir import Graph
from archbuilder.config.objectives import SupervisedConfig
from archbuilder.config.training import TrainingConfig
from archbuilder.data.augmented_batches import BatchAugmenter
from archbuilder.data.pipeline import BatchPipeline, train_batches
from archbuilder.data.position import TrainingPosition
from archbuilder.data.targets import ignored_class
from archbuilder.diagnostics.errors import UsageError
from archbuilder.keras_backend.instantiate import build_object
from archbuilder.objectives.detections import detection_metrics
from archbuilder.objectives.output_activation import activation_warnings
from archbuilder.trainer.context import TrainableTask, TrainingContext
from archbuilder.trainer.datasets import (
    AdaptedDatasets,
    adapt_datasets,
    log_datasets,
    single_network,
)
from archbuilder.trainer.distributed_model import DistributedModel
from archbuilder.trainer.execution import DEFAULT_EXECUTION, ExecutionConfig
from archbuilder.trainer.loss_reduction import needs_whole_batch
from archbuilder.trainer.metrics import build_metrics
from archbuilder.trainer.single_model import SingleNetworkModel
from archbuilder.trainer.train_loop import FitSetup, make_trainable_task

_AXES_HINT: Final = "'axis: [1, 2, 3]' for images"


def make_supervised_task(context: TrainingContext, objective: SupervisedConfig) -> TrainableTask:
    """Build the network, and return the task that trains it.

    Raises:
        UsageError: if the blueprint has several networks.
        BlueprintError: if the network does not fit the machine.
        RunError: if the examples do not fit the network.
    """
    name, graph = single_network(context, "supervised")
    return make_network_task(context, name, graph, lambda _: objective)


def make_network_task(
    context: TrainingContext,
    name: str,
    graph: Graph,
    make_objective: Callable[[keras.Model], SupervisedConfig],
) -> TrainableTask:
    """Build a network, and return the task that trains it on an objective made from the network.

    Raises:
        UsageError: if a loss needs the whole batch, and gradients are accumulated.
        BlueprintError: if the network does not fit the machine.
        RunError: if the examples do not fit the network.
    """
    with context.devices.scope():
        model = context.build(graph)
        objective = make_objective(model)
        if context.execution.gradient_accumulation_steps > 1:
            for output, loss in objective.loss.items():
                keras_loss = build_object(loss)
                if needs_whole_batch(keras_loss):
                    has_axis = hasattr(keras_loss, "axis")
                    hint = f", or set the axes of an example: {_AXES_HINT}" if has_axis else ""
                    raise UsageError(
                        f"the loss '{loss.class_name}' of the output '{output}' needs the whole"
                        f" batch: remove 'gradient_accumulation_steps'{hint}"
                    )
    datasets = adapt_datasets(
        context, graph, model, objective.target_spec(), context.config.augment
    )
    log_datasets(context, datasets)
    # After the data, whose size decides the steps of a schedule.
    steps_per_epoch = datasets.train.steps_per_epoch(context.config.batch_size)
    with context.devices.scope():
        training_model = SingleNetworkModel(
            model,
            context.execution,
            datasets.train.padded_outputs,
            datasets.train.number_lists,
        )
        _compile(
            training_model,
            model,
            objective,
            context.make_optimizer(objective.optimizer, model, steps_per_epoch),
            context.execution,
            padded_outputs={*datasets.train.padded_outputs, *datasets.train.number_lists},
        )
    for warning in _warnings(graph, model, objective):
        context.log(f"warning: {warning}")

    # The saved network says how it was compiled, like any model of Keras.
    def compile_model() -> None:
        # An optimizer of the matrices of LoRA does not fit the saved network, which has none.
        if context.config.lora is None:
            _compile(model, model, objective, training_model.optimizer, DEFAULT_EXECUTION)

    fit_setup = _make_fit_setup(training_model, datasets, context.config, objective, graph)
    added_metrics = detection_metrics(context, graph, model, objective, datasets)
    fit_setup = replace(fit_setup, added_metrics=added_metrics)
    task = make_trainable_task(fit_setup, context, {name: model}, after_fit=compile_model)
    return replace(task, class_weights=datasets.train.class_weights)


def _warnings(graph: Graph, model: keras.Model, config: SupervisedConfig) -> Iterator[str]:
    """Yield warnings about outputs whose activation does not match their loss."""
    for output, loss in config.loss.items():
        title = f"the output '{output}'"
        yield from activation_warnings(title, build_object(loss), graph, model, output)


def _make_fit_setup(
    training_model: DistributedModel,
    datasets: AdaptedDatasets,
    config: TrainingConfig,
    objective: SupervisedConfig,
    graph: Graph,
) -> FitSetup:
    size = config.batch_size

    def unaugmented_batches(start: TrainingPosition) -> BatchPipeline:
        return train_batches(
            datasets.train,
            start,
            batch_size=size,
            seed=config.seed,
            epochs=config.epochs,
            shuffle=config.shuffle,
        )

    @cache
    def augmenter() -> BatchAugmenter:
        # Created on first use: evaluation needs no augmentation, and tracing its layers takes time.
        return BatchAugmenter.from_config(
            config, objective, graph, datasets.train, unaugmented_batches(TrainingPosition())
        )

    def batches(start: TrainingPosition) -> BatchPipeline:
        pipeline = unaugmented_batches(start)
        return pipeline.map(augmenter(), augmenter().needs_batch) if config.augment else pipeline

    return FitSetup(
        training_model,
        batches,
        datasets.train.steps_per_epoch(size),
        *datasets.eval_batches(size),
    )


def _compile(
    training_model: keras.Model,
    model: keras.Model,
    config: SupervisedConfig,
    optimizer: keras.optimizers.Optimizer,
    execution: ExecutionConfig,
    padded_outputs: Collection[str] = (),
) -> None:
    """Compile `training_model`, which has the outputs of `model`."""
    losses = {name: build_object(loss) for name, loss in config.loss.items()}
    metrics = {
        name: build_metrics(
            trees, ignored_class(config.loss.get(name)), has_padding=name in padded_outputs
        )
        for name, trees in config.batch_metrics.items()
    }
    # Keras needs a weight for every loss, or for none.
    loss_weights = {name: float(config.loss_weights.get(name, 1)) for name in losses}
    has_named_outputs = isinstance(model.output, dict)
    training_model.compile(
        optimizer=optimizer,
        # Without names, the outputs and targets of the network are not dictionaries either.
        loss=losses if has_named_outputs else next(iter(losses.values())),
        loss_weights=loss_weights if has_named_outputs else next(iter(loss_weights.values())),
        metrics=metrics if has_named_outputs else next(iter(metrics.values()), None),
        jit_compile=execution.jit_compile,
        steps_per_execution=execution.steps_per_execution,
    )
