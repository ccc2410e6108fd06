"""The workers of a run: processes, mostly on machines of their own, that take every step together.

One of them is the chief, who alone writes. What only one worker knows, such as the time, a signal
or what is on its disk, all of them have to act on at the same step: a worker that waits for the
others waits for ever.
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
"""Seconds that a worker is there when all have come to the end."""
_CHUNK_SIZE: Final = 2**22
"""The numbers that are told at a time."""
_LOST_TASK: Final = re.compile(r"/job:worker/(?:replica:0/)?task:(\d+)", re.ASCII)
"""A worker in TensorFlow's message."""
_WORKER_LOST_ERRORS: Final = (
    tf.errors.UnavailableError,
    tf.errors.AbortedError,
    tf.errors.CancelledError,
    tf.errors.DeadlineExceededError,
)


@dataclass(frozen=True, eq=False)
class WorkerGroup:
    """The workers of a run, with the number of this one."""

    strategy: tf.distribute.Strategy
    count: int = 1
    index: int = 0

    @property
    def is_chief(self) -> bool:
        """Whether this is the worker that writes."""
        return self.index == 0

    def any_and_chief(self, *, any_flag: bool, chief_flag: bool) -> tuple[bool, bool]:
        """Whether any worker says so, and whether the chief does."""
        if self.count == 1:
            return any_flag, chief_flag
        flags = np.array([any_flag, chief_flag and self.is_chief], np.int32)
        any_set, chief_set = self.all_reduce_sum(flags)
        return bool(any_set), bool(chief_set)

    def shutdown_barrier(self) -> None:
        """Wait for the others at the end of everything.

        The last that a worker has sent is still on its way when it believes to be done, and would
        be lost with its process.
        """
        if self.count > 1:
            self.any_and_chief(any_flag=False, chief_flag=False)
            time.sleep(_SHUTDOWN_DELAY)

    def broadcast(self, content: bytes) -> bytes:
        """What the chief tells; what the others give does not count."""
        if self.count == 1:
            return content
        payload = content if self.is_chief else b""
        (size,) = self.all_reduce_sum(np.array([len(payload)], np.int64))
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
        """Where workers wait for each other: one that has gone ends the run of the others.

        Raises:
            ClusterError: if there is one.
        """
        try:
            yield
        except _WORKER_LOST_ERRORS as error:
            if self.count == 1:
                raise
            # TensorFlow may name the worker that noticed it, too: this one.
            lost_task = [
                int(each) for each in _LOST_TASK.findall(str(error)) if int(each) != self.index
            ]
            name = f"worker {lost_task[0] + 1} of {self.count}" if lost_task else "another worker"
            raise ClusterError(
                f"{name} has ended or cannot be reached; the run can be resumed from its newest"
                " checkpoint"
            ) from error

    def all_reduce_sum(self, values: _Numbers) -> _Numbers:
        """The sum of what all workers give, of the same shape and type."""
        if self.count == 1:
            return values
        reduced = self._all_reduce(tf.constant(values))
        result: _Numbers = reduced.numpy()
        return result

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

        return tf.function(reduce_everywhere, reduce_retracing=True)


SINGLE_WORKER: Final = WorkerGroup(tf.distribute.get_strategy())
