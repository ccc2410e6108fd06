"""Weights of losses and momenta of copies that depend on the step."""

from __future__ import annotations

from dataclasses import replace

import keras
import tensorflow as tf

from archbuilder.compiler.objective_ir import ObjectiveGraph, ScheduledNumber
from archbuilder.compiler.relative_steps import check_boundaries, resolve_relative_steps
from archbuilder.diagnostics.errors import Diagnostics
from archbuilder.keras_backend import build_object


def resolve_schedules(objective: ObjectiveGraph, batch_count: int) -> ObjectiveGraph:
    """Return an objective whose schedules have numbers of steps in place of percentages.

    Args:
        objective: The objective.
        batch_count: Number of batches in the whole run.

    Raises:
        BlueprintError: if Keras rejects a schedule.
    """
    updates = []
    for update in objective.updates:
        steps = batch_count * update.steps
        losses = [replace(each, weight=_resolve(each.weight, steps)) for each in update.losses]
        updates.append(replace(update, losses=tuple(losses)))
    copies = [
        replace(each, momentum=_resolve(each.momentum, batch_count)) for each in objective.copies
    ]
    return replace(objective, updates=tuple(updates), copies=tuple(copies))


def _resolve(number: ScheduledNumber, total_steps: int) -> ScheduledNumber:
    if isinstance(number, float):
        return number
    resolved = resolve_relative_steps(number, total_steps)
    diagnostics = Diagnostics()
    check_boundaries(resolved, diagnostics, allow_equal=True)
    diagnostics.raise_errors()
    # Keras reports arguments that it rejects before training, and not in the first step.
    number_at(resolved, tf.constant(0))
    return resolved


def number_at(number: ScheduledNumber, step: tf.Tensor) -> float | tf.Tensor:
    """Return what a number is at a step, from 0 on."""
    if isinstance(number, float):
        return number
    schedule = build_object(number)
    if not isinstance(schedule, keras.optimizers.schedules.LearningRateSchedule):
        raise TypeError(f"{schedule!r} is not a schedule")
    return tf.cast(schedule(step), tf.float32)
