"""Conversion of float samples to 8-bit images, and a grid of several images."""

from __future__ import annotations

import math
from typing import Final

import numpy as np
from numpy.typing import NDArray

_CHANNELS: Final = (1, 3)


def to_uint8_images(samples: NDArray[np.float32]) -> NDArray[np.uint8] | None:
    """Convert samples to images `(samples, height, width, channels)`; None if they are not images.

    Flat samples `(samples, side * side)` are taken for gray images. White is 1; black is -1 if any
    value is negative, otherwise 0. NaN is black.
    """
    side = math.isqrt(samples.shape[-1])
    if samples.ndim == 2 and side > 1 and side * side == samples.shape[-1]:
        samples = samples.reshape(-1, side, side, 1)
    if samples.ndim != 4 or samples.shape[-1] not in _CHANNELS:
        return None
    # Generators end in tanh (-1 to 1) or sigmoid (0 to 1).
    unit_range = (samples + 1) / 2 if (samples < 0).any() else samples
    numbers = np.nan_to_num(unit_range.clip(0, 1), nan=0)
    return np.multiply(numbers, 255).round().astype(np.uint8)


def image_grid(images: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Arrange images in a grid that is nearly square, with black cells at the end.

    The result has the shape `(rows * height, columns * width, channels)`.
    """
    count, height, width, channels = images.shape
    columns = math.ceil(math.sqrt(count))
    num_rows = math.ceil(count / columns)
    cells = np.zeros((num_rows * columns, height, width, channels), np.uint8)
    cells[:count] = images
    # The axes are (row, column, y, x, channel) and have to become (row, y, column, x, channel).
    rows = cells.reshape(num_rows, columns, height, width, channels).swapaxes(1, 2)
    return rows.reshape(num_rows * height, columns * width, channels)
