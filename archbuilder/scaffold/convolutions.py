"""A small convolutional network for images of any size."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from archbuilder.scaffold.layout import layer

_MAX_SIDE: Final = 160
"""Larger images are reduced to this height and width."""
_MIN_SIDE: Final = 8
"""Smaller maps are not pooled."""
_FILTERS: Final = (32, 64, 128, 256)
CONVOLUTION_STAGE: Final = """\
blocks:
  stage:
    params: {filters: }
    layers:
      - Conv2D: {filters: $filters, kernel_size: 3, padding: same, use_bias: false}
      - BatchNormalization
      - ReLU
      - MaxPooling2D: 2
"""
"""The block of the network."""


@dataclass(frozen=True, slots=True)
class ConvolutionNetwork:
    """The shape of the input and the layers up to the last map."""

    shape: tuple[int, int, int]
    layers: tuple[str, ...]


def convolution_network(shape: Sequence[int], *, is_resized: bool = True) -> ConvolutionNetwork:
    """Return a network for images `(height, width)` or `(height, width, channels)`.

    Large ones are reduced if `is_resized`.
    """
    height, width, channels = (*shape, 1)[:3]
    if is_resized:
        height, width = min(height, _MAX_SIDE), min(width, _MAX_SIDE)
    side, filters = min(height, width), []
    for count in _FILTERS:
        if side < _MIN_SIDE:
            break
        filters.append(count)
        side //= 2
    layers = tuple(layer("stage", count) for count in filters or _FILTERS[:1])
    return ConvolutionNetwork((height, width, channels), layers)
