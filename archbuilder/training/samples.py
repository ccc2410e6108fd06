"""Pictures of what a generator makes, one after every epoch."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Final

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from archbuilder.recipe.spec import Noise
from archbuilder.training.run import RunFolder

FOLDER: Final = "samples"
SAMPLES: Final = 2**31 - 1
"""A step that no run reaches: the noise of the samples is like that of no batch."""
_CHANNELS: Final = (1, 3)


class SampleWriter(keras.callbacks.Callback):
    """Draws what a generator makes of the same noise: `samples/epoch-0001.png`, and so on."""

    def __init__(self, run: RunFolder, generator: keras.Model, noise: tf.Tensor) -> None:
        super().__init__()
        self._run = run
        self._generator = generator
        self._noise = noise

    def on_epoch_end(self, epoch: int, _logs: Mapping[str, float] | None = None) -> None:
        """Draw the samples of an epoch, if they are pictures."""
        made = np.asarray(self._generator(self._noise, training=False), np.float32)
        images = as_images(made)
        if images is not None:
            png = tf.io.encode_png(grid(images)).numpy()
            self._run.write_bytes(f"{FOLDER}/epoch-{epoch + 1:04}.png", png)


def noise_of(kind: Noise, shape: tuple[object, ...], seed: int, step: object) -> tf.Tensor:
    """Numbers with a mean of zero and a variance of one, which follow from seed and step alone."""
    key = [seed, step]
    if kind == "normal":
        return tf.random.stateless_normal(shape, seed=key)
    bound = 3**0.5
    return tf.random.stateless_uniform(shape, seed=key, minval=-bound, maxval=bound)


def as_images(made: NDArray[np.float32]) -> NDArray[np.uint8] | None:
    """Samples as images, `(samples, height, width, channels)`; None where they are none.

    Flat ones of a square size are grey images. Where anything is below zero, black is -1, otherwise
    it is 0; white is 1.
    """
    side = math.isqrt(made.shape[-1])
    if made.ndim == 2 and side > 1 and side * side == made.shape[-1]:
        made = made.reshape(-1, side, side, 1)
    if made.ndim != 4 or made.shape[-1] not in _CHANNELS:
        return None
    light = (made + 1) / 2 if made.min() < 0 else made
    return np.multiply(light.clip(0, 1), 255).round().astype(np.uint8)


def grid(images: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Images side by side in rows, as near to a square as they go; black fills the last row."""
    count, height, width, channels = images.shape
    columns = math.ceil(math.sqrt(count))
    lines = -(-count // columns)
    cells = np.zeros((lines * columns, height, width, channels), np.uint8)
    cells[:count] = images
    rows = cells.reshape(lines, columns, height, width, channels).swapaxes(1, 2)
    return rows.reshape(lines * height, columns * width, channels)
