"""Supervised training: one network, and a target for each output that has a loss or a metric."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from typing import Final

import keras
import tensorflow as tf

from archbuilder.backend.objects import build_object
from archbuilder.errors import UsageError
from archbuilder.graph import Graph
from archbuilder.recipe.objectives import class_name
from archbuilder.recipe.spec import Supervised, TrainingSpec
from archbuilder.training.activations import ends_in
from archbuilder.training.augmented_batches import AugmentedBatches
from archbuilder.training.batches import plain_batches, training_batches
from archbuilder.training.checkpoints import Position
from archbuilder.training.fit import Task, prepared
from archbuilder.training.learner import Learner
from archbuilder.training.metrics import build_metrics
from archbuilder.training.network_learner import NetworkLearner
from archbuilder.training.pace import PLAIN, Pace
from archbuilder.training.reduction import compares_examples
from archbuilder.training.session import Prepared, Session
from archbuilder.training.tables import Tables, Wanted, make_tables, only_network, tell
from archbuilder.training.targets import ignored_class

_AXES: Final = "'axis: [1, 2, 3]' for images"


def prepare_supervised(session: Session) -> Prepared:
    """The network of a session, ready to be trained and judged.

    Raises:
        UsageError: if the blueprint has several networks.
        BlueprintError: if the network does not fit the machine.
        RunError: if the examples do not fit the network.
    """
    objective = session.objective(Supervised)
    name, graph = only_network(session, "supervised")
    return prepare_network(session, name, graph, lambda _: objective)


def prepare_network(
    session: Session, name: str, graph: Graph, objective_of: Callable[[keras.Model], Supervised]
) -> Prepared:
    """The network of a session, with an objective that may depend on how the network is built.

    Raises:
        UsageError: if a loss needs the whole batch, and gradients are accumulated over parts of it.
        BlueprintError: if the network does not fit the machine.
        RunError: if the examples do not fit the network.
    """
    with session.placement.scope():
        model = session.build(graph)
        objective = objective_of(model)
        _check_accumulation(objective, session.pace)
        learner = NetworkLearner(model, session.pace)
        _compile(learner, model, objective, session.optimizer(objective.optimizer), session.pace)
    tables = make_tables(session, graph, model, Wanted.of(objective))
    tell(session, tables)
    for doubt in _doubts(graph, model, objective):
        session.report(doubt)

    def behind() -> None:
        _compile(model, model, objective, learner.optimizer, PLAIN)

    task = _task(learner, tables, session.spec, objective, graph)
    return prepared(task, session, {name: model}, behind=behind)


def _check_accumulation(spec: Supervised, pace: Pace) -> None:
    if pace.accumulate == 1:
        return
    for output, tree in spec.loss.items():
        if compares_examples(build_object("loss", tree)):
            name = class_name("loss", tree)
            hint = "" if name == "Circle" else f", or give the axes of an example: {_AXES}"
            raise UsageError(
                f"the loss '{name}' of the output '{output}' needs the whole batch, which"
                f" 'accumulate' cuts: leave it out{hint}"
            )


def _doubts(graph: Graph, model: keras.Model, spec: Supervised) -> Iterator[str]:
    """What trains, and is most likely a slip: outputs that are no probabilities for their loss."""
    for output, tree in spec.loss.items():
        loss = class_name("loss", tree)
        if loss == "CTC" and ends_in(graph, model, output, "softmax"):
            yield (
                f"the output '{output}' ends in a softmax, and the loss 'CTC' takes logits: leave"
                " the activation out"
            )
        # Losses that do not care have no such choice.
        if getattr(build_object("loss", tree), "from_logits", True):
            continue
        if ends_in(graph, model, output, "linear"):
            end = "sigmoid" if loss.startswith("Binary") else "softmax"
            yield (
                f"the output '{output}' has no activation, and the loss '{loss}' takes"
                f" probabilities: end in a {end}, or say 'from_logits: true' of the loss"
            )
        values = model.output[output] if isinstance(model.output, dict) else model.output
        if values.shape[-1] == 1 and ends_in(graph, model, output, "softmax"):
            yield f"the output '{output}' is a softmax of one value, which is always 1"


def _task(
    learner: Learner, tables: Tables, spec: TrainingSpec, objective: Supervised, graph: Graph
) -> Task:
    size = spec.batch_size
    steps = tables.train.steps(size)

    def plain(start: Position) -> tf.data.Dataset:
        return training_batches(
            tables.train,
            start,
            batch_size=size,
            seed=spec.seed,
            epochs=spec.epochs,
            shuffle=spec.shuffle,
        )

    @cache
    def augmented() -> AugmentedBatches:
        # Evaluation needs none, and has not to wait until the layers are traced.
        return AugmentedBatches.of(spec, objective, graph, tables.train, plain(Position()))

    def batches(start: Position) -> tf.data.Dataset:
        if not spec.augment:
            return plain(start)
        return augmented()(plain(start), start.epoch * steps + start.batch)

    return Task(
        learner,
        batches,
        steps,
        None if tables.held_out is None else plain_batches(tables.held_out, batch_size=size),
    )


def _compile(
    learner: keras.Model,
    model: keras.Model,
    spec: Supervised,
    optimizer: keras.optimizers.Optimizer,
    pace: Pace,
) -> None:
    """Compile a model that gives what the network `model` does."""
    losses = {name: build_object("loss", tree) for name, tree in spec.loss.items()}
    metrics = {
        name: build_metrics(trees, ignored_class(spec.loss.get(name)))
        for name, trees in spec.metrics.items()
    }
    # Keras asks for a weight for every loss, or for none.
    loss_weights = {name: float(spec.loss_weights.get(name, 1)) for name in losses}
    named = isinstance(model.output, dict)
    learner.compile(
        optimizer=optimizer,
        loss=losses if named else next(iter(losses.values())),
        loss_weights=loss_weights if named else next(iter(loss_weights.values())),
        metrics=metrics if named else next(iter(metrics.values()), None),
        jit_compile=pace.xla,
        steps_per_execution=pace.steps,
    )
