"""SimCLR and MoCo: what an image is, learned from pairs of views of it without labels.

Where the data has labels, a linear probe tells how much of them the features hold: a layer of
logits that is trained on them alone, beside one on the features of the network as it began.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import keras
import tensorflow as tf

from archbuilder.compiler.ir import Graph, GraphInput
from archbuilder.config.training import MoCoConfig, SimCLRConfig
from archbuilder.data.augmentation import Augmentation
from archbuilder.data.augmented_batches import check_augmented_shape
from archbuilder.data.pipeline import FittedDataset, eval_dataset, train_dataset
from archbuilder.data.position import TrainingPosition
from archbuilder.diagnostics.errors import UsageError
from archbuilder.formatting import plural
from archbuilder.objectives.contrastive_model import ContrastiveModel, MoCoModel, SimCLRModel
from archbuilder.objectives.linear_probe import LinearProbe
from archbuilder.runs.run_dir import EpochLogs
from archbuilder.runs.state_dict import Arrays, load_network_state
from archbuilder.trainer.context import TrainableTask, TrainingContext
from archbuilder.trainer.datasets import TrainValSplit, log_dataset, make_datasets, single_network
from archbuilder.trainer.train_loop import FitTask, make_trainable_task

_FIRST_VALIDATION_STEP = 2**30
"""The first step of the held-out examples, which no run reaches."""


def make_simclr_task(context: TrainingContext) -> TrainableTask:
    """The network of a session, and its encoder without the projection head.

    Raises:
        UsageError: if the blueprint has several networks, or one that gives no features.
        BlueprintError: if the network does not fit the machine.
        RunError: if the images do not fit the network.
    """
    config = context.objective_config(SimCLRConfig)

    def make_model(_graph: Graph, network: keras.Model) -> ContrastiveModel:
        optimizer = context.make_optimizer(config.optimizer)
        return SimCLRModel(network, optimizer, config, context.execution)

    return _make_task(context, "simclr", make_model)[0]


def make_moco_task(context: TrainingContext) -> TrainableTask:
    """The network of a session, and its encoder without the projection head.

    Raises:
        UsageError: if the blueprint has several networks, or one that gives no features, or the
            queue does not hold a batch.
        BlueprintError: if the network does not fit the machine.
        RunError: if the images do not fit the network.
    """
    config = context.objective_config(MoCoConfig)
    if config.queue < context.config.batch_size:
        raise UsageError(
            f"the queue of {config.queue:,} keys is shorter than a batch of"
            f" {context.config.batch_size:,}"
        )

    def make_model(graph: Graph, network: keras.Model) -> ContrastiveModel:
        key_network = _projection_model(graph, context.build(graph))
        optimizer = context.make_optimizer(config.optimizer)
        return MoCoModel(
            network, key_network, optimizer, config, context.config.seed, context.execution
        )

    task, training_model = _make_task(context, "moco", make_model)

    def restore(arrays: Arrays) -> None:
        with context.devices.scope():
            training_model.build_optimizers()
            load_network_state(training_model, arrays)

    return replace(task, restore=restore)


def _make_task(
    context: TrainingContext,
    objective_name: str,
    make_model: Callable[[Graph, keras.Model], ContrastiveModel],
) -> tuple[TrainableTask, ContrastiveModel]:
    name, graph = single_network(context, objective_name)
    _check_graph(graph, objective_name)
    with context.devices.scope():
        model = context.build(graph)
        training_model = make_model(graph, _projection_model(graph, model))
    datasets = make_datasets(context, graph, model)
    log_dataset(context, datasets)
    encoder = _encoder_model(graph, model)
    probe = LinearProbe.from_context(context, datasets, encoder)
    untrained_metrics = {} if probe is None else probe.accuracy("untrained_probe_accuracy")

    def probe_metrics() -> EpochLogs:
        return {} if probe is None else {**probe.accuracy("probe_accuracy"), **untrained_metrics}

    encoder_models = {} if encoder is model else {f"{name}_encoder": encoder}
    models = {name: model, **encoder_models}
    task = _make_fit_task(context, training_model, datasets, graph.inputs[0])
    return make_trainable_task(task, context, models, extra_metrics=probe_metrics), training_model


def _check_graph(graph: Graph, objective_name: str) -> None:
    if len(graph.inputs) != 1 or len(graph.inputs[0].shape) != 3:
        raise UsageError(
            f"the objective '{objective_name}' trains a network with one input, of images"
        )
    if len(graph.outputs) > 2:
        raise UsageError(
            f"the objective '{objective_name}' trains a network with an output of features and"
            " one of"
            " what is compared, in this order, or with one for both"
        )


def _projection_model(graph: Graph, model: keras.Model) -> keras.Model:
    """The network up to what the loss compares: its last output."""
    output = model.output[graph.outputs[-1][0]] if isinstance(model.output, dict) else model.output
    if len(output.shape) != 2:
        raise UsageError(f"what is compared has the shape {list(output.shape[1:])}, and is no list")
    return keras.Model(model.inputs[0], output)


def _encoder_model(graph: Graph, model: keras.Model) -> keras.Model:
    """The network up to its features: its first output."""
    if not isinstance(model.output, dict):
        return model
    return keras.Model(model.inputs[0], model.output[graph.outputs[0][0]])


def _make_fit_task(
    context: TrainingContext,
    training_model: ContrastiveModel,
    datasets: TrainValSplit,
    graph_input: GraphInput,
) -> FitTask:
    size, seed = context.config.batch_size, context.config.seed
    steps_per_epoch = datasets.train.steps_per_epoch(size, drop_remainder=True)
    if not steps_per_epoch:
        raise UsageError(
            f"{plural(len(datasets.train.rows), 'example')} for a batch of {size:,}: too few"
        )
    value_range = next(iter(datasets.train.inputs.values())).value_range
    augmentation = Augmentation(context.config.augment, seed, value_range)

    def views(batches: tf.data.Dataset, first_step: int) -> tf.data.Dataset:
        def pair(step: tf.Tensor, batch: tuple[tf.Tensor, object]) -> dict[str, tf.Tensor]:
            return {
                name: augmentation(batch[0], step, view)
                for view, name in enumerate(("first", "second"))
            }

        enumerated_batches = batches.enumerate(tf.constant(first_step, tf.int64))
        view_batches = enumerated_batches.map(
            pair, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True
        )
        return view_batches.prefetch(tf.data.AUTOTUNE)

    def batches(start: TrainingPosition) -> tf.data.Dataset:
        dataset = train_dataset(
            datasets.train,
            start,
            batch_size=size,
            seed=seed,
            epochs=context.config.epochs,
            shuffle=context.config.shuffle,
            drop_remainder=True,
        )
        return views(dataset, start.epoch * steps_per_epoch + start.batch)

    validation = _validation_batches(datasets.validation, size)
    image_spec = eval_dataset(datasets.train, batch_size=size).element_spec[0]
    check_augmented_shape(graph_input.name, augmentation.check(image_spec), graph_input.shape)
    return FitTask(
        training_model,
        batches,
        steps_per_epoch,
        None if validation is None else views(validation, _FIRST_VALIDATION_STEP),
    )


def _validation_batches(dataset: FittedDataset | None, size: int) -> tf.data.Dataset | None:
    return None if dataset is None else eval_dataset(dataset, batch_size=size)
