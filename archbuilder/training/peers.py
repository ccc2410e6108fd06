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

from archbuilder.errors import ClusterError

_Numbers = TypeVar("_Numbers", bound=NDArray[np.generic])
_LINGER: Final = 0.5
"""Seconds that a worker is there when all have come to the end."""
_PART: Final = 2**22
"""The numbers that are told at a time."""
_TASK: Final = re.compile(r"/job:worker/(?:replica:0/)?task:(\d+)", re.ASCII)
"""A worker in TensorFlow's message."""
_GONE: Final = (
    tf.errors.UnavailableError,
    tf.errors.AbortedError,
    tf.errors.CancelledError,
    tf.errors.DeadlineExceededError,
)


@dataclass(frozen=True, eq=False)
class Peers:
    """The workers of a run, with the number of this one."""

    strategy: tf.distribute.Strategy
    count: int = 1
    index: int = 0

    @property
    def chief(self) -> bool:
        """Whether this is the worker that writes."""
        return self.index == 0

    def agree(self, *, any_says: bool, chief_says: bool) -> tuple[bool, bool]:
        """Whether any worker says so, and whether the chief does."""
        if self.count == 1:
            return any_says, chief_says
        said = np.array([any_says, chief_says and self.chief], np.int32)
        first, second = self.total(said)
        return bool(first), bool(second)

    def leave(self) -> None:
        """Wait for the others at the end of everything.

        The last that a worker has sent is still on its way when it believes to be done, and would
        be lost with its process.
        """
        if self.count > 1:
            self.agree(any_says=False, chief_says=False)
            time.sleep(_LINGER)

    def told(self, content: bytes) -> bytes:
        """What the chief tells; what the others give does not count."""
        if self.count == 1:
            return content
        mine = content if self.chief else b""
        (size,) = self.total(np.array([len(mine)], np.int64))
        words = np.zeros(-(-int(size) // 4), np.int32)
        if self.chief:
            words[:] = np.frombuffer(mine + bytes(-len(mine) % 4), np.int32)
        parts = [self.total(words[at : at + _PART]) for at in range(0, len(words), _PART)]
        return np.concatenate([words[:0], *parts]).tobytes()[: int(size)]

    def gather(self, content: bytes) -> tuple[bytes, ...]:
        """Return what every worker contributes, in the order of the workers."""
        if self.count == 1:
            return (content,)
        sizes = np.zeros(self.count, np.int32)
        sizes[self.index] = len(content)
        sizes = self.total(sizes)
        rows = np.zeros((self.count, int(sizes.max())), np.int32)
        rows[self.index, : len(content)] = np.frombuffer(content, np.uint8)
        rows = self.total(rows)
        return tuple(
            row[:size].astype(np.uint8).tobytes() for row, size in zip(rows, sizes, strict=True)
        )

    @contextmanager
    def together(self) -> Iterator[None]:
        """Where workers wait for each other: one that has gone ends the run of the others.

        Raises:
            ClusterError: if there is one.
        """
        try:
            yield
        except _GONE as error:
            if self.count == 1:
                raise
            # TensorFlow may name the worker that noticed it, too: this one.
            lost = [int(each) for each in _TASK.findall(str(error)) if int(each) != self.index]
            name = f"worker {lost[0] + 1} of {self.count}" if lost else "another worker"
            raise ClusterError(
                f"{name} has ended or cannot be reached; the run can be resumed from its newest"
                " checkpoint"
            ) from error

    def total(self, numbers: _Numbers) -> _Numbers:
        """The sum of what all workers give, of the same shape and type."""
        if self.count == 1:
            return numbers
        added = self._add(tf.constant(numbers))
        found: _Numbers = added.numpy()
        return found

    @cached_property
    def _add(self) -> tf.types.experimental.GenericFunction:
        strategy = self.strategy
        replicas = strategy.num_replicas_in_sync // self.count

        def add(numbers: tf.Tensor) -> tf.Tensor:
            context = tf.distribute.get_replica_context()
            # A worker counts once, however many replicas it has.
            first = tf.equal(context.replica_id_in_sync_group % replicas, 0)
            mine = tf.where(first, numbers, tf.zeros_like(numbers))
            return context.all_reduce(tf.distribute.ReduceOp.SUM, mine)

        def everywhere(numbers: tf.Tensor) -> tf.Tensor:
            return strategy.experimental_local_results(strategy.run(add, [numbers]))[0]

        return tf.function(everywhere, reduce_retracing=True)


ALONE: Final = Peers(tf.distribute.get_strategy())
