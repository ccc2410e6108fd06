"""The `tf.data` pipeline: batches in a reproducible order, adapted to the network.

Examples are read, scaled and resized batch by batch, when they are needed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from archbuilder.data.columns import Column
from archbuilder.data.input_adapter import InputAdapter
from archbuilder.data.position import TrainingPosition
from archbuilder.data.sample_weights import ClassWeights, CombinedWeights
from archbuilder.data.shuffle import epoch_permutation
from archbuilder.data.targets import Target


@dataclass(frozen=True, slots=True, eq=False)
class AdaptedColumn:
    """The column of an input, or of a target, and the adapter of its values to the network."""

    column: Column
    adapter: InputAdapter
    value_range: tuple[float, float] | None = None
    """The range of adapted pixels; None if it is unknown."""

    def gather(self, rows: tf.Tensor) -> tf.Tensor:
        """Return a batch of examples as the network takes it."""
        return self.adapter(self.column.gather(rows))


@dataclass(frozen=True, slots=True, eq=False)
class AdaptedDataset:
    """Columns that are adapted to the inputs, outputs and losses of a network.

    `rows` selects the examples: the training and the validation set may share columns.
    """

    inputs: Mapping[str, AdaptedColumn]
    targets: Mapping[str, Target | AdaptedColumn]
    rows: NDArray[np.int64]
    """Indices of the examples, in the order of the data."""
    named_inputs: bool
    """Whether Keras gets the inputs as a dict rather than as a single tensor."""
    named_outputs: bool
    """The same for targets and sample weights."""
    sample_weights: Mapping[str, CombinedWeights] = field(default_factory=dict)
    """If there are any, batches contain weights for every target."""
    notes: tuple[str, ...] = ()
    """What was done to the data, for the user."""

    def steps_per_epoch(self, batch_size: int, *, drop_remainder: bool = False) -> int:
        """Return the number of batches of an epoch, with the smaller last one or without it."""
        return len(self.rows) // batch_size if drop_remainder else -(-len(self.rows) // batch_size)

    @property
    def class_weights(self) -> Mapping[str, Mapping[str, float]]:
        """The class weights by output and class."""
        return {
            name: factor.by_name
            for name, weights in self.sample_weights.items()
            for factor in weights.factors
            if isinstance(factor, ClassWeights)
        }

    def without_class_weights(self) -> AdaptedDataset:
        """Return this dataset for validation, which class weights do not affect, as in Keras."""
        weights = {name: each.without_class_weights() for name, each in self.sample_weights.items()}
        return replace(self, sample_weights={name: each for name, each in weights.items() if each})


def train_batches(
    dataset: AdaptedDataset,
    start: TrainingPosition,
    *,
    batch_size: int,
    seed: int,
    epochs: int,
    shuffle: bool = True,
    drop_remainder: bool = False,
) -> tf.data.Dataset:
    """Return the batches from a position of the run to its last epoch.

    Every epoch has its own order if `shuffle`, otherwise that of the data. It ends with a smaller
    batch unless `drop_remainder`.
    """

    # Not Dataset.shuffle, whose order depends on its buffer and which cannot start at a position.
    def epoch_rows(epoch: NDArray[np.int64]) -> NDArray[np.int64]:
        if not shuffle:
            return dataset.rows
        return dataset.rows[epoch_permutation(len(dataset.rows), seed, int(epoch))]

    def epoch_batches(epoch: tf.Tensor) -> tf.data.Dataset:
        # numpy_function loses the shape, and from_tensor_slices needs it.
        rows = tf.ensure_shape(
            tf.numpy_function(epoch_rows, [epoch], tf.int64), [len(dataset.rows)]
        )
        return tf.data.Dataset.from_tensor_slices(rows).batch(
            batch_size, drop_remainder=drop_remainder
        )

    # Batches of row indices: flat_map ends a batch with its epoch, and skip drops those before
    # the position without reading an example.
    batches = tf.data.Dataset.range(start.epoch, epochs).flat_map(epoch_batches).skip(start.batch)
    return _gather_batches(batches, dataset)


def eval_batches(dataset: AdaptedDataset, *, batch_size: int) -> tf.data.Dataset:
    """Return the batches of one pass, in the order of the data."""
    return _gather_batches(
        tf.data.Dataset.from_tensor_slices(dataset.rows).batch(batch_size), dataset
    )


def _gather_batches(batches: tf.data.Dataset, dataset: AdaptedDataset) -> tf.data.Dataset:
    def gather_batch(rows: tf.Tensor) -> tuple[object, ...]:
        x = {name: each.gather(rows) for name, each in dataset.inputs.items()}
        y = {name: each.gather(rows) for name, each in dataset.targets.items()}
        batch = (_pack(x, named=dataset.named_inputs), _pack(y, named=dataset.named_outputs))
        if not dataset.sample_weights:
            return batch
        # Keras matches weights with targets by structure: every target needs some.
        ones = tf.ones(tf.shape(rows)[0])
        weights = {
            name: dataset.sample_weights[name].gather(rows)
            if name in dataset.sample_weights
            else ones
            for name in dataset.targets
        }
        return (*batch, _pack(weights, named=dataset.named_outputs))

    # Deterministic: otherwise parallel calls return batches in the order in which they finish.
    gathered = batches.map(gather_batch, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)
    return gathered.prefetch(tf.data.AUTOTUNE)


def _pack(values: dict[str, tf.Tensor], *, named: bool) -> object:
    return values if named else next(iter(values.values()))
