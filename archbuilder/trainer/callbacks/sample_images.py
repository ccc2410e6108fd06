"""Callback that saves an image of samples after every epoch."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from archbuilder.config.objectives import Noise
from archbuilder.data.image_grid import image_grid, to_uint8_images
from archbuilder.runs.run_dir import RunDir

SAMPLES_DIR: Final = "samples"
SAMPLE_STEP: Final = 2**31 - 1
"""A step that no run reaches, so the noise of the samples is not that of any batch."""


class SampleImages(keras.callbacks.Callback):
    """Saves samples, always of the same seed, as `samples/epoch-0001.png` etc.

    They are of the averages of the weights, if the run has averages.
    """

    def __init__(
        self, run_dir: RunDir, draw_samples: Callable[[int], NDArray[np.float32]], count: int
    ) -> None:
        super().__init__()
        self._run_dir = run_dir
        self._draw_samples = draw_samples
        self._count = count

    def on_train_begin(self, _logs: Mapping[str, float] | None = None) -> None:
        """Report what the samples lack before anything is trained."""
        self._draw_samples(1)

    def on_epoch_end(self, epoch: int, _logs: Mapping[str, float] | None = None) -> None:
        """Save the samples of an epoch, if they are images."""
        trained_weights = self.model.swap_ema_weights()
        images = to_uint8_images(self._draw_samples(self._count))
        self.model.swap_ema_weights(trained_weights)
        if images is not None:
            png = tf.io.encode_png(image_grid(images)).numpy()
            self._run_dir.write_bytes(f"{SAMPLES_DIR}/epoch-{epoch + 1:04}.png", png)


def sample_noise(
    distribution: Noise, shape: tuple[object, ...], seed: int, step: object
) -> tf.Tensor:
    """Return noise with mean 0 and variance 1, a function of the seed and the step only."""
    key = [seed, step]
    if distribution == "normal":
        return tf.random.stateless_normal(shape, seed=key)
    # The variance of a uniform distribution over [-a, a] is a**2 / 3.
    bound = 3**0.5
    return tf.random.stateless_uniform(shape, seed=key, minval=-bound, maxval=bound)
