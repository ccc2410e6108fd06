"""The function that Keras's `fit` and `evaluate` call for the steps of one execution."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, TypeAlias, TypeVar

import keras
import tensorflow as tf

Logs: TypeAlias = dict[str, tf.Tensor]
"""What a step returns: losses and metrics of the epoch so far, by name."""
_Value = TypeVar("_Value")


def make_step_function(
    step: Callable[[Any, tf.Tensor | None], Logs],
    finish_step: Callable[[list[Logs]], Logs],
    model: keras.Model,
) -> Callable[[object], Logs]:
    """Return a function that takes `model.execution_steps` steps, one batch of an iterator each.

    Args:
        step: Runs on every replica, with its part of the batch and whether that part counts.
        finish_step: Runs outside of the replicas after each step, with the logs of those of this
            process, and returns the logs to report.
        model: A compiled model, whose strategy, XLA and `steps_per_execution` are used.
    """
    strategy = model.distribute_strategy
    if model.jit_compile:
        step = tf.function(step, autograph=False, jit_compile=True, reduce_retracing=True)

    # Nothing in a step needs AutoGraph, which takes one to two seconds of a run to convert it.
    # `run_steps` needs it, but for nothing that it calls.
    @tf.autograph.experimental.do_not_convert
    def run_step(batches: Iterator[Any]) -> Logs:
        batch = next(batches)
        # `DeviceSetup.distribute_batches` gives each replica its part of a batch, and whether the
        # part counts.
        arguments = (batch, None) if strategy.num_replicas_in_sync == 1 else batch
        return finish_step(local_replica_values(strategy, strategy.run(step, args=arguments)))

    traced_run_step: Callable[[object], Logs] = tf.function(run_step, reduce_retracing=True)
    if model.steps_per_execution == 1:
        return traced_run_step
    # A nested tf.function is traced once for both calls below. On several replicas, the collective
    # operations of one call would be mistaken for those of the other, so each call is traced.
    call_step = traced_run_step if strategy.num_replicas_in_sync == 1 else run_step

    def run_steps(batches: Iterator[object], count: tf.Tensor) -> Logs:
        # The logs have no value before the first step, so the last step is outside of the loop.
        for _ in tf.range(count - 1):
            call_step(batches)
        return call_step(batches)

    traced_run_steps = tf.function(run_steps, reduce_retracing=True)
    # A Python number would trace the function again for each number of steps.
    return lambda batches: traced_run_steps(batches, tf.constant(model.execution_steps))


def local_replica_values(strategy: tf.distribute.Strategy, value: _Value) -> list[_Value]:
    """Return what each replica of this process has of a value, or of each value in it."""
    leaves = [strategy.experimental_local_results(each) for each in keras.tree.flatten(value)]
    return [keras.tree.pack_sequence_as(value, each) for each in zip(*leaves, strict=True)]
