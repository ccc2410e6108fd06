"""Makes what a network is trained on, and what is held out, of the examples of a session."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace

import keras
import numpy as np

from archbuilder.errors import RunError, UsageError, shown
from archbuilder.graph import Graph, GraphInput, Shape
from archbuilder.recipe.spec import Supervised, TrainingSpec
from archbuilder.tables import plural
from archbuilder.training.batches import Table
from archbuilder.training.columns import Column, Held
from archbuilder.training.data_errors import located_data_errors
from archbuilder.training.examples import ONLY, Examples, Feature
from archbuilder.training.indices import indices_of
from archbuilder.training.inputs import fit_input
from archbuilder.training.order import split, split_behind
from archbuilder.training.sample_weights import (
    ClassWeights,
    SampleWeights,
    Weights,
    weigh_classes,
    weigh_samples,
    weighed_axes,
)
from archbuilder.training.session import Session
from archbuilder.training.targets import Target, fit_target
from archbuilder.tree import Tree


@dataclass(frozen=True, slots=True, eq=False)
class Tables:
    """What is trained on and what is held out, and what was done to make them fit."""

    train: Table
    held_out: Table | None
    remarks: tuple[str, ...]
    split: str = ""
    """How the validation set was split off, in words; empty if it is a data set of its own."""


def tell(session: Session, tables: Tables) -> None:
    """Report what was done to the examples, and how many of them there are."""
    tell_remarks(session, tables)
    held = 0 if tables.held_out is None else len(tables.held_out.rows)
    if session.judged is not None:
        session.report(f"{plural(held, 'example')} to judge")
        return
    trained = plural(len(tables.train.rows), "example")
    session.report(f"{trained} to train on, {held:,} held out" + tables.split)


def tell_remarks(session: Session, tables: Tables) -> None:
    """Report what was done to the examples.

    Where a trained network is judged by other examples, that is what was done to those.
    """
    remarks = tables.remarks
    if session.judged is not None:
        own = session.examples.remarks
        remarks = (*(each for each in remarks if each not in own), *session.judged.remarks)
    for remark in remarks:
        session.report(remark)


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which outputs are compared with something, by which losses, and what else goes where."""

    used: Collection[str] = ()
    losses: Mapping[str, Tree] = field(default_factory=dict)
    metrics: Mapping[str, Sequence[Tree]] = field(default_factory=dict)
    inputs: Mapping[str, str] = field(default_factory=dict)
    """Inputs that are given the target of an output."""
    targets: Mapping[str, str] = field(default_factory=dict)
    """Outputs that are compared with an input."""
    class_weights: Mapping[str, Mapping[str, float]] = field(default_factory=dict)

    @classmethod
    def of(cls, objective: Supervised) -> Wanted:
        """What a supervised objective wants."""
        return cls(
            {*objective.loss, *objective.metrics},
            objective.loss,
            objective.metrics,
            objective.inputs,
            objective.targets,
            objective.class_weights,
        )


def only_network(session: Session, objective: str) -> tuple[str, Graph]:
    """The one network of a session with its name.

    Raises:
        UsageError: if the blueprint has several.
    """
    if len(session.graphs) != 1:
        raise UsageError(
            f"the objective '{objective}' trains one network, and this blueprint has"
            f" {len(session.graphs)}: {', '.join(session.graphs)}"
        )
    ((name, graph),) = session.graphs.items()
    return name, graph


def make_tables(
    session: Session,
    graph: Graph,
    model: keras.Model,
    wanted: Wanted | None = None,
) -> Tables:
    """The tables for a network, with those targets that are wanted.

    Raises:
        RunError: if the examples do not fit the network.
    """
    return halves(session, lambda examples: _table(examples, graph, model, wanted or Wanted()))


def halves(session: Session, make: Callable[[Examples], tuple[Table, tuple[str, ...]]]) -> Tables:
    """The tables of the examples to train on, and of those that are held out.

    A share of the examples is held out as `splits_off_last` says.
    """
    with located_data_errors(session.examples.place):
        table, remarks = make(session.examples)
    if session.validation is not None:
        with located_data_errors(session.validation.place):
            held_out, _ = make(session.validation)
        return Tables(table, held_out.without_class_weights(), remarks)
    if session.spec.validation == 0 or len(table.rows) == 1:
        return Tables(table, None, remarks)
    last = splits_off_last(session.examples, session.spec)
    cut = split_behind if last else split
    train, held = cut(len(table.rows), session.spec.seed, session.spec.validation)
    held_out = replace(table, rows=held).without_class_weights()
    return Tables(replace(table, rows=train), held_out, remarks, split_words(last=last))


def splits_off_last(examples: Examples, spec: TrainingSpec) -> bool:
    """Return whether the validation set is the end of the data rather than a random part of it.

    It is the end of a text, whose pieces tell much of the pieces beside them, and of all data that
    is not shuffled, such as a time series.
    """
    return examples.texts is not None or not spec.shuffle


def split_words(*, last: bool) -> str:
    """Return how a validation set was split off, as it stands behind the number of its examples."""
    return " (the last ones)" if last else " (chosen at random)"


def _table(
    examples: Examples,
    graph: Graph,
    model: keras.Model,
    wanted: Wanted,
) -> tuple[Table, tuple[str, ...]]:
    names = tuple(each.name for each in graph.inputs if each.name not in wanted.inputs)
    used = {*wanted.used, *wanted.inputs.values()} - set(wanted.targets)
    fitted = examples.for_network(names, tuple(name for name, _ in graph.outputs if name in used))
    features = {
        **fitted.inputs,
        **{name: Feature(fitted.targets[output]) for name, output in wanted.inputs.items()},
    }
    indices = indices_of(graph)
    inputs = {
        each.name: fit_input(features[each.name], each, indices.get(each.name, ()))
        for each in graph.inputs
    }
    shapes = _output_shapes(graph, model)
    targets = {
        name: _target(examples, column, name, shapes[name], wanted)
        for name, column in fitted.targets.items()
    }
    again = {
        name: fit_input(features[each], GraphInput(name, shapes[name], "float32", graph.span))
        for name, each in wanted.targets.items()
    }
    # Keras wants a target for every output, even for one that has no loss.
    unused = Target(Held(np.zeros(examples.count, np.float32)), np.dtype(np.float32))
    everything = {name: again.get(name, targets.get(name, unused)) for name in shapes}
    remarks = [*fitted.remarks]
    remarks += [
        remark for each in (*inputs.values(), *again.values()) for remark in each.adaptation.remarks
    ]
    remarks += [each.remark for each in targets.values() if each.remark]
    table = Table(
        inputs,
        everything,
        np.arange(examples.count, dtype=np.int64),
        named_inputs=isinstance(model.input, dict) or len(inputs) > 1,
        named_outputs=isinstance(model.output, dict),
        weights=_weights(examples, targets, wanted, shapes),
    )
    return table, tuple(remarks)


def _target(
    examples: Examples, column: Column, output: str, shape: Shape, wanted: Wanted
) -> Target:
    loss, metrics = wanted.losses.get(output), wanted.metrics.get(output, ())
    try:
        return fit_target(column, output, shape, loss, metrics)
    except RunError as error:
        if column.shape or len(shape) < 2 or not examples.target:
            raise
        raise RunError(
            f"{error}; {examples.origin} has one target, {examples.target}: for a target with axes,"
            " such as a mask, store inputs and targets as arrays for the source npz or npy"
        ) from None


def _weights(
    examples: Examples,
    targets: Mapping[str, Target],
    wanted: Wanted,
    shapes: Mapping[str, Shape],
) -> dict[str, Weights]:
    """What examples count in the losses of outputs, by class and as the data says.

    Raises:
        RunError: if there are weights of an output that has no loss, or that do not fit it.
    """
    factors: dict[str, list[ClassWeights | SampleWeights]] = {}
    classes = examples.known.legend.classes
    axes = {name: weighed_axes(shape, wanted.losses.get(name)) for name, shape in shapes.items()}
    for name, weights in wanted.class_weights.items():
        loss, names = wanted.losses.get(name), classes.get(name, classes.get(ONLY, ()))
        factors.setdefault(name, []).append(
            weigh_classes(targets.get(name), name, weights, shapes[name], loss, names)
        )
    for name, column in examples.weights.items():
        outputs = [*wanted.losses] if name == ONLY else [name]
        if not wanted.losses or not {*outputs} <= {*wanted.losses}:
            raise RunError(
                f"{examples.origin} has weights of examples"
                + (f" for {shown(name)}" if name else "")
                + ", and nothing here has a loss that they weigh"
            )
        for output in outputs:
            factors.setdefault(output, []).append(weigh_samples(column, output, axes[output]))
    return {name: Weights(tuple(each), len(axes[name])) for name, each in factors.items()}


def _output_shapes(graph: Graph, model: keras.Model) -> dict[str, Shape]:
    if isinstance(model.output, dict):
        return {name: tuple(tensor.shape[1:]) for name, tensor in model.output.items()}
    return {graph.outputs[0][0]: tuple(model.output.shape[1:])}
