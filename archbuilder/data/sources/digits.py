"""The handwritten digits that ship with archbuilder."""

from __future__ import annotations

import gzip
from importlib import resources
from typing import Final

import numpy as np

from archbuilder.data.columns import ArrayColumn, Column
from archbuilder.data.source_dataset import UNNAMED, Feature, SourceDataset

_IMAGE_SIZE: Final = 8
_MAX_PIXEL: Final = 16


def load_digits() -> SourceDataset:
    """Load 1,797 images of 8 by 8 pixels, with values from 0 to 16, and their digits."""
    compressed = (resources.files("archbuilder") / "data" / "digits.csv.gz").read_bytes()
    lines = gzip.decompress(compressed).decode("ascii").split()
    # The last column is the digit, the others are the pixels in row-major order.
    table = np.array([line.split(",") for line in lines]).astype(np.uint8)
    images = table[:, :-1].reshape(-1, _IMAGE_SIZE, _IMAGE_SIZE)
    feature = Feature(ArrayColumn(images), divide_by=_MAX_PIXEL, image=True, max_value=_MAX_PIXEL)
    targets: dict[str, Column] = {UNNAMED: ArrayColumn(table[:, -1])}
    return SourceDataset("'digits'", {UNNAMED: feature}, targets, target_description="the digit")
