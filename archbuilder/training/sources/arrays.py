"""What the files of numpy have in common: their head, and which arrays are images."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import IO, Final, TypeVar

import numpy as np

from archbuilder.errors import RunError
from archbuilder.training.columns import Column
from archbuilder.training.examples import ONLY, Feature

_IMAGE_AXES: Final = (2, 3)
_BRIGHTEST: Final = 255
_KINDS: Final = "buif"
"""Truth values, whole numbers and floats: what numpy calls b, u, i and f."""
_LARGEST: Final = 8
"""The bytes of the largest number that TensorFlow knows."""

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Head:
    """What the head of an array announces."""

    shape: tuple[int, ...]
    fortran: bool
    dtype: np.dtype[np.generic]


def read_head(file: IO[bytes], what: str) -> Head:
    """The head of an array of numbers, with one example or more axes.

    Raises:
        RunError: if it is damaged, or the array holds something else, such as Python objects.
    """
    try:
        version = np.lib.format.read_magic(file)
        if version not in ((1, 0), (2, 0)):
            raise RunError(f"{what} has version {version} of numpy's format, which has no numbers")
        read = np.lib.format.read_array_header_1_0
        if version == (2, 0):
            read = np.lib.format.read_array_header_2_0
        head = Head(*read(file))
    except ValueError as error:
        raise RunError(f"{what} cannot be read: {error}") from error
    if head.dtype.kind not in _KINDS or head.dtype.itemsize > _LARGEST:
        raise RunError(f"{what} holds {head.dtype}, not numbers")
    if not head.shape:
        raise RunError(f"{what} is a single number")
    return head


def array_feature(column: Column, scale: float | None) -> Feature:
    """An input; bytes with the axes of images are images, whose brightest value is 255."""
    image = column.dtype == np.uint8 and len(column.shape) in _IMAGE_AXES
    return Feature(column, scale=scale or (_BRIGHTEST if image else None), image=image)


def by_name(given: _T | Mapping[str, _T]) -> Mapping[str, _T]:
    """What is given for the one input or output, or for several, by name."""
    return given if isinstance(given, Mapping) else {ONLY: given}
