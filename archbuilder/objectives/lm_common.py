"""Common parts of the objectives for language models."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from typing import TypeAlias

import keras
import numpy as np
import tensorflow as tf

from archbuilder.compiler.ir import Graph
from archbuilder.config.optimizers import OptimizerConfig
from archbuilder.data.batch_share import BatchShare
from archbuilder.data.columns import Column
from archbuilder.data.input_adapter import InputAdapter
from archbuilder.data.pipeline import AdaptedColumn, AdaptedDataset, BatchPipeline, train_batches
from archbuilder.data.position import TrainingPosition
from archbuilder.data.source_dataset import SourceDataset
from archbuilder.data.text.tokenizer import TextTokenizer
from archbuilder.diagnostics.errors import RunError, UsageError
from archbuilder.objectives.output_activation import has_final_activation
from archbuilder.trainer.context import TrainableTask, TrainingContext
from archbuilder.trainer.datasets import (
    AdaptedDatasets,
    adapt_sets,
    log_datasets,
    single_network,
)
from archbuilder.trainer.execution import ExecutionConfig
from archbuilder.trainer.single_model import SingleNetworkModel
from archbuilder.trainer.train_loop import FitSetup, make_trainable_task

Tokens: TypeAlias = dict[str, tf.Tensor]
"""Tokens by the name of their column, each `(examples, length)`."""
ModelInputs: TypeAlias = tuple[Tokens, Tokens, Tokens]
"""Inputs by name, targets by output, and sample weights by output, which may be empty."""
InputFn: TypeAlias = Callable[[BatchShare, Tokens], ModelInputs]
"""Returns the inputs, targets and weights of a share of a batch from its tokens."""

_FIRST_VALIDATION_STEP = 2**31 - 1
"""First step of the validation set. Its steps count down, so they are never those of training."""


@dataclass(frozen=True, slots=True, eq=False)
class LanguageObjective:
    """How a network is trained on the tokens that `select_columns` returns."""

    select_columns: Callable[[SourceDataset], Mapping[str, Column]]
    make_inputs: InputFn
    losses: Mapping[str, keras.losses.Loss]
    optimizer: OptimizerConfig
    needs_batch: bool = False
    """Whether `make_inputs` combines examples, and cannot make a share without the batch."""


def require_tokenizer(context: TrainingContext, objective_name: str, source: str) -> TextTokenizer:
    """Return the tokenizer of the examples, which have to come from this source.

    Raises:
        UsageError: if the training or validation examples come from another source.
    """
    tokenizer = context.dataset.preprocessing.tokenizer
    if tokenizer is None:
        raise UsageError(
            f"the objective '{objective_name}' needs text, and the data is"
            f" {context.dataset.source_name}; write 'data: {{{source}: ...}}'"
        )
    for dataset in (context.dataset, context.validation_dataset, context.test_dataset):
        if dataset is None:
            continue
        # Only the source `text` keeps its tokens as one array, without padding.
        examples_source = "pairs" if dataset.token_array is None else "text"
        if dataset.preprocessing.tokenizer is None or examples_source != source:
            raise UsageError(
                f"the objective '{objective_name}' needs the source '{source}', and the data is"
                f" {dataset.source_name}; write 'data: {{{source}: ...}}'"
            )
    return tokenizer


def check_inputs(graph: Graph, required: Collection[str], allowed: Collection[str]) -> None:
    """Check that a network has the inputs that an objective provides.

    Raises:
        UsageError: if it lacks a required input, or has one that is not allowed.
    """
    names = [each.name for each in graph.inputs]
    missing = [name for name in required if name not in names]
    unexpected = [name for name in names if name not in allowed]
    if missing or unexpected:
        raise UsageError(
            f"the network '{graph.name}' has the inputs {', '.join(names)}; the objective provides"
            f" {', '.join(allowed)}"
        )


def check_outputs(graph: Graph, model: keras.Model, output: str, tokenizer: TextTokenizer) -> None:
    """Check that an output has a value for each token of the vocabulary at every position.

    Raises:
        RunError: if its shape is not `(length, vocabulary size or more)`.
    """
    tensor = model.output[output] if isinstance(model.output, dict) else model.output
    shape = tuple(tensor.shape[1:])
    if len(shape) != 2:
        raise RunError(
            f"the output '{output}' of the network '{graph.name}' has the shape {list(shape)};"
            " expected values for each position of the text"
        )
    if shape[-1] is None or shape[-1] < tokenizer.vocab_size:
        raise RunError(
            f"the tokenizer has a vocabulary of {tokenizer.vocab_size:,} tokens, and the output"
            f" '{output}' has {shape[-1]:,} values; they must be equal"
        )


def crossentropy(graph: Graph, model: keras.Model, output: str) -> keras.losses.Loss:
    """Return the crossentropy of an output of logits, or of probabilities after a softmax."""
    logits = not has_final_activation(graph, model, output, "softmax")
    # The mean over the positions that count, so that the loss is in nats per token.
    return keras.losses.SparseCategoricalCrossentropy(
        from_logits=logits, reduction="mean_with_sample_weight"
    )


def make_language_task(
    context: TrainingContext,
    objective_name: str,
    make_objective: Callable[[Graph, keras.Model], LanguageObjective],
) -> TrainableTask:
    """Build the network, and return the task that trains it.

    Raises:
        UsageError: if the blueprint has several networks.
        BlueprintError: if the network does not fit the machine.
        RunError: if the examples do not fit the network.
    """
    name, graph = single_network(context, objective_name)
    with context.devices.scope():
        model = context.build(graph)
        objective = make_objective(graph, model)

    def adapt(dataset: SourceDataset) -> AdaptedDataset:
        columns = objective.select_columns(dataset)
        count = next(iter(columns.values())).count
        # Tokens are stored in a smaller dtype where the vocabulary allows it.
        cast_to_int32 = InputAdapter((lambda tokens: tf.cast(tokens, tf.int32),), ())
        inputs = {name: AdaptedColumn(column, cast_to_int32) for name, column in columns.items()}
        rows = np.arange(count, dtype=np.int64)
        return AdaptedDataset(
            inputs, {}, rows, named_inputs=True, named_outputs=True, notes=dataset.notes
        )

    datasets = adapt_sets(context, adapt)
    log_datasets(context, datasets)
    # After the data, whose size decides the steps of a schedule.
    steps_per_epoch = datasets.train.steps_per_epoch(context.config.batch_size)
    with context.devices.scope():
        optimizer = context.make_optimizer(objective.optimizer, model, steps_per_epoch)
        training_model = _make_training_model(model, graph, objective, optimizer, context.execution)
    return make_trainable_task(
        _make_fit_setup(context, training_model, datasets, objective), context, {name: model}
    )


def _make_training_model(
    model: keras.Model,
    graph: Graph,
    objective: LanguageObjective,
    optimizer: keras.optimizers.Optimizer,
    execution: ExecutionConfig,
) -> SingleNetworkModel:
    """Return the compiled model, with inputs and outputs by name."""
    # By name, because Keras orders several inputs by their names, not as the blueprint does.
    model_input = model.input
    inputs = model_input if isinstance(model_input, dict) else {graph.inputs[0].name: model_input}
    # Losses and targets are dictionaries, even for one output.
    has_named_outputs = isinstance(model.output, dict)
    outputs = model.output if has_named_outputs else {graph.outputs[0][0]: model.output}
    training_model = SingleNetworkModel(keras.Model(inputs, outputs), execution)
    training_model.compile(
        optimizer=optimizer,
        loss=dict(objective.losses),
        weighted_metrics={
            output: [keras.metrics.SparseCategoricalAccuracy("accuracy")]
            for output in objective.losses
        },
        jit_compile=execution.jit_compile,
        steps_per_execution=execution.steps_per_execution,
    )
    return training_model


def _make_fit_setup(
    context: TrainingContext,
    training_model: SingleNetworkModel,
    datasets: AdaptedDatasets,
    objective: LanguageObjective,
) -> FitSetup:
    config, size = context.config, context.config.batch_size
    dtypes = {name: tensor.dtype for name, tensor in training_model.network.input.items()}

    def make_inputs(share: BatchShare, batch: tuple[Tokens, object]) -> tuple[Tokens, ...]:
        inputs, targets, weights = objective.make_inputs(share, batch[0])
        # Only the inputs that the network has: `segments` and `mask` are optional.
        x = {name: tf.cast(inputs[name], dtype) for name, dtype in dtypes.items()}
        return (x, targets, weights) if weights else (x, targets)

    def make_validation_inputs(
        share: BatchShare, batch: tuple[Tokens, object]
    ) -> tuple[Tokens, ...]:
        return make_inputs(replace(share, step=_FIRST_VALIDATION_STEP - share.step), batch)

    def batches(start: TrainingPosition) -> BatchPipeline:
        pipeline = train_batches(
            datasets.train,
            start,
            batch_size=size,
            seed=config.seed,
            epochs=config.epochs,
            shuffle=config.shuffle,
        )
        return pipeline.map(make_inputs, lambda: objective.needs_batch)

    held_out = datasets.eval_batches(
        size,
        lambda tokens: tokens.map(make_validation_inputs, lambda: objective.needs_batch),
    )
    return FitSetup(training_model, batches, datasets.train.steps_per_epoch(size), *held_out)
