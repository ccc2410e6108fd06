"""The numbers of an input or a target, in memory or read as they are needed."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Final, Protocol, TypeAlias

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from archbuilder.errors import RunError
from archbuilder.tables import plural

Numbers: TypeAlias = NDArray[np.generic]
"""An array of numbers whose first axis is the examples."""

Rows: TypeAlias = NDArray[np.int64]
"""Which examples: their numbers, from 0."""

Rule: TypeAlias = Callable[[Numbers, Rows], None]
"""Raises RunError where the numbers of these examples cannot be right."""

_AT_ONCE: Final = 256
_SCANNED: Final = 2**24
"""The bytes that a scan reads at once."""
_OURS: Final = re.compile(rf"\b{RunError.__name__}: (.+)")


class Column(Protocol):
    """One value, of the same shape, for every example."""

    @property
    def name(self) -> str:
        """The file that it is read from; empty for what is in memory."""

    @property
    def count(self) -> int:
        """How many examples there are."""

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of one example."""

    @property
    def dtype(self) -> np.dtype[np.generic]:
        """The type of its numbers."""

    def take(self, rows: tf.Tensor) -> tf.Tensor:
        """The values of some examples, also within `tf.data`."""

    def values_of(self, rows: Rows) -> Numbers:
        """The values of some examples, as numpy has them."""

    def held_to(self, rule: Rule) -> Column:
        """The same column, whose numbers keep a rule: looked at now, or as they are read.

        Raises:
            RunError: if numbers in memory break it.
        """


@dataclass(frozen=True, eq=False)
class Held:
    """A column in memory."""

    values: Numbers
    name: str = ""

    @property
    def count(self) -> int:
        """How many examples there are."""
        return len(self.values)

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of one example."""
        return self.values.shape[1:]

    @property
    def dtype(self) -> np.dtype[np.generic]:
        """The type of its numbers."""
        return self.values.dtype

    @cached_property
    def _tensor(self) -> tf.Tensor:
        # A GPU has better use for its memory than all examples, and a graph has no room for them.
        with tf.init_scope(), tf.device("CPU:0"):
            return tf.constant(self.values)

    def take(self, rows: tf.Tensor) -> tf.Tensor:
        """The values of some examples, also within `tf.data`."""
        return tf.gather(self._tensor, rows)

    def values_of(self, rows: Rows) -> Numbers:
        """The values of some examples, as numpy has them."""
        return self.values[rows]

    def held_to(self, rule: Rule) -> Held:
        """Itself.

        Raises:
            RunError: if a number breaks the rule.
        """
        rule(self.values, np.arange(self.count))
        return self


@dataclass(frozen=True, slots=True, eq=False)
class Read:
    """A column that is read example by example, and held to its rules on the way.

    `read` gives the values of the examples with these numbers, and is called by several threads.
    """

    name: str
    count: int
    shape: tuple[int, ...]
    dtype: np.dtype[np.generic]
    read: Callable[[Rows], Numbers]
    rules: tuple[Rule, ...] = ()
    scan: bool = False
    """Whether reading everything is cheap, so that a rule is checked at once, as in memory."""

    def take(self, rows: tf.Tensor) -> tf.Tensor:
        """The values of some examples, also within `tf.data`."""
        values = tf.numpy_function(self.values_of, [rows], tf.as_dtype(self.dtype), stateful=False)
        return tf.ensure_shape(values, [*rows.shape, *self.shape])

    def held_to(self, rule: Rule) -> Read:
        """The same column, which keeps one more rule.

        Raises:
            RunError: if everything is looked at now, and a number breaks the rule.
        """
        if not self.scan:
            return replace(self, rules=(*self.rules, rule))
        step = max(_SCANNED // max(math.prod(self.shape) * self.dtype.itemsize, 1), 1)
        for begin in range(0, self.count, step):
            rows = np.arange(begin, min(begin + step, self.count))
            rule(self.read(rows), rows)
        return self

    def values_of(self, rows: Rows) -> Numbers:
        """The values of some examples, as numpy has them.

        Raises:
            RunError: if one cannot be read, or breaks a rule.
        """
        values = self.read(rows)
        for rule in self.rules:
            rule(values, rows)
        return values


def finite(what: str, dtype: type[np.floating] | None = None) -> Rule:
    """The rule that numbers are neither infinite nor none at all, also as another `dtype`."""

    def check(values: Numbers, rows: Rows) -> None:
        if not np.issubdtype(values.dtype, np.floating):
            return
        with np.errstate(over="ignore"):
            numbers = values if dtype is None else values.astype(dtype)
        odd = ~np.isfinite(numbers).reshape(len(values), -1).all(axis=1)
        if odd.any():
            raise RunError(
                f"{what} is no finite number in {odd.sum():,} of {plural(len(values), 'example')};"
                f" the first of them is number {rows[odd.argmax()] + 1}"
            )

    return check


def not_negative(values: Numbers, rows: Rows) -> None:
    """The rule that no example counts less than nothing.

    Raises:
        RunError: if one does.
    """
    wrong = np.asarray(values, np.float64).reshape(len(values), -1) < 0
    if wrong.any():
        first = rows[wrong.any(axis=1).argmax()] + 1
        raise RunError(f"the weight of example {first} is below 0")


def hold(column: Column) -> Held:
    """A column in memory; what has to be decoded is, by several threads.

    Raises:
        RunError: if an example cannot be read, or breaks a rule.
    """
    if isinstance(column, Held):
        return column
    values = np.empty((column.count, *column.shape), column.dtype)

    def fill(begin: int) -> None:
        rows = np.arange(begin, min(begin + _AT_ONCE, column.count))
        values[rows] = column.values_of(rows)

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        # Taken one by one, so that what goes wrong is raised.
        for _ in pool.map(fill, range(0, column.count, _AT_ONCE)):
            pass
    return Held(values, column.name)


@contextmanager
def reading() -> Iterator[None]:
    """Where batches are read: what is wrong with an example comes out of TensorFlow as it was told.

    Raises:
        RunError: if an example cannot be read, or breaks a rule.
    """
    try:
        yield
    except tf.errors.OpError as error:
        # TensorFlow keeps nothing of an exception but its text.
        ours = _OURS.search(error.message or "")
        if ours is None:
            raise
        raise RunError(ours[1]) from None
