"""Samples as images, and several images as one."""

from __future__ import annotations

import math
from typing import Final

import numpy as np
from numpy.typing import NDArray

_CHANNELS: Final = (1, 3)


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
