"""The handwritten digits that ship with archbuilder."""

from __future__ import annotations

import gzip
from importlib import resources
from typing import Final

import numpy as np

from archbuilder.training.columns import Column, Held
from archbuilder.training.examples import ONLY, Examples, Feature

_SIDE: Final = 8
_DARKEST: Final = 16


def load_digits() -> Examples:
    """1,797 images of 8 by 8 pixels from 0 to 16, and which digit each of them is."""
    packed = (resources.files("archbuilder") / "data" / "digits.csv.gz").read_bytes()
    lines = gzip.decompress(packed).decode("ascii").split()
    table = np.array([line.split(",") for line in lines]).astype(np.uint8)
    images = table[:, :-1].reshape(-1, _SIDE, _SIDE)
    feature = Feature(Held(images), scale=_DARKEST, image=True, largest=_DARKEST)
    targets: dict[str, Column] = {ONLY: Held(table[:, -1])}
    return Examples("the data set digits", {ONLY: feature}, targets, target="the digit")
