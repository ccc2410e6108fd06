"""Objectives that a file describes: build their networks, and train them by their updates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Final

import keras

from archbuilder.compiler.expand.objectives import OWN_LAYERS
from archbuilder.compiler.ir import Graph
from archbuilder.compiler.objective_ir import ObjectiveGraph, networks_by_name
from archbuilder.config.objectives import BlockObjective
from archbuilder.data.augmentation import Augmentation
from archbuilder.data.mixed_labels import refuse_mixing
from archbuilder.data.pipeline import (
    BatchPipeline,
    train_batches,
)
from archbuilder.data.position import TrainingPosition
from archbuilder.diagnostics.errors import UsageError
from archbuilder.formatting import plural
from archbuilder.language.objective_operations import (
    AUGMENT,
    GATHER,
    ROWS,
    WHOLE_BATCH_OPERATIONS,
)
from archbuilder.language.objective_terms import GeneratedText
from archbuilder.objectives.activation_checks import warn_of_activations
from archbuilder.objectives.checks import (
    check_features,
    check_gradients,
    warn_of_long_memories,
    with_label_checks,
)
from archbuilder.objectives.columns import adapt_columns
from archbuilder.objectives.interpreter import Interpreter
from archbuilder.objectives.model import ObjectiveModel, trained_variables
from archbuilder.objectives.probes import Probes, with_possible_probes
from archbuilder.objectives.random_draws import BatchDraws
from archbuilder.objectives.sampler import Sampler
from archbuilder.objectives.schedules import resolve_schedules
from archbuilder.objectives.step_checks import report
from archbuilder.objectives.step_context import Network
from archbuilder.objectives.token_masking import text_columns
from archbuilder.objectives.trial_run import TrialRun, make_memories
from archbuilder.trainer.callbacks.sample_images import SampleImages
from archbuilder.trainer.context import TrainableTask, TrainingContext, TrainingResult
from archbuilder.trainer.datasets import AdaptedDatasets, adapt_sets, log_datasets
from archbuilder.trainer.train_loop import AddedMetrics, FitSetup, make_restore, make_trainable_task

_TEXT_SOURCES: Final[Mapping[GeneratedText, str]] = {
    "continuation": "text",
    "translation": "pairs",
}
"""The source of the texts that a network learns to generate."""


def make_block_task(context: TrainingContext, config: BlockObjective) -> TrainableTask:
    """Build the networks of an objective, and return the task that trains them.

    Raises:
        UsageError: if the objective does not fit the settings of the run.
        BlueprintError: if a network does not fit the machine, or a step does not take its inputs.
        RunError: if the examples do not fit the networks.
    """
    objective = with_possible_probes(context, config.graph)
    _check_settings(context, objective)
    _check_text(context, objective)
    graphs = networks_by_name(objective.networks, context.graphs)
    with context.devices.scope():
        models = {name: context.build(graph) for name, graph in graphs.items()}
        copies = _build_copies(context, objective, graphs, models)
    columns = objective.columns_for(objective.used_refs)
    texts = text_columns(objective.nodes)
    datasets = adapt_sets(context, lambda dataset: adapt_columns(dataset, columns, graphs, texts))
    log_datasets(context, datasets)
    networks = {name: Network(model, graphs[name]) for name, model in models.items()}
    interpreter = Interpreter(objective, {**networks, **copies})
    with context.devices.scope():
        trial = TrialRun.of(
            interpreter,
            datasets.train,
            context.limits,
            context.config.batch_size * objective.max_steps,
            context.log,
        )
        check_features(trial)
        memories = make_memories(objective, trial, context.config.seed)
        training_model = _make_model(context, config, interpreter, memories, datasets)
    datasets = datasets.map(lambda dataset: with_label_checks(dataset, trial))
    warn_of_long_memories(objective, datasets.train, context.log)
    probes = Probes(context, objective, datasets, interpreter)
    draws = BatchDraws(
        objective,
        trial.shapes,
        _augmentation(context, objective, datasets),
        context.config.seed,
        trial.vocabulary,
    )
    fit_setup = _make_fit_setup(context, objective, training_model, datasets, draws, probes)
    if objective.sample is not None:
        sampler = Sampler(objective, objective.sample, networks, context.log, datasets)
        draw = partial(sampler, seed=context.config.seed)
        images = SampleImages(context.run_dir, draw, objective.sample.count)
        fit_setup = replace(fit_setup, callbacks=(images,))
    named = dict(zip(context.graphs, models.values(), strict=True))
    result = objective.result
    if result is not None and result.network in copies:
        named[result.network] = copies[result.network].model
    task = make_trainable_task(fit_setup, context, named)
    # Without a state of its own, an evaluation needs the networks alone.
    restore = make_restore(context, training_model) if objective.has_state else None

    def train() -> TrainingResult:
        # Here, not above: an evaluation needs no gradients.
        with context.devices.scope():
            check_gradients(trial, context.log)
        warn_of_activations(trial, datasets.train, context.log)
        return task.train()

    return replace(task, restore=restore, train=train)


def _check_settings(context: TrainingContext, objective: ObjectiveGraph) -> None:
    # Rows may be shuffled within a part of a batch.
    steps = [each for each in objective.nodes if each.operation in (GATHER, ROWS)]
    if steps and context.execution.gradient_accumulation_steps > 1:
        report(
            "invalid-choice",
            steps[0],
            f"the objective needs the whole batch, in '{steps[0].operation}'",
            "remove 'gradient_accumulation_steps' under 'training'",
        )
    views = [each for each in objective.nodes if each.operation == AUGMENT]
    if views and not context.config.augment:
        report(
            "missing-key",
            views[0],
            "the objective transforms images at random, and 'training' does not say how",
            "add 'augment', for example 'augment: [{RandomZoom: 0.2}, {RandomRotation: 0.1}]'",
        )
    if context.config.augment and not views:
        raise UsageError("the objective has no step 'augment': remove 'augment' under 'training'")


def _check_text(context: TrainingContext, objective: ObjectiveGraph) -> None:
    """Check that the examples are such as `archbuilder generate` goes on with.

    Raises:
        UsageError: if they are of another source.
    """
    if objective.generates is None:
        return
    source = _TEXT_SOURCES[objective.generates]
    for dataset in (context.dataset, context.validation_dataset, context.test_dataset):
        if dataset is None:
            continue
        # Only the source `text` keeps its tokens as one array, without padding.
        examples_source = "pairs" if dataset.token_array is None else "text"
        if dataset.preprocessing.tokenizer is None or examples_source != source:
            raise UsageError(
                f"the objective needs the source '{source}' ('generate: {objective.generates}',"
                f" {objective.span}), and the data is {dataset.source_name}; write"
                f" 'data: {{{source}: ...}}'"
            )


def _build_copies(
    context: TrainingContext,
    objective: ObjectiveGraph,
    graphs: Mapping[str, Graph],
    models: Mapping[str, keras.Model],
) -> Mapping[str, Network]:
    """Return the copies of networks, with the same weights."""
    # Without initial weights, which a copy takes from its network.
    copy_context = replace(context, initial_weights=None)
    copies = {}
    for copy in objective.copies:
        model = copy_context.build(graphs[copy.network])
        model.set_weights(models[copy.network].get_weights())
        copies[copy.name] = Network(model, graphs[copy.network])
    return copies


def _make_model(
    context: TrainingContext,
    config: BlockObjective,
    interpreter: Interpreter,
    memories: Mapping[str, keras.Variable],
    datasets: AdaptedDatasets,
) -> ObjectiveModel:
    steps_per_epoch = _steps_per_epoch(context, config.graph, datasets)
    batch_count = steps_per_epoch * context.config.epochs
    objective = resolve_schedules(config.graph, batch_count)
    optimizers, variables = [], []
    for update in objective.updates:
        variables.append(trained_variables(update.networks, interpreter))
        trained_model = _model_of(update.networks, interpreter)
        optimizers.append(
            context.make_optimizer(
                config.optimizer_configs[update.name],
                trained_model,
                steps_per_epoch * update.steps,
            )
        )
    return ObjectiveModel(
        objective, interpreter, optimizers, variables, memories, context.execution, batch_count
    )


class _TrainedParts(keras.Model):
    """The networks and layers that an update trains, for the patterns of optimizers."""

    def __init__(self, parts: list[keras.layers.Layer]) -> None:
        super().__init__()
        self.parts = parts
        self.built = True


def _model_of(names: Sequence[str], interpreter: Interpreter) -> keras.Model:
    networks = [interpreter.networks[name].model for name in names if name != OWN_LAYERS]
    layers = interpreter.layers if OWN_LAYERS in names else []
    return networks[0] if len(networks) == 1 and not layers else _TrainedParts(networks + layers)


def _augmentation(
    context: TrainingContext, objective: ObjectiveGraph, datasets: AdaptedDatasets
) -> Augmentation:
    refuse_mixing(context.config.augment, "each view of an image is compared with others")
    names = [n.input_refs()[0].node for n in objective.nodes if n.operation == AUGMENT]
    columns = [datasets.train.inputs[name] for name in names if name in datasets.train.inputs]
    value_range = columns[0].value_range if columns else None
    return Augmentation(context.config.augment, context.config.seed, value_range)


def _drops_remainder(objective: ObjectiveGraph) -> bool:
    """Return whether a smaller last batch would not be like the others."""
    return (
        len(objective.updates) > 1
        or objective.max_steps > 1
        or bool(objective.memories)
        or _needs_whole_batch(objective)
    )


def _needs_whole_batch(objective: ObjectiveGraph) -> bool:
    """Return whether a step compares the examples of a batch, so that their number matters."""
    return any(each.operation in WHOLE_BATCH_OPERATIONS for each in objective.nodes)


def _steps_per_epoch(
    context: TrainingContext, objective: ObjectiveGraph, datasets: AdaptedDatasets
) -> int:
    size = context.config.batch_size * objective.max_steps
    steps = datasets.train.steps_per_epoch(size, drop_remainder=_drops_remainder(objective))
    if not steps:
        raise UsageError(
            f"a step needs {plural(size, 'example')}, and the training set has"
            f" {len(datasets.train.rows):,}; decrease 'batch_size'"
        )
    return steps


def _make_fit_setup(
    context: TrainingContext,
    objective: ObjectiveGraph,
    training_model: ObjectiveModel,
    datasets: AdaptedDatasets,
    draws: BatchDraws,
    probes: Probes,
) -> FitSetup:
    size = context.config.batch_size * objective.max_steps

    def batches(start: TrainingPosition) -> BatchPipeline:
        pipeline = train_batches(
            datasets.train,
            start,
            batch_size=size,
            seed=context.config.seed,
            epochs=context.config.epochs,
            shuffle=context.config.shuffle,
            drop_remainder=_drops_remainder(objective),
        )
        return draws.train(replace(pipeline, group_size=objective.max_steps))

    return FitSetup(
        training_model,
        batches,
        _steps_per_epoch(context, objective, datasets),
        *datasets.eval_batches(size, draws.evaluate, drop_remainder=_needs_whole_batch(objective)),
        added_metrics=AddedMetrics(probes.names, probes.accuracies),
    )
