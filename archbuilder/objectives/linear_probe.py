"""Linear probe: the accuracy of a linear classifier on the features of a network."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Final

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from archbuilder.data.columns import Column
from archbuilder.data.pipeline import AdaptedDataset, eval_batches
from archbuilder.data.source_dataset import UNNAMED, SourceDataset
from archbuilder.distribution.strategy import DeviceSetup
from archbuilder.runs.run_dir import EpochLogs
from archbuilder.trainer.context import TrainingContext
from archbuilder.trainer.datasets import AdaptedDatasets

_EPOCHS: Final = 20
_BATCH_SIZE: Final = 256
_FEATURE_BATCH_SIZE: Final = 512
"""Number of examples whose features are computed at a time."""


@dataclass(frozen=True, slots=True, eq=False)
class LinearProbe:
    """A linear classifier that each call trains anew on the training set, and validates."""

    extract_features: Callable[[tf.Tensor], tf.Tensor]
    """Returns the features of images."""
    train: AdaptedDataset
    validation: AdaptedDataset
    labels: NDArray[np.int64]
    validation_labels: NDArray[np.int64]
    seed: int
    devices: DeviceSetup

    @classmethod
    def from_context(
        cls, context: TrainingContext, datasets: AdaptedDatasets, features: keras.Model
    ) -> LinearProbe | None:
        """Return the probe of a run; None without a validation set or without class labels."""
        if datasets.validation is None:
            return None
        validation_dataset = context.validation_dataset or context.dataset
        labels = _labels(context.dataset, datasets.train.rows)
        val_labels = _labels(validation_dataset, datasets.validation.rows)
        if labels is None or val_labels is None:
            return None
        extract_features = tf.function(
            partial(features, training=False), autograph=False, reduce_retracing=True
        )
        return cls(
            extract_features,
            datasets.train,
            datasets.validation,
            labels,
            val_labels,
            context.config.seed,
            context.devices,
        )

    def accuracy(self, name: str) -> EpochLogs:
        """Train a classifier, and return its validation accuracy under this name."""
        train_features, val_features = (
            self._compute_features(self.train),
            self._compute_features(self.validation),
        )
        # Features have any scale, and a fixed learning rate needs a known one. 1e-6 is for features
        # that are constant.
        mean, deviation = train_features.mean(axis=0), train_features.std(axis=0) + 1e-6
        # A class that only the validation set has cannot be predicted, and counts as wrong.
        layer = keras.layers.Dense(
            int(self.labels.max()) + 1,
            kernel_initializer=keras.initializers.GlorotUniform(seed=self.seed),
        )
        classifier = keras.Sequential([keras.Input(train_features.shape[1:]), layer])
        classifier.compile(
            optimizer=keras.optimizers.Adam(1e-2),
            loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
            jit_compile=False,
        )
        examples = tf.data.Dataset.from_tensor_slices(
            ((train_features - mean) / deviation, self.labels)
        )
        batches = examples.shuffle(len(train_features), seed=self.seed).batch(_BATCH_SIZE)
        classifier.fit(batches, epochs=_EPOCHS, verbose=0)
        kernel, bias = layer.get_weights()
        logits = (val_features - mean) / deviation @ kernel + bias
        return {name: float(np.mean(logits.argmax(axis=1) == self.validation_labels))}

    def _compute_features(self, dataset: AdaptedDataset) -> NDArray[np.float32]:
        """Return the features of all examples, of which each worker computes its share."""
        batches = eval_batches(dataset, batch_size=_FEATURE_BATCH_SIZE)
        starts = range(0, len(dataset.rows), _FEATURE_BATCH_SIZE)
        with self.devices.workers.worker_failure_scope():
            features = np.concatenate(
                [
                    self.devices.join_shares(
                        np.asarray(self.extract_features(images), np.float32),
                        min(_FEATURE_BATCH_SIZE, len(dataset.rows) - start),
                    )
                    for start, (images, _) in zip(
                        starts, self.devices.share_batches(batches), strict=True
                    )
                ]
            )
        return features.reshape(len(features), -1)


def _labels(dataset: SourceDataset, rows: NDArray[np.int64]) -> NDArray[np.int64] | None:
    """Return the class indices of rows of a dataset; None if it has no class labels."""
    column: Column | None = dataset.targets.get(UNNAMED)
    # Floats are targets of a regression, and integers with axes are masks or sequences.
    if column is None or column.dtype.kind not in "ui" or column.shape not in ((), (1,)):
        return None
    return np.asarray(column.gather(tf.constant(rows)), np.int64).reshape(-1)
