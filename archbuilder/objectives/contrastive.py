"""Objectives `simclr` and `moco`: learn features from two views of each image, without labels.

Where the data has labels, a linear probe measures how well the features predict them. It is also
trained on the features of the untrained network, for comparison.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import keras
import tensorflow as tf

from archbuilder.compiler.ir import Graph, GraphInput
from archbuilder.config.objectives import ContrastiveConfig, MoCoConfig, SimCLRConfig
from archbuilder.data.augmentation import Augmentation
from archbuilder.data.augmented_batches import check_augmented_shape
from archbuilder.data.batch_share import BatchShare
from archbuilder.data.mixed_labels import refuse_mixing
from archbuilder.data.pipeline import BatchPipeline, eval_batches, train_batches
from archbuilder.data.position import TrainingPosition
from archbuilder.diagnostics.errors import UsageError
from archbuilder.formatting import plural
from archbuilder.objectives.contrastive_model import ContrastiveModel, MoCoModel, SimCLRModel
from archbuilder.objectives.linear_probe import LinearProbe
from archbuilder.runs.run_dir import EpochLogs
from archbuilder.trainer.context import TrainableTask, TrainingContext
from archbuilder.trainer.datasets import (
    AdaptedDatasets,
    adapt_datasets,
    log_datasets,
    single_network,
)
from archbuilder.trainer.train_loop import FitSetup, make_restore, make_trainable_task

_FIRST_VALIDATION_STEP = 2**30
"""First step of the validation set: no run reaches it, so its views are not those of training."""


def make_simclr_task(context: TrainingContext, config: SimCLRConfig) -> TrainableTask:
    """Build the network and its encoder without the projection head; return their task.

    Raises:
        UsageError: if the blueprint has several networks, or one that outputs no features.
        BlueprintError: if the network does not fit the machine.
        RunError: if the images do not fit the network.
    """

    def make_model(
        _graph: Graph, network: keras.Model, optimizer: keras.optimizers.Optimizer
    ) -> ContrastiveModel:
        return SimCLRModel(network, optimizer, config, context.execution)

    return _make_task(context, config, make_model)[0]


def make_moco_task(context: TrainingContext, config: MoCoConfig) -> TrainableTask:
    """Build the network and its encoder without the projection head; return their task.

    Raises:
        UsageError: if the blueprint has several networks, or one that outputs no features, or the
            queue is shorter than a batch.
        BlueprintError: if the network does not fit the machine.
        RunError: if the images do not fit the network.
    """
    if config.queue_size < context.config.batch_size:
        raise UsageError(
            f"'queue_size' is {config.queue_size:,} and 'batch_size' {context.config.batch_size:,}:"
            " the queue must hold at least a batch"
        )

    def make_model(
        graph: Graph, network: keras.Model, optimizer: keras.optimizers.Optimizer
    ) -> ContrastiveModel:
        # Without initial weights: it starts as a copy of the network.
        key_context = replace(context, initial_weights=None)
        key_network = _projection_model(graph, key_context.build(graph))
        return MoCoModel(
            network, key_network, optimizer, config, context.config.seed, context.execution
        )

    task, training_model = _make_task(context, config, make_model)

    # The validation loss of MoCo depends on the queue and the key network, which are not in the
    # file of the model.
    return replace(task, restore=make_restore(context, training_model))


def _make_task(
    context: TrainingContext,
    config: ContrastiveConfig,
    make_model: Callable[[Graph, keras.Model, keras.optimizers.Optimizer], ContrastiveModel],
) -> tuple[TrainableTask, ContrastiveModel]:
    objective_name = config.name
    name, graph = single_network(context, objective_name)
    if len(graph.inputs) != 1 or len(graph.inputs[0].shape) != 3:
        raise UsageError(
            f"the objective '{objective_name}' needs a network with one input, of images"
        )
    if len(graph.outputs) > 2:
        raise UsageError(
            f"the objective '{objective_name}' needs a network with two outputs, the features and"
            " their projection, or with one output for both"
        )
    with context.devices.scope():
        model = context.build(graph)
        projection_model = _projection_model(graph, model)
    datasets = adapt_datasets(context, graph, model)
    log_datasets(context, datasets)
    # After the data, whose size decides the steps of a schedule. The last, incomplete batch is
    # dropped: SimCLR would have fewer negatives in it.
    steps_per_epoch = datasets.train.steps_per_epoch(context.config.batch_size, drop_remainder=True)
    with context.devices.scope():
        optimizer = context.make_optimizer(config.optimizer, projection_model, steps_per_epoch)
        training_model = make_model(graph, projection_model, optimizer)
    # The features are the first output. A network with one output has no projection head.
    encoder = model
    if isinstance(model.output, dict):
        encoder = keras.Model(model.inputs[0], model.output[graph.outputs[0][0]])
    probe = LinearProbe.from_context(context, datasets, encoder)
    # Now, because the network is still untrained; not with the weights of a file, which a resumed
    # run does not read again.
    untrained_metrics = (
        {}
        if probe is None or context.config.weights
        else probe.accuracy("untrained_probe_accuracy")
    )

    def probe_metrics() -> EpochLogs:
        return {} if probe is None else {**probe.accuracy("probe_accuracy"), **untrained_metrics}

    encoder_models = {} if encoder is model else {f"{name}_encoder": encoder}
    models = {name: model, **encoder_models}
    fit_setup = _make_fit_setup(context, training_model, datasets, graph.inputs[0], steps_per_epoch)
    return make_trainable_task(
        fit_setup, context, models, extra_metrics=probe_metrics
    ), training_model


def _projection_model(graph: Graph, model: keras.Model) -> keras.Model:
    """Return the network up to the output that the loss compares, the last one."""
    output = model.output[graph.outputs[-1][0]] if isinstance(model.output, dict) else model.output
    if len(output.shape) != 2:
        raise UsageError(
            f"the projection has the shape {list(output.shape[1:])}; expected a vector"
        )
    return keras.Model(model.inputs[0], output)


def _make_fit_setup(
    context: TrainingContext,
    training_model: ContrastiveModel,
    datasets: AdaptedDatasets,
    graph_input: GraphInput,
    steps_per_epoch: int,
) -> FitSetup:
    size, seed = context.config.batch_size, context.config.seed
    if not steps_per_epoch:
        raise UsageError(
            f"a batch needs {plural(size, 'example')}, and the training set has"
            f" {len(datasets.train.rows):,}; decrease 'batch_size'"
        )
    value_range = next(iter(datasets.train.inputs.values())).value_range
    refuse_mixing(context.config.augment, "each image is compared with its own views")
    augmentation = Augmentation(context.config.augment, seed, value_range)

    # This traces the layers, so that one that does not fit the images is an error before the run.
    image_spec = eval_batches(datasets.train, batch_size=size).element_spec[0]
    check_augmented_shape(graph_input.name, augmentation.check(image_spec), graph_input.shape)

    def views(pipeline: BatchPipeline, first_step: int = 0) -> BatchPipeline:
        def pair(share: BatchShare, batch: tuple[tf.Tensor, object]) -> dict[str, tf.Tensor]:
            run_share = replace(share, step=share.step + first_step)
            return {
                name: augmentation(batch[0], run_share, view)
                for view, name in enumerate(("first", "second"))
            }

        return pipeline.map(pair, partial(augmentation.needs_batch, image_spec))

    def batches(start: TrainingPosition) -> BatchPipeline:
        image_batches = train_batches(
            datasets.train,
            start,
            batch_size=size,
            seed=seed,
            epochs=context.config.epochs,
            shuffle=context.config.shuffle,
            drop_remainder=True,
        )
        return views(image_batches)

    held_out = datasets.eval_batches(size, lambda images: views(images, _FIRST_VALIDATION_STEP))
    return FitSetup(training_model, batches, steps_per_epoch, *held_out)
