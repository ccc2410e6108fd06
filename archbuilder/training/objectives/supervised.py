"""Supervised training: one network, and a target for each output that has a loss or a metric."""

from __future__ import annotations

from dataclasses import dataclass, replace

import keras
import numpy as np
import tensorflow as tf

from archbuilder.backend import build
from archbuilder.backend.objects import build_object
from archbuilder.errors import RunError, UsageError, shown
from archbuilder.graph import Graph, Shape
from archbuilder.recipe.spec import TrainingSpec
from archbuilder.training.adapt import adapt
from archbuilder.training.batches import Input, Table, plain_batches, training_batches
from archbuilder.training.examples import Examples
from archbuilder.training.order import split
from archbuilder.training.session import Outcome, Session
from archbuilder.training.targets import Target, fit_target
from archbuilder.training.watching import HELD_OUT, EpochWriter, FiniteLoss


def train_supervised(session: Session) -> Outcome:
    """The trained network of a session.

    Raises:
        UsageError: if the blueprint has several networks.
        BlueprintError: if the network does not fit the machine.
        RunError: if the examples do not fit the network, or the training fails.
    """
    if len(session.graphs) != 1:
        raise UsageError(
            f"the objective 'supervised' trains one network, and this blueprint has"
            f" {len(session.graphs)}: {', '.join(session.graphs)}"
        )
    ((name, graph),) = session.graphs.items()
    with session.placement.scope():
        model = build(graph, session.limits)
        _compile(model, session.spec)
    tables = _tables(session, graph, model)
    for remark in tables.remarks:
        session.report(remark)
    history = _fit(model, tables, session)
    held_out = {
        key.removeprefix(HELD_OUT): value
        for key, value in history[-1].items()
        if key.startswith(HELD_OUT)
    }
    return Outcome({name: model}, history, held_out)


@dataclass(frozen=True, slots=True, eq=False)
class _Tables:
    """What is trained on and what is held out, and what was done to make them fit."""

    train: Table
    held_out: Table | None
    remarks: tuple[str, ...]


def _compile(model: keras.Model, spec: TrainingSpec) -> None:
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


def _tables(session: Session, graph: Graph, model: keras.Model) -> _Tables:
    table, remarks = _table(session.examples, session.spec, graph, model)
    rows = table.rows
    if session.validation is not None:
        held_out, _ = _table(session.validation, session.spec, graph, model)
        return _Tables(table, held_out, remarks)
    if session.spec.validation == 0 or len(rows) == 1:
        return _Tables(table, None, remarks)
    train, held = split(len(rows), session.spec.seed, session.spec.validation)
    return _Tables(replace(table, rows=train), replace(table, rows=held), remarks)


def _table(
    examples: Examples, spec: TrainingSpec, graph: Graph, model: keras.Model
) -> tuple[Table, tuple[str, ...]]:
    names = tuple(each.name for each in graph.inputs)
    used = tuple(name for name, _ in graph.outputs if name in {*spec.loss, *spec.metrics})
    fitted = examples.for_network(names, used)
    inputs = {
        each.name: Input(fitted.inputs[each.name].values, adapt(fitted.inputs[each.name], each))
        for each in graph.inputs
    }
    shapes = _output_shapes(graph, model)
    targets = {
        name: fit_target(fitted.targets[name], name, shapes[name], spec.loss.get(name))
        for name in used
    }
    # Keras wants a target for every output, even for one that has no loss.
    unused = Target(np.zeros(examples.count, np.float32), None)
    everything = {name: targets.get(name, unused) for name in shapes}
    remarks = [*fitted.remarks]
    remarks += [remark for each in inputs.values() for remark in each.adaptation.remarks]
    remarks += [each.remark for each in targets.values() if each.remark]
    table = Table(
        inputs,
        everything,
        np.arange(examples.count, dtype=np.int64),
        named_inputs=isinstance(model.input, dict) or len(inputs) > 1,
        named_outputs=isinstance(model.output, dict),
    )
    return table, tuple(remarks)


def _output_shapes(graph: Graph, model: keras.Model) -> dict[str, Shape]:
    if isinstance(model.output, dict):
        return {name: tuple(tensor.shape[1:]) for name, tensor in model.output.items()}
    return {graph.outputs[0][0]: tuple(model.output.shape[1:])}


def _fit(model: keras.Model, tables: _Tables, session: Session) -> tuple[dict[str, float], ...]:
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
