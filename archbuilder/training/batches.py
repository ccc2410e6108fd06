"""Examples -> `tf.data`: batches in our order, fitted to the network on the way.

Only the batches that are next are read, scaled and resized.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from archbuilder.training.adapt import Adaptation
from archbuilder.training.checkpoints import Position
from archbuilder.training.columns import Column
from archbuilder.training.order import permutation
from archbuilder.training.sample_weights import Weights
from archbuilder.training.targets import Target


@dataclass(frozen=True, slots=True, eq=False)
class Input:
    """The values of an input, and how a batch of them becomes what the network takes."""

    column: Column
    adaptation: Adaptation
    value_range: tuple[float, float] | None = None
    """The least and the greatest value that an image can have; None where it is unknown."""

    def take(self, rows: tf.Tensor) -> tf.Tensor:
        """Some examples as the network takes them."""
        return self.adaptation(self.column.take(rows))


@dataclass(frozen=True, slots=True, eq=False)
class Table:
    """Everything that batches are made of. `rows` are the examples that belong to it.

    A single input or output is given to Keras alone, several are given by name; `named_inputs`
    and `named_outputs` say which. Where `weights` are, batches have one a target beside them.
    """

    inputs: Mapping[str, Input]
    targets: Mapping[str, Target | Input]
    rows: NDArray[np.int64]
    named_inputs: bool
    named_outputs: bool
    weights: Mapping[str, Weights] = field(default_factory=dict)

    def steps(self, batch_size: int, *, whole: bool = False) -> int:
        """The batches of one epoch; the last one may be smaller, or left out for `whole` ones."""
        return len(self.rows) // batch_size if whole else -(-len(self.rows) // batch_size)

    def without_class_weights(self) -> Table:
        """Return the table of a validation set, which class weights do not change, as in Keras."""
        weights = {name: each.without_classes() for name, each in self.weights.items()}
        return replace(self, weights={name: each for name, each in weights.items() if each})


def training_batches(
    table: Table,
    start: Position,
    *,
    batch_size: int,
    seed: int,
    epochs: int,
    shuffle: bool = True,
    whole: bool = False,
) -> tf.data.Dataset:
    """The batches from a position to the end, each epoch in an order of its own.

    Where nothing is shuffled, all are in the order of the data.

    An epoch ends with a smaller batch, or without it where only `whole` ones are wanted.
    """

    def rows_of(epoch: NDArray[np.int64]) -> NDArray[np.int64]:
        if not shuffle:
            return table.rows
        return table.rows[permutation(len(table.rows), seed, int(epoch))]

    def batches_of(epoch: tf.Tensor) -> tf.data.Dataset:
        rows = tf.ensure_shape(tf.numpy_function(rows_of, [epoch], tf.int64), [len(table.rows)])
        examples = tf.data.Dataset.from_tensor_slices(rows)
        return examples.batch(batch_size, drop_remainder=whole)

    batches = tf.data.Dataset.range(start.epoch, epochs).flat_map(batches_of).skip(start.batch)
    return _prepare(batches, table)


def plain_batches(table: Table, *, batch_size: int) -> tf.data.Dataset:
    """The batches once, in the order of the data."""
    return _prepare(tf.data.Dataset.from_tensor_slices(table.rows).batch(batch_size), table)


def _prepare(batches: tf.data.Dataset, table: Table) -> tf.data.Dataset:
    def prepare(rows: tf.Tensor) -> tuple[object, ...]:
        x = {name: each.take(rows) for name, each in table.inputs.items()}
        y = {name: each.take(rows) for name, each in table.targets.items()}
        batch = (_packed(x, named=table.named_inputs), _packed(y, named=table.named_outputs))
        if not table.weights:
            return batch
        ones = tf.ones(tf.shape(rows)[0])
        weights = {
            name: table.weights[name].take(rows) if name in table.weights else ones
            for name in table.targets
        }
        return (*batch, _packed(weights, named=table.named_outputs))

    # In a fixed order, so that a run can be repeated.
    prepared = batches.map(prepare, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)
    return prepared.prefetch(tf.data.AUTOTUNE)


def _packed(values: dict[str, tf.Tensor], *, named: bool) -> object:
    return values if named else next(iter(values.values()))
