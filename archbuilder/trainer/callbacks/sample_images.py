"""Callback that saves an image of samples after every epoch."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from archbuilder.data.image_grid import image_grid, to_uint8_images
from archbuilder.runs.run_dir import RunDir

SAMPLES_DIR: Final = "samples"


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
