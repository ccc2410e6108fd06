"""Examples -> `tf.data`: batches in our order, fitted to the network on the way.

Only the batches that are next are read, scaled and resized.
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
from archbuilder.data.sample_weights import CombinedWeights
from archbuilder.data.shuffle import epoch_permutation
from archbuilder.data.targets import Target


@dataclass(frozen=True, slots=True, eq=False)
class InputPipeline:
    """The values of an input, and how a batch of them becomes what the network takes."""

    column: Column
    adapter: InputAdapter
    value_range: tuple[float, float] | None = None
    """The least and the greatest value that an image can have; None where it is unknown."""

    def gather(self, rows: tf.Tensor) -> tf.Tensor:
        """Some examples as the network takes them."""
        return self.adapter(self.column.gather(rows))


@dataclass(frozen=True, slots=True, eq=False)
class FittedDataset:
    """Everything that batches are made of. `rows` are the examples that belong to it.

    A single input or output is given to Keras alone, several are given by name; `named_inputs`
    and `named_outputs` say which. Where `weights` are, batches have one a target beside them.
    """

    inputs: Mapping[str, InputPipeline]
    targets: Mapping[str, Target | InputPipeline]
    rows: NDArray[np.int64]
    named_inputs: bool
    named_outputs: bool
    sample_weights: Mapping[str, CombinedWeights] = field(default_factory=dict)

    def steps_per_epoch(self, batch_size: int, *, drop_remainder: bool = False) -> int:
        """The batches of one epoch; the last one may be smaller, or left out for `whole` ones."""
        return len(self.rows) // batch_size if drop_remainder else -(-len(self.rows) // batch_size)

    def without_class_weights(self) -> FittedDataset:
        """Return the table of a validation set, which class weights do not change, as in Keras."""
        weights = {name: each.without_class_weights() for name, each in self.sample_weights.items()}
        return replace(self, sample_weights={name: each for name, each in weights.items() if each})


def train_dataset(
    dataset: FittedDataset,
    start: TrainingPosition,
    *,
    batch_size: int,
    seed: int,
    epochs: int,
    shuffle: bool = True,
    drop_remainder: bool = False,
) -> tf.data.Dataset:
    """The batches from a position to the end, each epoch in an order of its own.

    Where nothing is shuffled, all are in the order of the data.

    An epoch ends with a smaller batch, or without it where only `whole` ones are wanted.
    """

    def epoch_rows(epoch: NDArray[np.int64]) -> NDArray[np.int64]:
        if not shuffle:
            return dataset.rows
        return dataset.rows[epoch_permutation(len(dataset.rows), seed, int(epoch))]

    def epoch_batches(epoch: tf.Tensor) -> tf.data.Dataset:
        rows = tf.ensure_shape(
            tf.numpy_function(epoch_rows, [epoch], tf.int64), [len(dataset.rows)]
        )
        examples = tf.data.Dataset.from_tensor_slices(rows)
        return examples.batch(batch_size, drop_remainder=drop_remainder)

    batches = tf.data.Dataset.range(start.epoch, epochs).flat_map(epoch_batches).skip(start.batch)
    return _gather_batches(batches, dataset)


def eval_dataset(dataset: FittedDataset, *, batch_size: int) -> tf.data.Dataset:
    """The batches once, in the order of the data."""
    return _gather_batches(
        tf.data.Dataset.from_tensor_slices(dataset.rows).batch(batch_size), dataset
    )


def _gather_batches(batches: tf.data.Dataset, dataset: FittedDataset) -> tf.data.Dataset:
    def gather_batch(rows: tf.Tensor) -> tuple[object, ...]:
        x = {name: each.gather(rows) for name, each in dataset.inputs.items()}
        y = {name: each.gather(rows) for name, each in dataset.targets.items()}
        batch = (_pack(x, named=dataset.named_inputs), _pack(y, named=dataset.named_outputs))
        if not dataset.sample_weights:
            return batch
        ones = tf.ones(tf.shape(rows)[0])
        weights = {
            name: dataset.sample_weights[name].gather(rows)
            if name in dataset.sample_weights
            else ones
            for name in dataset.targets
        }
        return (*batch, _pack(weights, named=dataset.named_outputs))

    # In a fixed order, so that a run can be repeated.
    gathered = batches.map(gather_batch, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)
    return gathered.prefetch(tf.data.AUTOTUNE)


def _pack(values: dict[str, tf.Tensor], *, named: bool) -> object:
    return values if named else next(iter(values.values()))
