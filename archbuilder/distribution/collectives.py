"""Collective operations (all-reduce, broadcast, all-gather, barrier) between the workers of a run.

Workers are processes, usually on different machines, that take every step together. Only the chief,
worker 0, writes files. If one worker acts alone on the time, a signal or its disk, the others wait
in their next collective operation forever. Such facts are therefore exchanged here first, so that
all workers act on them at the same step.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Final, TypeVar

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from archbuilder.diagnostics.errors import ClusterError

_Numbers = TypeVar("_Numbers", bound=NDArray[np.generic])
_SHUTDOWN_DELAY: Final = 0.5
"""Seconds that a worker stays alive after the last barrier."""
_CHUNK_SIZE: Final = 2**22
"""Numbers per all-reduce of a broadcast: 16 MiB of int32."""
_LOST_TASK: Final = re.compile(r"/job:worker/(?:replica:0/)?task:(\d+)", re.ASCII)
"""A worker's name in an error of TensorFlow."""
# TensorFlow raises one or another, depending on which operation notices the loss first.
_WORKER_LOST_ERRORS: Final = (
    tf.errors.UnavailableError,
    tf.errors.AbortedError,
    tf.errors.CancelledError,
    tf.errors.DeadlineExceededError,
)
_OUT_OF_STEP: Final = re.compile(r"Collective (instance \d+ expected|ops is aborted)", re.ASCII)
"""TensorFlow's InternalError where workers take part in different operations."""


@dataclass(frozen=True, eq=False)
class WorkerGroup:
    """The workers of a run, and the index of this worker."""

    strategy: tf.distribute.Strategy
    count: int = 1
    index: int = 0

    @property
    def is_chief(self) -> bool:
        """Whether this is the worker that writes."""
        return self.index == 0

    def any_and_chief(self, *, any_flag: bool, chief_flag: bool) -> tuple[bool, bool]:
        """Return whether `any_flag` is set on any worker, and `chief_flag` on the chief."""
        if self.count == 1:
            return any_flag, chief_flag
        # One all-reduce for both flags: this runs after every step of the training.
        flags = np.array([any_flag, chief_flag and self.is_chief], np.int32)
        any_set, chief_set = self.all_reduce_sum(flags)
        return bool(any_set), bool(chief_set)

    def shutdown_barrier(self) -> None:
        """Wait for the other workers before the process exits."""
        if self.count > 1:
            self.any_and_chief(any_flag=False, chief_flag=False)
            # The barrier returns as soon as this worker has its result. Its last message to the
            # others may still be in flight, and is lost if the process exits now.
            time.sleep(_SHUTDOWN_DELAY)

    def broadcast(self, content: bytes) -> bytes:
        """Return the chief's `content` on every worker; that of the others is ignored."""
        if self.count == 1:
            return content
        payload = content if self.is_chief else b""
        (size,) = self.all_reduce_sum(np.array([len(payload)], np.int64))
        # Collective operations do not take int8 or uint8, so that four bytes travel as one int32.
        # The other workers contribute zeros, so that the sum is the chief's content.
        words = np.zeros(-(-int(size) // 4), np.int32)
        if self.is_chief:
            words[:] = np.frombuffer(payload + bytes(-len(payload) % 4), np.int32)
        chunks = [
            self.all_reduce_sum(words[at : at + _CHUNK_SIZE])
            for at in range(0, len(words), _CHUNK_SIZE)
        ]
        return np.concatenate([words[:0], *chunks]).tobytes()[: int(size)]

    def all_gather(self, content: bytes) -> tuple[bytes, ...]:
        """Return what every worker contributes, in the order of the workers."""
        if self.count == 1:
            return (content,)
        # Each worker fills its own row and zeros elsewhere, so that the sum holds all rows. A byte
        # takes a whole int32, which does not matter for the short contents here.
        sizes = np.zeros(self.count, np.int32)
        sizes[self.index] = len(content)
        sizes = self.all_reduce_sum(sizes)
        rows = np.zeros((self.count, int(sizes.max())), np.int32)
        rows[self.index, : len(content)] = np.frombuffer(content, np.uint8)
        rows = self.all_reduce_sum(rows)
        return tuple(
            row[:size].astype(np.uint8).tobytes() for row, size in zip(rows, sizes, strict=True)
        )

    @contextmanager
    def worker_failure_scope(self) -> Iterator[None]:
        """Translate TensorFlow's errors about a lost worker, raised in this context.

        Raises:
            ClusterError: if another worker has ended, cannot be reached or does something else.
        """
        try:
            yield
        except tf.errors.InternalError as error:
            if _OUT_OF_STEP.search(str(error)) is None:
                raise
            raise ClusterError(
                "the workers do not run the same operation, probably because one of them failed"
                " alone and continued with the next command; end all workers, and start them again"
            ) from error
        except _WORKER_LOST_ERRORS as error:
            if self.count == 1:
                raise
            # TensorFlow's message may also name the worker that noticed the loss: this one.
            lost_task = [
                int(each) for each in _LOST_TASK.findall(str(error)) if int(each) != self.index
            ]
            name = f"worker {lost_task[0] + 1} of {self.count}" if lost_task else "another worker"
            raise ClusterError(
                f"{name} has ended or cannot be reached; the run can be resumed from its newest"
                " checkpoint"
            ) from error

    def all_reduce_sum(self, values: _Numbers) -> _Numbers:
        """Return the sum of the workers' `values`, which have one shape and dtype."""
        if self.count == 1:
            return values
        reduced = self._all_reduce(tf.constant(values))
        result: _Numbers = reduced.numpy()
        return result

    # Cached, so that it is traced once for each signature and not at every call.
    @cached_property
    def _all_reduce(self) -> tf.types.experimental.GenericFunction:
        strategy = self.strategy
        replicas = strategy.num_replicas_in_sync // self.count

        def reduce_in_replica(numbers: tf.Tensor) -> tf.Tensor:
            context = tf.distribute.get_replica_context()
            # A worker counts once, however many replicas it has.
            is_first_replica = tf.equal(context.replica_id_in_sync_group % replicas, 0)
            contribution = tf.where(is_first_replica, numbers, tf.zeros_like(numbers))
            return context.all_reduce(tf.distribute.ReduceOp.SUM, contribution)

        def reduce_everywhere(numbers: tf.Tensor) -> tf.Tensor:
            return strategy.experimental_local_results(strategy.run(reduce_in_replica, [numbers]))[
                0
            ]

        # The sizes of contents vary. Without reduce_retracing, each new shape is traced again.
        return tf.function(reduce_everywhere, autograph=False, reduce_retracing=True)


SINGLE_WORKER: Final = WorkerGroup(tf.distribute.get_strategy())
