"""SimCLR and MoCo: what an image is, learned from pairs of views of it without labels.

Where the data has labels, a linear probe tells how much of them the features hold: a layer of
logits that is trained on them alone, beside one on the features of the network as it began.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import keras
import tensorflow as tf

from archbuilder.errors import UsageError
from archbuilder.graph import Graph, GraphInput
from archbuilder.recipe.spec import MoCo, SimCLR
from archbuilder.tables import plural
from archbuilder.training.augmented_batches import check_shape
from archbuilder.training.augmenting import Augmentation
from archbuilder.training.batches import Table, plain_batches, training_batches
from archbuilder.training.checkpoints import Position
from archbuilder.training.fit import Task, prepared
from archbuilder.training.objectives.contrasting import Contrast, MoCoLearner, SimCLRLearner
from archbuilder.training.probe import Probe
from archbuilder.training.run import Row
from archbuilder.training.session import Prepared, Session
from archbuilder.training.state import Arrays, restore_weights
from archbuilder.training.tables import Tables, make_tables, only_network, tell

_HELD_OUT = 2**30
"""The first step of the held-out examples, which no run reaches."""


def prepare_simclr(session: Session) -> Prepared:
    """The network of a session, and its encoder without the projection head.

    Raises:
        UsageError: if the blueprint has several networks, or one that gives no features.
        BlueprintError: if the network does not fit the machine.
        RunError: if the images do not fit the network.
    """
    spec = session.objective(SimCLR)

    def learner(_graph: Graph, network: keras.Model) -> Contrast:
        optimizer = session.optimizer(spec.optimizer)
        return SimCLRLearner(network, optimizer, spec, session.pace)

    return _prepare(session, "simclr", learner)[0]


def prepare_moco(session: Session) -> Prepared:
    """The network of a session, and its encoder without the projection head.

    Raises:
        UsageError: if the blueprint has several networks, or one that gives no features, or the
            queue does not hold a batch.
        BlueprintError: if the network does not fit the machine.
        RunError: if the images do not fit the network.
    """
    spec = session.objective(MoCo)
    if spec.queue < session.spec.batch_size:
        raise UsageError(
            f"the queue of {spec.queue:,} keys is shorter than a batch of"
            f" {session.spec.batch_size:,}"
        )

    def learner(graph: Graph, network: keras.Model) -> Contrast:
        keys = _compared(graph, session.build(graph))
        optimizer = session.optimizer(spec.optimizer)
        return MoCoLearner(network, keys, optimizer, spec, session.spec.seed, session.pace)

    found, made = _prepare(session, "moco", learner)

    def restore(arrays: Arrays) -> None:
        with session.placement.scope():
            made.make_ready()
            restore_weights(made, arrays)

    return replace(found, restore=restore)


def _prepare(
    session: Session, objective: str, make: Callable[[Graph, keras.Model], Contrast]
) -> tuple[Prepared, Contrast]:
    name, graph = only_network(session, objective)
    _check(graph, objective)
    with session.placement.scope():
        model = session.build(graph)
        learner = make(graph, _compared(graph, model))
    tables = make_tables(session, graph, model)
    tell(session, tables)
    features = _features(graph, model)
    probe = Probe.of(session, tables, features)
    untrained = {} if probe is None else probe.judged("untrained_probe_accuracy")

    def probed() -> Row:
        return {} if probe is None else {**probe.judged("probe_accuracy"), **untrained}

    encoder = {} if features is model else {f"{name}_encoder": features}
    models = {name: model, **encoder}
    task = _task(session, learner, tables, graph.inputs[0])
    return prepared(task, session, models, more=probed), learner


def _check(graph: Graph, objective: str) -> None:
    if len(graph.inputs) != 1 or len(graph.inputs[0].shape) != 3:
        raise UsageError(f"the objective '{objective}' trains a network with one input, of images")
    if len(graph.outputs) > 2:
        raise UsageError(
            f"the objective '{objective}' trains a network with an output of features and one of"
            " what is compared, in this order, or with one for both"
        )


def _compared(graph: Graph, model: keras.Model) -> keras.Model:
    """The network up to what the loss compares: its last output."""
    output = model.output[graph.outputs[-1][0]] if isinstance(model.output, dict) else model.output
    if len(output.shape) != 2:
        raise UsageError(f"what is compared has the shape {list(output.shape[1:])}, and is no list")
    return keras.Model(model.inputs[0], output)


def _features(graph: Graph, model: keras.Model) -> keras.Model:
    """The network up to its features: its first output."""
    if not isinstance(model.output, dict):
        return model
    return keras.Model(model.inputs[0], model.output[graph.outputs[0][0]])


def _task(session: Session, learner: Contrast, tables: Tables, wanted: GraphInput) -> Task:
    size, seed = session.spec.batch_size, session.spec.seed
    steps = tables.train.steps(size, whole=True)
    if not steps:
        raise UsageError(
            f"{plural(len(tables.train.rows), 'example')} for a batch of {size:,}: too few"
        )
    values = next(iter(tables.train.inputs.values())).value_range
    augmentation = Augmentation(session.spec.augment, seed, values)

    def views(batches: tf.data.Dataset, first: int) -> tf.data.Dataset:
        def pair(step: tf.Tensor, batch: tuple[tf.Tensor, object]) -> dict[str, tf.Tensor]:
            return {
                name: augmentation(batch[0], step, view)
                for view, name in enumerate(("first", "second"))
            }

        numbered = batches.enumerate(tf.constant(first, tf.int64))
        found = numbered.map(pair, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)
        return found.prefetch(tf.data.AUTOTUNE)

    def batches(start: Position) -> tf.data.Dataset:
        found = training_batches(
            tables.train,
            start,
            batch_size=size,
            seed=seed,
            epochs=session.spec.epochs,
            shuffle=session.spec.shuffle,
            whole=True,
        )
        return views(found, start.epoch * steps + start.batch)

    validation = _validation(tables.held_out, size)
    images = plain_batches(tables.train, batch_size=size).element_spec[0]
    check_shape(wanted.name, augmentation.check(images), wanted.shape)
    return Task(
        learner, batches, steps, None if validation is None else views(validation, _HELD_OUT)
    )


def _validation(table: Table | None, size: int) -> tf.data.Dataset | None:
    return None if table is None else plain_batches(table, batch_size=size)
