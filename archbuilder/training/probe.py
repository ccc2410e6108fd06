"""A linear probe: how well a layer of logits tells the classes from the features of a network."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Final

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from archbuilder.training.batches import Table, plain_batches
from archbuilder.training.columns import Column
from archbuilder.training.examples import ONLY, Examples
from archbuilder.training.run import Row
from archbuilder.training.session import Session
from archbuilder.training.tables import Tables

_EPOCHS: Final = 20
_BATCH: Final = 256
_READ: Final = 512
"""The examples whose features are computed at a time."""


@dataclass(frozen=True, slots=True, eq=False)
class Probe:
    """Trained anew on each call, on what the network was trained on; judged on the held out."""

    call: Callable[[tf.Tensor], tf.Tensor]
    """Gives the features of images."""
    train: Table
    held_out: Table
    labels: NDArray[np.int64]
    held_out_labels: NDArray[np.int64]
    seed: int

    @classmethod
    def of(cls, session: Session, tables: Tables, features: keras.Model) -> Probe | None:
        """The probe of a session; None where nothing is held out, or there are no classes."""
        if tables.held_out is None:
            return None
        others = session.validation or session.examples
        labels = _labels(session.examples, tables.train)
        held_out = _labels(others, tables.held_out)
        if labels is None or held_out is None:
            return None
        call = tf.function(partial(features, training=False), reduce_retracing=True)
        return cls(call, tables.train, tables.held_out, labels, held_out, session.spec.seed)

    def judged(self, name: str) -> Row:
        """The accuracy on what is held out, by this name."""
        seen, unseen = self._features(self.train), self._features(self.held_out)
        mean, deviation = seen.mean(axis=0), seen.std(axis=0) + 1e-6
        layer = keras.layers.Dense(
            int(self.labels.max()) + 1,
            kernel_initializer=keras.initializers.GlorotUniform(seed=self.seed),
        )
        probe = keras.Sequential([keras.Input(seen.shape[1:]), layer])
        probe.compile(
            optimizer=keras.optimizers.Adam(1e-2),
            loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
            jit_compile=False,
        )
        rows = tf.data.Dataset.from_tensor_slices(((seen - mean) / deviation, self.labels))
        shuffled = rows.shuffle(len(seen), seed=self.seed).batch(_BATCH)
        probe.fit(shuffled, epochs=_EPOCHS, verbose=0)
        kernel, bias = layer.get_weights()
        logits = (unseen - mean) / deviation @ kernel + bias
        return {name: float(np.mean(logits.argmax(axis=1) == self.held_out_labels))}

    def _features(self, table: Table) -> NDArray[np.float32]:
        parts = [
            np.asarray(self.call(images), np.float32)
            for images, _ in plain_batches(table, batch_size=_READ)
        ]
        found = np.concatenate(parts)
        return found.reshape(len(found), -1)


def _labels(examples: Examples, table: Table) -> NDArray[np.int64] | None:
    """The classes of a table's examples by number; None where they have none."""
    column: Column | None = examples.targets.get(ONLY)
    if column is None or column.dtype.kind not in "ui" or column.shape not in ((), (1,)):
        return None
    return np.asarray(column.take(tf.constant(table.rows)), np.int64).reshape(-1)
