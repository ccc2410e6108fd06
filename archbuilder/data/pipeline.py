"""The `tf.data` pipeline: batches in a reproducible order, adapted to the network.

Examples are read, scaled and resized batch by batch, when they are needed. With several processes,
each reads only its share of a batch.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from archbuilder.data.batch_share import BatchShare, ShareBounds
from archbuilder.data.columns import Column, RowIndices
from archbuilder.data.image_coordinates import Coordinates
from archbuilder.data.input_adapter import InputAdapter
from archbuilder.data.lists import BatchLengths
from archbuilder.data.position import TrainingPosition
from archbuilder.data.sample_weights import ClassWeights, CombinedWeights
from archbuilder.data.sampling import ClassSampling
from archbuilder.data.shuffle import epoch_permutation, grouped_permutation
from archbuilder.data.source_dataset import target_key
from archbuilder.data.targets import Target


@dataclass(frozen=True, slots=True, eq=False)
class AdaptedColumn:
    """The column of an input, or of a target, and the adapter of its values to the network."""

    column: Column
    adapter: InputAdapter
    value_range: tuple[float, float] | None = None
    """The range of adapted pixels; None if it is unknown."""
    lengths: BatchLengths | None = None
    """The lengths of the batches of padded lists; None for that of the column."""
    num_categories: int | None = None
    """Number of the categories that values are indices of, if it is known."""

    def gather(self, rows: tf.Tensor, batch_rows: tf.Tensor | None = None) -> tf.Tensor:
        """Return examples as the network takes them, in the lengths of the batch they belong to."""
        values = self.adapter(self.column.gather(rows))
        if self.lengths is None:
            return values
        return self.lengths.cut(values, rows if batch_rows is None else batch_rows)


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
    sampling: ClassSampling | None = None
    """How often a training epoch has the examples of each class; None for each example once."""
    coordinates: Mapping[str, Coordinates] = field(default_factory=dict)
    """What inputs, and targets by `target_key`, are that are coordinates in an image."""
    number_lists: frozenset[str] = frozenset()
    """The outputs whose targets are lists of numbers, which are filled up with `LIST_PADDING`."""

    @property
    def epoch_size(self) -> int:
        """Number of examples of a training epoch."""
        return len(self.rows) if self.sampling is None else self.sampling.epoch_size

    def epoch_rows(self, seed: int, epoch: int) -> RowIndices:
        """Return the rows of a training epoch, in the order of the data."""
        return self.rows if self.sampling is None else self.sampling.draw(seed, epoch)

    def steps_per_epoch(self, batch_size: int, *, drop_remainder: bool = False) -> int:
        """Return the number of batches of an epoch, with the smaller last one or without it."""
        size = self.epoch_size
        return size // batch_size if drop_remainder else -(-size // batch_size)

    @property
    def padded_outputs(self) -> tuple[str, ...]:
        """The outputs whose targets are lists of boxes or points with padding."""
        lists = {key for key, each in self.coordinates.items() if each.length is not None}
        # The target of an output that is not compared has no axes.
        return tuple(
            name
            for name, target in self.targets.items()
            if target_key(name) in lists and target.column.shape
        )

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

    @property
    def list_sizes(self) -> NDArray[np.int64] | None:
        """Number of values in the lists of each example; None unless batches group them."""
        lengths = [each.lengths for each in self.inputs.values() if each.lengths is not None]
        return np.sum([each.sizes.values for each in lengths], axis=0) if lengths else None

    def gather(self, share: BatchShare) -> tuple[object, ...]:
        """Return inputs, targets and, if there are any, sample weights as Keras takes them."""
        rows = share.rows
        x = {name: each.gather(rows, share.batch_rows) for name, each in self.inputs.items()}
        y = {name: each.gather(rows) for name, each in self.targets.items()}
        batch = (_pack(x, named=self.named_inputs), _pack(y, named=self.named_outputs))
        if not self.sample_weights:
            return batch
        # Keras matches weights with targets by structure: every target needs some.
        ones = tf.ones(tf.shape(rows)[0])
        weights = {
            name: self.sample_weights[name].gather(rows) if name in self.sample_weights else ones
            for name in self.targets
        }
        return (*batch, _pack(weights, named=self.named_outputs))


def _pack(values: dict[str, tf.Tensor], *, named: bool) -> object:
    return values if named else next(iter(values.values()))


@dataclass(frozen=True, slots=True, eq=False)
class BatchPipeline:
    """The rows of the batches of a run, and the function that reads and prepares their examples."""

    row_batches: tf.data.Dataset
    """The step and the rows of each batch."""
    prepare: Callable[[BatchShare], Any]
    """Returns the examples of a share as the model takes them."""
    group_size: int = 1
    """Number of consecutive examples that stay on one replica."""

    @property
    def num_batches(self) -> int:
        """Number of batches of one pass over a data set."""
        return int(self.row_batches.cardinality())

    @property
    def element_spec(self) -> Any:
        """Dtypes and shapes of a batch."""
        return self.dataset().element_spec

    def map(
        self,
        function: Callable[[BatchShare, Any], Any],
        needs_batch: Callable[[], bool] = lambda: False,
    ) -> BatchPipeline:
        """Return a pipeline that applies a function to every share and its prepared examples.

        If `needs_batch` returns true, as for a function that combines examples of a batch, the
        function gets the batch as a whole, of which the share is selected afterwards. It is called
        only if there are shares.
        """

        def prepare(share: BatchShare) -> Any:
            if share.bounds is None or not needs_batch():
                return function(share, self.prepare(share))
            batch = share.widened()
            prepared = function(batch, self.prepare(batch))
            return tf.nest.map_structure(share.select, prepared)

        return replace(self, prepare=prepare)

    def repeat(self) -> BatchPipeline:
        """Return a pipeline that begins again at its end, without an end."""
        return replace(self, row_batches=self.row_batches.repeat())

    def shard(self, count: int, index: int) -> BatchPipeline:
        """Return every `count`-th batch, from the one at `index` on."""
        return replace(self, row_batches=self.row_batches.shard(count, index))

    def dataset(self, share_bounds: ShareBounds | None = None) -> tf.data.Dataset:
        """Return the prepared batches, or of each the share that a function gives."""

        # What prepares a batch needs no AutoGraph, which takes long to convert it.
        @tf.autograph.experimental.do_not_convert
        def prepare(step: tf.Tensor, rows: tf.Tensor) -> Any:
            share = BatchShare(step, rows)
            if share_bounds is not None:
                share = replace(share, bounds=share_bounds(share.batch_size))
            return self.prepare(share)

        # Deterministic: otherwise parallel calls return batches in the order in which they finish.
        prepared = self.row_batches.map(
            prepare, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True
        )
        return prepared.prefetch(tf.data.AUTOTUNE)


def train_batches(
    dataset: AdaptedDataset,
    start: TrainingPosition,
    *,
    batch_size: int,
    seed: int,
    epochs: int,
    shuffle: bool = True,
    drop_remainder: bool = False,
) -> BatchPipeline:
    """Return the batches from a position of the run to its last epoch.

    Every epoch has its own order if `shuffle`, otherwise that of the data. In an order of its own,
    lists of similar length are in one batch. An epoch ends with a smaller batch unless
    `drop_remainder`. Steps are counted over the whole run: a resumed run continues with the numbers
    of the interrupted one.
    """
    sizes = dataset.list_sizes

    # Not Dataset.shuffle, whose order depends on its buffer and which cannot start at a position.
    def epoch_rows(epoch: NDArray[np.int64]) -> NDArray[np.int64]:
        rows = dataset.epoch_rows(seed, int(epoch))
        if not shuffle:
            return rows
        order = (
            epoch_permutation(len(rows), seed, int(epoch))
            if sizes is None
            else grouped_permutation(sizes[rows], batch_size, seed, int(epoch))
        )
        return rows[order]

    @tf.autograph.experimental.do_not_convert
    def epoch_batches(epoch: tf.Tensor) -> tf.data.Dataset:
        # numpy_function loses the shape, and from_tensor_slices needs it.
        rows = tf.ensure_shape(
            tf.numpy_function(epoch_rows, [epoch], tf.int64), [dataset.epoch_size]
        )
        return tf.data.Dataset.from_tensor_slices(rows).batch(
            batch_size, drop_remainder=drop_remainder
        )

    # flat_map ends a batch with its epoch, and skip drops those before the position without reading
    # an example.
    row_batches = tf.data.Dataset.range(start.epoch, epochs).flat_map(epoch_batches)
    steps_per_epoch = dataset.steps_per_epoch(batch_size, drop_remainder=drop_remainder)
    return _number_batches(
        row_batches.skip(start.batch), dataset, start.epoch * steps_per_epoch + start.batch
    )


def eval_batches(
    dataset: AdaptedDataset, *, batch_size: int, drop_remainder: bool = False
) -> BatchPipeline:
    """Return the batches of one pass, in the order of the data.

    `drop_remainder` leaves out a smaller last batch, unless it is the only one.
    """
    rows = dataset.rows
    if drop_remainder and len(rows) > batch_size:
        rows = rows[: len(rows) // batch_size * batch_size]
    row_batches = tf.data.Dataset.from_tensor_slices(rows).batch(batch_size)
    return _number_batches(row_batches, dataset)


def _number_batches(
    row_batches: tf.data.Dataset, dataset: AdaptedDataset, first_step: int = 0
) -> BatchPipeline:
    # Random numbers follow from the step, not from a count of calls: calls run in parallel.
    numbered_batches = row_batches.enumerate(tf.constant(first_step, tf.int64))
    return BatchPipeline(numbered_batches, dataset.gather)
