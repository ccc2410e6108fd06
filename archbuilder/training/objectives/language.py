"""What the objectives of language have in common."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TypeAlias

import keras
import numpy as np
import tensorflow as tf

from archbuilder.errors import RunError, UsageError
from archbuilder.graph import Graph
from archbuilder.training.activations import ends_in
from archbuilder.training.adapt import Adaptation
from archbuilder.training.batches import Input, Table, plain_batches, training_batches
from archbuilder.training.checkpoints import Position
from archbuilder.training.columns import Column
from archbuilder.training.examples import Examples
from archbuilder.training.fit import Task, prepared
from archbuilder.training.network_learner import NetworkLearner
from archbuilder.training.session import Prepared, Session
from archbuilder.training.tables import Tables, halves, only_network, tell
from archbuilder.training.text.vocabulary import Vocabulary
from archbuilder.tree import Tree

Tokens: TypeAlias = dict[str, tf.Tensor]
"""Tokens by the name of their column."""
Dressed: TypeAlias = tuple[Tokens, Tokens, Tokens]
"""Inputs by name, and targets and their weights by output; no weights where all count the same."""
Dress: TypeAlias = Callable[[tf.Tensor, Tokens], Dressed]
"""What a network is given at a step, of the tokens of that step."""

_HELD_OUT = 2**31 - 1
"""The first step of the held-out examples, which counts down: it is of no run."""


@dataclass(frozen=True, slots=True, eq=False)
class LanguageTask:
    """How a network is trained on the tokens of `columns`, as `dress` gives them to it."""

    columns: Callable[[Examples], Mapping[str, Column]]
    dress: Dress
    losses: Mapping[str, keras.losses.Loss]
    optimizer: Tree


def vocabulary_of(session: Session, objective: str, source: str) -> Vocabulary:
    """The vocabulary of the examples, which come from a source `text` or `pairs`.

    Raises:
        UsageError: if they, or those to validate with, come from another one.
    """
    vocabulary = session.examples.known.vocabulary
    if vocabulary is None:
        raise UsageError(
            f"the objective '{objective}' trains on text, and the data is"
            f" {session.examples.origin}; as in 'data: {{{source}: ...}}'"
        )
    for examples in (session.examples, session.validation):
        if examples is not None and _source_of(examples) != source:
            raise UsageError(
                f"the objective '{objective}' needs {source}: 'data: {{{source}: ...}}', and"
                f" {examples.origin} is none"
            )
    return vocabulary


def _source_of(examples: Examples) -> str:
    if examples.known.vocabulary is None:
        return ""
    return "pairs" if examples.texts is None else "text"


def check_inputs(graph: Graph, needed: Collection[str], known: Collection[str]) -> None:
    """Hold a network to the inputs that an objective gives.

    Raises:
        UsageError: if it lacks one that is `needed`, or has one that is not `known`.
    """
    names = [each.name for each in graph.inputs]
    missing = [name for name in needed if name not in names]
    other = [name for name in names if name not in known]
    if missing or other:
        raise UsageError(
            f"the network '{graph.name}' has the inputs {', '.join(names)}; the objective gives"
            f" {', '.join(known)}"
        )


def check_outputs(graph: Graph, model: keras.Model, output: str, vocabulary: Vocabulary) -> None:
    """Hold an output to one value for each token of the vocabulary at every position.

    Raises:
        RunError: if it has less, or other axes.
    """
    tensor = model.output[output] if isinstance(model.output, dict) else model.output
    shape = tuple(tensor.shape[1:])
    if len(shape) != 2:
        raise RunError(
            f"the output '{output}' of the network '{graph.name}' gives {list(shape)}, and not"
            " values for every position of the text"
        )
    if shape[-1] is None or shape[-1] < vocabulary.size:
        raise RunError(
            f"the text has {vocabulary.size:,} kinds of tokens, and the output '{output}' gives"
            f" {shape[-1]:,} values: the network's vocabulary has to be as large"
        )


def crossentropy(graph: Graph, model: keras.Model, output: str) -> keras.losses.Loss:
    """The loss of an output of classes by number, which may end in a softmax."""
    logits = not ends_in(graph, model, output, "softmax")
    return keras.losses.SparseCategoricalCrossentropy(
        from_logits=logits, reduction="mean_with_sample_weight"
    )


def prepare_language(
    session: Session,
    objective: str,
    task_of: Callable[[Graph, keras.Model], LanguageTask],
) -> Prepared:
    """The network of a session, ready to be trained and judged.

    Raises:
        UsageError: if the blueprint has several networks.
        BlueprintError: if the network does not fit the machine.
        RunError: if the examples do not fit the network.
    """
    name, graph = only_network(session, objective)
    with session.placement.scope():
        model = session.build(graph)
        task = task_of(graph, model)
        learner = _learner(model, graph, task, session)
    tables = halves(session, lambda examples: _table(examples, task))
    tell(session, tables)
    return prepared(_task(session, learner, tables, task), session, {name: model})


def _learner(
    model: keras.Model, graph: Graph, task: LanguageTask, session: Session
) -> NetworkLearner:
    """The network with its inputs and outputs by name."""
    # Keras lists inputs in the order of their names.
    given = model.input
    inputs = given if isinstance(given, dict) else {graph.inputs[0].name: given}
    named = isinstance(model.output, dict)
    outputs = model.output if named else {graph.outputs[0][0]: model.output}
    learner = NetworkLearner(keras.Model(inputs, outputs), session.pace)
    learner.compile(
        optimizer=session.optimizer(task.optimizer),
        loss=dict(task.losses),
        weighted_metrics={
            output: [keras.metrics.SparseCategoricalAccuracy("accuracy")] for output in task.losses
        },
        jit_compile=session.pace.xla,
        steps_per_execution=session.pace.steps,
    )
    return learner


def _table(examples: Examples, task: LanguageTask) -> tuple[Table, tuple[str, ...]]:
    columns = task.columns(examples)
    count = next(iter(columns.values())).count
    whole = Adaptation((lambda tokens: tf.cast(tokens, tf.int32),), ())
    inputs = {name: Input(column, whole) for name, column in columns.items()}
    rows = np.arange(count, dtype=np.int64)
    return Table(inputs, {}, rows, named_inputs=True, named_outputs=True), examples.remarks


def _task(session: Session, learner: NetworkLearner, tables: Tables, task: LanguageTask) -> Task:
    spec, size = session.spec, session.spec.batch_size
    steps = tables.train.steps(size)
    feed = partial(_dressed, task, learner.network)

    def batches(start: Position) -> tf.data.Dataset:
        found = training_batches(
            tables.train,
            start,
            batch_size=size,
            seed=spec.seed,
            epochs=spec.epochs,
            shuffle=spec.shuffle,
        )
        return feed(found, tf.data.Dataset.counter(start.epoch * steps + start.batch))

    validation = None
    if tables.held_out is not None:
        found = plain_batches(tables.held_out, batch_size=size)
        validation = feed(found, tf.data.Dataset.counter(_HELD_OUT, -1))
    return Task(learner, batches, steps, validation)


def _dressed(
    task: LanguageTask, network: keras.Model, batches: tf.data.Dataset, steps: tf.data.Dataset
) -> tf.data.Dataset:
    dtypes = {name: tensor.dtype for name, tensor in network.input.items()}

    def dress(step: tf.Tensor, batch: tuple[Tokens, object]) -> tuple[Tokens, ...]:
        inputs, targets, weights = task.dress(tf.cast(step, tf.int32), batch[0])
        x = {name: tf.cast(inputs[name], dtype) for name, dtype in dtypes.items()}
        return (x, targets, weights) if weights else (x, targets)

    dressed = tf.data.Dataset.zip((steps, batches)).map(
        dress, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True
    )
    return dressed.prefetch(tf.data.AUTOTUNE)
