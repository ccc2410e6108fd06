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
from archbuilder.training.run import RunDir

SAMPLES_DIR: Final = "samples"
SAMPLE_STEP: Final = 2**31 - 1
"""A step that no run reaches: the noise of the samples is like that of no batch."""
_CHANNELS: Final = (1, 3)


class SampleImages(keras.callbacks.Callback):
    """Draws what a generator makes of the same noise: `samples/epoch-0001.png`, and so on."""

    def __init__(self, run_dir: RunDir, generator: keras.Model, noise: tf.Tensor) -> None:
        super().__init__()
        self._run_dir = run_dir
        self._generator = generator
        self._noise = noise

    def on_epoch_end(self, epoch: int, _logs: Mapping[str, float] | None = None) -> None:
        """Draw the samples of an epoch, if they are pictures."""
        samples = np.asarray(self._generator(self._noise, training=False), np.float32)
        images = to_uint8_images(samples)
        if images is not None:
            png = tf.io.encode_png(image_grid(images)).numpy()
            self._run_dir.write_bytes(f"{SAMPLES_DIR}/epoch-{epoch + 1:04}.png", png)


def sample_noise(
    distribution: Noise, shape: tuple[object, ...], seed: int, step: object
) -> tf.Tensor:
    """Numbers with a mean of zero and a variance of one, which follow from seed and step alone."""
    key = [seed, step]
    if distribution == "normal":
        return tf.random.stateless_normal(shape, seed=key)
    bound = 3**0.5
    return tf.random.stateless_uniform(shape, seed=key, minval=-bound, maxval=bound)


def to_uint8_images(samples: NDArray[np.float32]) -> NDArray[np.uint8] | None:
    """Samples as images, `(samples, height, width, channels)`; None where they are none.

    Flat ones of a square size are grey images. Where anything is below zero, black is -1, otherwise
    it is 0; white is 1.
    """
    side = math.isqrt(samples.shape[-1])
    if samples.ndim == 2 and side > 1 and side * side == samples.shape[-1]:
        samples = samples.reshape(-1, side, side, 1)
    if samples.ndim != 4 or samples.shape[-1] not in _CHANNELS:
        return None
    unit_range = (samples + 1) / 2 if samples.min() < 0 else samples
    return np.multiply(unit_range.clip(0, 1), 255).round().astype(np.uint8)


def image_grid(images: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Images side by side in rows, as near to a square as they go; black fills the last row."""
    count, height, width, channels = images.shape
    columns = math.ceil(math.sqrt(count))
    num_rows = -(-count // columns)
    cells = np.zeros((num_rows * columns, height, width, channels), np.uint8)
    cells[:count] = images
    rows = cells.reshape(num_rows, columns, height, width, channels).swapaxes(1, 2)
    return rows.reshape(num_rows * height, columns * width, channels)
