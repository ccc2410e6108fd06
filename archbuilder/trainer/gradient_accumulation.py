"""Accumulate gradients over the microbatches of a batch."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import TypeAlias

import tensorflow as tf

from archbuilder.distribution.slices import (
    Batch,
    Microbatch,
    count_examples,
    map_tensors,
    slice_batch,
    slice_bounds,
)

Gradients: TypeAlias = list[tf.Tensor | None]
"""A gradient for each variable; None where the loss does not depend on the variable."""


def split_microbatches(
    replica_batch: Microbatch[Batch], num_microbatches: int
) -> Iterator[Microbatch[Batch]]:
    """Yield the microbatches of the part of a batch that a replica has."""
    if num_microbatches == 1:
        yield replica_batch
        return
    batch, is_counted = replica_batch.examples, replica_batch.is_counted
    num_examples = count_examples(batch)
    for index in range(num_microbatches):
        begin, end, is_microbatch_counted = slice_bounds(num_examples, index, num_microbatches)
        if is_counted is not None:
            is_microbatch_counted = tf.logical_and(is_microbatch_counted, is_counted)
        # An uncounted microbatch still has examples: layers fail on empty batches.
        fraction = tf.cast((end - begin) / num_examples, tf.float32) * tf.cast(
            is_microbatch_counted, tf.float32
        )
        yield Microbatch(
            slice_batch(batch, begin, end), replica_batch.share * fraction, is_microbatch_counted
        )


def accumulate_gradients(
    microbatches: Iterable[Microbatch[Batch]],
    compute_gradients: Callable[[Microbatch[Batch]], Gradients],
) -> Gradients:
    """Return the sums of the gradients of all microbatches, which are computed in sequence."""
    sums: Gradients = []
    for microbatch in microbatches:
        if not sums:
            sums = compute_gradients(microbatch)
        else:
            # Without the dependency TensorFlow may run the microbatches in parallel, and would
            # then hold the activations of all of them in memory.
            with tf.control_dependencies([each for each in sums if each is not None]):
                examples = map_tensors(tf.identity, microbatch.examples)
            gradients = compute_gradients(replace(microbatch, examples=examples))
            sums = [
                None if total is None else total + gradient
                for total, gradient in zip(sums, gradients, strict=True)
            ]
    return sums
