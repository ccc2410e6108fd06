"""Slices of a batch: one for each replica, and one for each pass of gradient accumulation.

A batch with fewer examples than slices cannot be cut, since layers fail on empty batches. All
slices are then the whole batch, and all but the first of them are duplicates, which do not count.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

import tensorflow as tf

Batch = TypeVar("Batch")
Index = TypeVar("Index", int, tf.Tensor)
Tensors = TypeVar("Tensors", tf.Tensor, list[tf.Tensor])


@dataclass(frozen=True, slots=True, eq=False)
class BatchSlice(Generic[Batch]):
    """A slice of a batch: for a replica, or a microbatch of gradient accumulation."""

    data: Batch
    fraction: tf.Tensor
    """Scalar: the fraction of the global batch in this slice. The fractions of all slices sum to 1.
    """
    is_duplicate: tf.Tensor | None = None
    """Boolean scalar: whether the slice repeats another one; None if no slice does."""

    def zero_if_duplicate(self, value: tf.Tensor) -> tf.Tensor:
        """Return what the slice adds to a sum over all slices: the value, or 0 for a duplicate."""
        if self.is_duplicate is None:
            return value
        return value * tf.cast(tf.logical_not(self.is_duplicate), value.dtype)


def slice_start(count: Index, index: Index, num_slices: int) -> Index:
    """Return where slice `index` begins among `count` examples; `num_slices` gives its end."""
    # Multiply first: sizes then differ by one at most, and the slices cover all examples.
    return count * index // num_slices


def slice_bounds(
    count: tf.Tensor, index: int | tf.Tensor, num_slices: int, group_size: int = 1
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Return the bounds of slice `index` among `count` examples, and whether it is a duplicate.

    So many consecutive examples, of which `count` is a multiple, stay in one slice.
    """
    groups = count // group_size
    begin = slice_start(groups, index, num_slices) * group_size
    end = slice_start(groups, index + 1, num_slices) * group_size
    is_uncut = groups < num_slices
    begin, end = tf.where(is_uncut, tf.zeros_like(begin), begin), tf.where(is_uncut, count, end)
    return begin, end, tf.logical_and(is_uncut, tf.not_equal(index, 0))


def worker_bounds(
    count: tf.Tensor, worker: int, num_workers: int, num_slices: int, group_size: int = 1
) -> tuple[tf.Tensor, tf.Tensor]:
    """Return the bounds of the share of a worker: the slices of all of its replicas."""
    local_slices = num_slices // num_workers
    first_slice = worker * local_slices
    begin, _, _ = slice_bounds(count, first_slice, num_slices, group_size)
    _, end, _ = slice_bounds(count, first_slice + local_slices - 1, num_slices, group_size)
    return begin, end


def count_examples(batch: object) -> tf.Tensor:
    """Return the number of examples of a batch."""
    return tf.shape(tf.nest.flatten(batch)[0])[0]


def slice_batch(batch: Batch, begin: tf.Tensor, end: tf.Tensor) -> Batch:
    """Return the examples of a batch from `begin` to `end`."""
    return map_tensors(lambda x: x[begin:end], batch)


def map_tensors(function: Callable[[tf.Tensor], tf.Tensor], batch: Batch) -> Batch:
    """Apply a function to every tensor of a batch; sample weights may be None."""
    # tf.nest treats None as a leaf, and would call the function with it.
    result: Batch = tf.nest.map_structure(lambda x: None if x is None else function(x), batch)
    return result


def all_gather(examples: tf.Tensor, is_duplicate: tf.Tensor | None = None) -> tf.Tensor:
    """Gather the examples of all replicas without duplicates, in the order of the batch.

    Call it in a replica context. The first axis is that of the global batch.
    """
    context = tf.distribute.get_replica_context()
    if context.num_replicas_in_sync == 1:
        return examples
    # A tensor from tf.data has no device, and `all_gather` fails on it.
    gathered = context.all_gather(tf.identity(examples), axis=0)
    if is_duplicate is None:
        return gathered
    # The mask is int32 because collective operations do not take booleans.
    local_mask = tf.cast(tf.fill(tf.shape(examples)[:1], is_duplicate), tf.int32)
    return tf.boolean_mask(gathered, tf.equal(context.all_gather(local_mask, axis=0), 0))


def replica_offset(all_rows: tf.Tensor) -> tf.Tensor:
    """Return the index of this replica's first row among the rows of all replicas.

    It is 0 outside of a replica, where there is only one part.
    """
    context = tf.distribute.get_replica_context()
    if context is None or context.num_replicas_in_sync == 1:
        return tf.constant(0)
    replica_id = tf.cast(context.replica_id_in_sync_group, tf.int32)
    return slice_start(tf.shape(all_rows)[0], replica_id, context.num_replicas_in_sync)


def all_reduce_sum(values: Tensors) -> Tensors:
    """Sum a tensor, or each tensor of a list, over all replicas; call it in a replica context."""
    context = tf.distribute.get_replica_context()
    if context.num_replicas_in_sync == 1:
        return values
    sums: Tensors = context.all_reduce(tf.distribute.ReduceOp.SUM, values)
    return sums
