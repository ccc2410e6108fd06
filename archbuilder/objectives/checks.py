"""Checks of an objective with its networks and data, after its trial run and before training."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import keras
import numpy as np
import tensorflow as tf

from archbuilder.compiler.expand.objectives import OWN_LAYERS
from archbuilder.compiler.ir import Node, TensorRef
from archbuilder.compiler.objective_ir import (
    ObjectiveGraph,
    Update,
    labels_of,
    needed_names,
    predictions_of,
)
from archbuilder.data.columns import Array, RowIndices, ValueCheck
from archbuilder.data.pipeline import AdaptedColumn, AdaptedDataset
from archbuilder.data.targets import make_label_check
from archbuilder.diagnostics.errors import BlueprintError, Diagnostics, quote
from archbuilder.formatting import plural
from archbuilder.objectives.model import trained_variables
from archbuilder.objectives.step_checks import check_feature_rows, compares_classes
from archbuilder.objectives.step_context import StepContext, select
from archbuilder.objectives.trial_run import TrialRun
from archbuilder.registry.registry import OPERATION_PREFIX
from archbuilder.trainer.log_format import LogFn

_MAX_CHECKED: Final = 2**20
"""Number of values of a column from which labels are computed at once, to check them."""


def check_gradients(trial: TrialRun, log: LogFn) -> None:
    """Check that every loss has a gradient by weights of its update, and warn about networks.

    Raises:
        BlueprintError: if a loss has none, or an update has no weights to train.
    """
    diagnostics = Diagnostics()
    for update in trial.interpreter.graph.updates:
        _check_update(update, trial, diagnostics, log)
    if diagnostics.errors:
        raise BlueprintError(diagnostics)


def check_features(trial: TrialRun) -> None:
    """Check that the features of probes are one tensor with a row for each example.

    Raises:
        BlueprintError: if those of a probe are not.
    """
    for probe in trial.interpreter.graph.probes:
        check_feature_rows(probe, select(probe.features, trial.values), trial.rows)


def _check_update(update: Update, trial: TrialRun, diagnostics: Diagnostics, log: LogFn) -> None:
    interpreter = trial.interpreter
    variables = trained_variables(update.networks, interpreter)
    title = f"the update {quote(update.name)}" if update.name else "the objective"
    if not variables:
        diagnostics.error("invalid-choice", f"{title} has no weights to train", update.span)
        return
    has_gradient: set[int] = set()
    for term, reached in zip(update.losses, _gradient_flags(update, variables, trial), strict=True):
        has_gradient |= {id(each) for each, flag in zip(variables, reached, strict=True) if flag}
        if not any(reached):
            names = [quote(each) for each in update.networks if each != OWN_LAYERS]
            diagnostics.error(
                "invalid-choice",
                f"the loss {quote(term.name)} has no gradient by the weights of"
                f" {' and '.join(names) or 'the objective'}",
                term.span,
                notes=(
                    "stop_gradient, comparisons, argmax and integers have none",
                    "name a value under 'metrics' to log it",
                ),
            )
    for name in update.networks:
        trained = {id(each) for each in trained_variables([name], interpreter)}
        if trained and has_gradient and not trained & has_gradient:
            log(
                f"warning: no loss of {title} ({update.span}) has a gradient by the weights of"
                f" '{name}', which keeps them"
            )


def _gradient_flags(
    update: Update, variables: Sequence[keras.Variable], trial: TrialRun
) -> Sequence[Sequence[bool]]:
    """Return whether there are gradients of each loss by each variable."""
    interpreter = trial.interpreter
    nodes = interpreter.graph.nodes_for([each.value for each in update.losses])
    with tf.GradientTape(persistent=True) as tape:
        values = interpreter.run(nodes, trial.inputs, StepContext(training=False, on_replica=False))
        # An integer has no gradient; TensorFlow would log a warning about one.
        losses = [tf.cast(select(each.value, values)[0], tf.float32) for each in update.losses]
    # Outside of a replica, the steps read the first of the copies of a variable.
    sources = [getattr(each.value, "values", (each.value,))[0] for each in variables]
    return [[g is not None for g in tape.gradient(each, sources)] for each in losses]


def with_label_checks(dataset: AdaptedDataset, trial: TrialRun) -> AdaptedDataset:
    """Return a dataset that checks the columns that are class indices, also in formulas.

    Raises:
        RunError: if labels in memory are out of range.
    """
    columns = {**dataset.inputs}
    for node in trial.interpreter.graph.nodes:
        if not compares_classes(node):
            continue
        name = _label_column(labels_of(node), trial)
        if name in columns:
            check = _label_check(node, columns[name], name, trial)
            column = columns[name].column.with_check(check)
            columns[name] = replace(columns[name], column=column)
    return replace(dataset, inputs=columns)


def _label_column(labels: TensorRef, trial: TrialRun) -> str:
    """Return the column that labels are, or are computed from row by row; empty if none is."""
    graph = trial.interpreter.graph
    nodes = graph.nodes_for([labels])
    needed = needed_names(nodes, [labels.node]) - {each.name for each in nodes}
    is_computed = all(each.operation.startswith(OPERATION_PREFIX) for each in nodes)
    has_rows = select(labels, trial.values)[0].shape[:1] == (trial.rows,)
    return needed.pop() if len(needed) == 1 and is_computed and has_rows else ""


def _label_check(node: Node, column: AdaptedColumn, name: str, trial: TrialRun) -> ValueCheck:
    """Return a check of the values of a column from which the labels of a loss are computed."""
    labels, predictions = labels_of(node), predictions_of(node)
    nodes = trial.interpreter.graph.nodes_for([labels])
    # The trial has a single value for each axis of unknown size.
    shape = tuple(select(labels, trial.values)[0].shape[1:]) if nodes else column.column.shape
    ignored = node.argument("ignore_class")
    check = make_label_check(
        column.column,
        str(predictions),
        (*shape, select(predictions, trial.values)[0].shape[-1]),
        ignored if isinstance(ignored, int) else None,
        shape,
    )

    def check_computed(values: Array, rows: RowIndices) -> None:
        size = max(1, _MAX_CHECKED // max(math.prod(values.shape[1:]), 1))
        for start in range(0, len(values), size):
            tensors = {name: (column.adapter(tf.constant(values[start : start + size])),)}
            context = StepContext(training=False, on_replica=False)
            computed = trial.interpreter.run(nodes, tensors, context)
            check(np.asarray(select(labels, computed)[0]), rows[start : start + size])

    return check_computed if nodes else check


def warn_of_long_memories(objective: ObjectiveGraph, dataset: AdaptedDataset, log: LogFn) -> None:
    """Warn about memories with more rows than the training set."""
    num_examples = len(dataset.rows)
    for memory in objective.memories:
        if memory.length > num_examples:
            log(
                f"warning: the memory '{memory.name}' ({memory.span}) has"
                f" {plural(memory.length, 'row')}, and the training set has only"
                f" {plural(num_examples, 'example')}, so that some are in it several times"
            )
