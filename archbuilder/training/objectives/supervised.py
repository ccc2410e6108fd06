"""Supervised training: one network, and a target for each output that has a loss or a metric."""

from __future__ import annotations

import keras
import tensorflow as tf

from archbuilder.backend import build
from archbuilder.backend.objects import build_object
from archbuilder.errors import RunError, shown
from archbuilder.recipe.spec import Supervised
from archbuilder.training.batches import plain_batches, training_batches
from archbuilder.training.session import Outcome, Session
from archbuilder.training.tables import Tables, make_tables, only_network
from archbuilder.training.watching import HELD_OUT, EpochWriter, FiniteLoss


def train_supervised(session: Session) -> Outcome:
    """The trained network of a session.

    Raises:
        UsageError: if the blueprint has several networks.
        BlueprintError: if the network does not fit the machine.
        RunError: if the examples do not fit the network, or the training fails.
    """
    objective = session.objective(Supervised)
    name, graph = only_network(session, "supervised")
    with session.placement.scope():
        model = build(graph, session.limits)
        _compile(model, objective)
    used = {*objective.loss, *objective.metrics}
    tables = make_tables(session, graph, model, used, objective.loss)
    for remark in tables.remarks:
        session.report(remark)
    history = _fit(model, tables, session)
    held_out = {
        key.removeprefix(HELD_OUT): value
        for key, value in history[-1].items()
        if key.startswith(HELD_OUT)
    }
    return Outcome({name: model}, history, held_out)


def _compile(model: keras.Model, spec: Supervised) -> None:
    losses = {name: build_object("loss", tree) for name, tree in spec.loss.items()}
    metrics = {
        name: [build_object("metric", tree) for tree in trees]
        for name, trees in spec.metrics.items()
    }
    named = isinstance(model.output, dict)
    on_gpu = bool(tf.config.list_logical_devices("GPU"))
    model.compile(
        optimizer=build_object("optimizer", spec.optimizer),
        loss=losses if named else next(iter(losses.values())),
        # Keras asks for a weight for every loss, or for none.
        loss_weights={name: spec.loss_weights.get(name, 1.0) for name in losses} if named else None,
        metrics=metrics if named else next(iter(metrics.values()), None),
        # XLA halves the speed of small networks on a processor, and wins on a GPU.
        jit_compile="auto" if on_gpu else False,
    )


def _fit(model: keras.Model, tables: Tables, session: Session) -> tuple[dict[str, float], ...]:
    spec, report = session.spec, session.report
    held = 0 if tables.held_out is None else len(tables.held_out.rows)
    report(f"{len(tables.train.rows):,} examples to train on, {held:,} held out")
    batches = training_batches(
        tables.train, batch_size=spec.batch_size, seed=spec.seed, epochs=spec.epochs
    )
    validation = (
        None
        if tables.held_out is None
        else plain_batches(tables.held_out, batch_size=spec.batch_size)
    )
    writer = EpochWriter(session.run, spec.epochs, report)
    try:
        model.fit(
            batches,
            epochs=spec.epochs,
            steps_per_epoch=tables.train.steps(spec.batch_size),
            validation_data=validation,
            callbacks=[FiniteLoss(), writer],
            shuffle=False,  # the batches come in our own order
            verbose=0,
        )
    except tf.errors.ResourceExhaustedError as error:
        raise RunError(
            "the memory is too small for this network and batch; lower 'batch_size'"
        ) from error
    except (ValueError, TypeError, tf.errors.OpError) as error:
        raise RunError(f"Keras stopped the training: {_reason(error)}") from error
    return tuple(dict(row) for row in writer.rows)


def _reason(error: Exception) -> str:
    """The first line of Keras's message, safe to print."""
    lines = str(error).strip().splitlines()
    return shown(lines[0], 300) if lines else type(error).__name__
