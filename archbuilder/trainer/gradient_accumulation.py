"""Accumulate gradients over the microbatches of a batch."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import TypeAlias

import tensorflow as tf

from archbuilder.distribution.slices import (
    Batch,
    BatchSlice,
    count_examples,
    map_tensors,
    slice_batch,
    slice_bounds,
)

Gradients: TypeAlias = list[tf.Tensor | None]
"""A gradient for each variable; None where the loss does not depend on the variable."""


def split_microbatches(
    replica_slice: BatchSlice[Batch], num_microbatches: int
) -> Iterator[BatchSlice[Batch]]:
    """Yield the microbatches of the slice of a batch that a replica has."""
    if num_microbatches == 1:
        yield replica_slice
        return
    batch = replica_slice.data
    num_examples = count_examples(batch)
    for index in range(num_microbatches):
        begin, end, is_duplicate = slice_bounds(num_examples, index, num_microbatches)
        if replica_slice.is_duplicate is not None:
            is_duplicate = tf.logical_or(is_duplicate, replica_slice.is_duplicate)
        fraction = replica_slice.fraction * tf.cast((end - begin) / num_examples, tf.float32)
        # A duplicate still has examples: layers fail on empty batches.
        microbatch = BatchSlice(slice_batch(batch, begin, end), fraction, is_duplicate)
        yield replace(microbatch, fraction=microbatch.zero_if_duplicate(fraction))


def accumulate_gradients(
    microbatches: Iterable[BatchSlice[Batch]],
    compute_gradients: Callable[[BatchSlice[Batch]], Gradients],
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
                data = map_tensors(tf.identity, microbatch.data)
            gradients = compute_gradients(replace(microbatch, data=data))
            sums = [
                None if total is None else total + gradient
                for total, gradient in zip(sums, gradients, strict=True)
            ]
    return sums
