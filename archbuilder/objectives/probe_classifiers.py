"""Classifiers that probe features: a linear one, and a vote of nearest neighbors.

Both see the features of the training set in parts, and are used again for every evaluation.
"""

from __future__ import annotations

from typing import Final, Protocol, TypeAlias

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

Features: TypeAlias = NDArray[np.float32]
"""Features of examples, `(examples, features)`."""
Classes: TypeAlias = NDArray[np.int64]
_MIN_EPOCHS: Final = 20
_MIN_STEPS: Final = 1000
_BATCH_SIZE: Final = 256
_MAX_SIMILARITIES: Final = 4_000_000
"""Number of similarities, or of sums of votes, that are computed at a time."""


class Classifier(Protocol):
    """Predicts the classes of queries from examples with labels."""

    def start(self, queries: Features) -> None:
        """Begin anew, with these queries."""

    def add(self, features: Features, labels: Classes) -> None:
        """Learn from some examples."""

    def predict(self) -> Classes:
        """Return the classes of the queries, and forget queries and examples."""


class LinearClassifier:
    """A linear classifier, trained on standardized features of all examples."""

    def __init__(self, num_classes: int, seed: int) -> None:
        self._seed = seed
        initializer = keras.initializers.GlorotUniform(seed=seed)
        self._layer = keras.layers.Dense(num_classes, kernel_initializer=initializer)
        self._model = keras.Sequential([self._layer])
        self._optimizer = keras.optimizers.Adam(1e-2)
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        self._model.compile(
            optimizer=self._optimizer, loss=loss, jit_compile=False, steps_per_execution=32
        )
        self._initial: list[NDArray[np.float32]] = []
        self._queries: Features = np.zeros((0, 0), np.float32)
        self._parts: list[tuple[Features, Classes]] = []

    def start(self, queries: Features) -> None:
        """Begin anew, with these queries."""
        self._queries, self._parts = queries, []

    def add(self, features: Features, labels: Classes) -> None:
        """Keep some examples."""
        self._parts.append((features, labels))

    def predict(self) -> Classes:
        """Train on the examples, and return the classes of the queries."""
        features, labels = map(np.concatenate, zip(*self._parts, strict=True))
        self._initialize(features.shape[1])
        # Features have any scale, and a fixed learning rate needs a known one. 1e-6 is for features
        # that are constant.
        mean, deviation = features.mean(axis=0), features.std(axis=0) + 1e-6
        examples = tf.data.Dataset.from_tensor_slices(((features - mean) / deviation, labels))
        batches = examples.shuffle(len(features), seed=self._seed).batch(_BATCH_SIZE)
        epochs = max(_MIN_EPOCHS, -(-_MIN_STEPS // len(batches)))
        self._model.fit(batches.repeat(epochs), shuffle=False, verbose=0)
        kernel, bias = self._layer.get_weights()
        logits = (self._queries - mean) / deviation @ kernel + bias
        self.start(self._queries[:0])
        return np.asarray(logits.argmax(axis=1), np.int64)

    def _initialize(self, num_features: int) -> None:
        """Give all variables their first values."""
        # They are kept, as compiling another model would take longer than training this one.
        if not self._model.built:
            self._model.build([None, num_features])
            self._optimizer.build(self._model.trainable_variables)
            self._initial = [np.array(each) for each in self._variables]
        for variable, value in zip(self._variables, self._initial, strict=True):
            variable.assign(value)

    @property
    def _variables(self) -> list[keras.Variable]:
        return [*self._model.trainable_variables, *self._optimizer.variables]


class NearestNeighbors:
    """A vote of the nearest examples, with the weights `exp(cosine similarity / temperature)`.

    Only the neighbors found so far are kept.

    Source: Wu et al. 2018, arXiv:1805.01978, section 3.4.
    """

    def __init__(self, num_classes: int, num_neighbors: int, temperature: float) -> None:
        self._num_classes = num_classes
        self._num_neighbors = num_neighbors
        self._temperature = temperature
        self.start(np.zeros((0, 1), np.float32))

    def start(self, queries: Features) -> None:
        """Begin anew, with these queries."""
        self._queries = _unit_vectors(queries)
        shape = (len(queries), self._num_neighbors)
        # The weight of a neighbor that does not exist is 0.
        self._similarities = np.full(shape, -np.inf, np.float32)
        self._labels = np.zeros(shape, np.int64)

    def add(self, features: Features, labels: Classes) -> None:
        """Compare the queries with some examples."""
        keys = _unit_vectors(features)
        for rows in self._row_slices(len(features) + self._num_neighbors):
            self._similarities[rows], self._labels[rows] = _nearest(
                self._queries[rows], self._similarities[rows], self._labels[rows], keys, labels
            )

    def predict(self) -> Classes:
        """Return the classes with the largest sums of weights."""
        classes = np.zeros(len(self._queries), np.int64)
        for rows in self._row_slices(self._num_classes):
            classes[rows] = self._vote(self._similarities[rows], self._labels[rows])
        self.start(self._queries[:0])
        return classes

    def _vote(self, similarities: NDArray[np.float32], labels: Classes) -> Classes:
        # Relative to the nearest one, which changes no vote and keeps the weights finite.
        nearest = similarities.max(axis=1, keepdims=True)
        weights = np.exp((similarities - nearest).astype(np.float64) / self._temperature)
        cells = np.arange(len(labels))[:, None] * self._num_classes + labels
        size = len(labels) * self._num_classes
        votes = np.bincount(cells.ravel(), weights.ravel(), minlength=size)
        return votes.reshape(-1, self._num_classes).argmax(axis=1)

    def _row_slices(self, width: int) -> list[slice]:
        """Return the parts of the queries for which so many numbers each fit in memory."""
        size = max(1, _MAX_SIMILARITIES // width)
        return [slice(start, start + size) for start in range(0, len(self._queries), size)]


@tf.function(autograph=False, reduce_retracing=True)
def _nearest(
    queries: tf.Tensor,
    similarities: tf.Tensor,
    labels: tf.Tensor,
    keys: tf.Tensor,
    added: tf.Tensor,
) -> tuple[tf.Tensor, tf.Tensor]:
    """Return the similarities and labels of the nearest of the examples so far and `keys`."""
    candidates = tf.concat([similarities, queries @ tf.transpose(keys)], axis=1)
    added_labels = tf.broadcast_to(added, [tf.shape(queries)[0], tf.shape(added)[0]])
    nearest, indices = tf.math.top_k(candidates, tf.shape(similarities)[1])
    return nearest, tf.gather(tf.concat([labels, added_labels], axis=1), indices, batch_dims=1)


def _unit_vectors(vectors: Features) -> Features:
    """Return vectors of length 1; a vector of zeros stays as it is."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors / np.where(lengths == 0, 1, lengths), np.float32)
