"""Checks of an objective with its networks and data, after its trial run and before training."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import keras
import tensorflow as tf

from archbuilder.compiler.expand.objectives import OWN_LAYERS
from archbuilder.compiler.objective_ir import ObjectiveGraph, Update, labels_of, predictions_of
from archbuilder.data.pipeline import AdaptedDataset
from archbuilder.data.targets import make_label_check
from archbuilder.diagnostics.errors import BlueprintError, Diagnostics, quote
from archbuilder.formatting import plural
from archbuilder.objectives.model import trained_variables
from archbuilder.objectives.step_checks import compares_classes
from archbuilder.objectives.step_context import StepContext, select
from archbuilder.objectives.trial_run import TrialRun
from archbuilder.trainer.log_format import LogFn


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
    diagnostics = Diagnostics()
    for probe in trial.interpreter.graph.probes:
        tensors = select(probe.features, trial.values)
        if len(tensors) > 1:
            message = f"'{probe.features}' has {len(tensors)} outputs; select one"
            diagnostics.error("unknown-output", message, probe.span)
        elif tensors[0].shape[:1] != (trial.rows,):
            diagnostics.error(
                "invalid-inputs",
                f"'{probe.features}' has no row for each example, which the features of a probe"
                " need",
                probe.span,
            )
    diagnostics.raise_errors()


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
    """Return a dataset that checks the columns which a loss compares as class indices.

    Raises:
        RunError: if labels in memory are out of range.
    """
    columns = {**dataset.inputs}
    for node in trial.interpreter.graph.nodes:
        if not compares_classes(node):
            continue
        labels, predictions = labels_of(node), predictions_of(node)
        column = columns.get(labels.node)
        if column is None:
            continue
        ignored = node.argument("ignore_class")
        check = make_label_check(
            column.column,
            str(predictions),
            # The trial has a single value for each axis of unknown size.
            (*column.column.shape, select(predictions, trial.values)[0].shape[-1]),
            ignored if isinstance(ignored, int) else None,
        )
        columns[labels.node] = replace(column, column=column.column.with_check(check))
    return replace(dataset, inputs=columns)


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
