"""What the files of numpy have in common: their head, and which arrays are images."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from tokenize import TokenError
from typing import Any, Final, Protocol, TypeVar

import numpy as np

from archbuilder.errors import RunError, shown
from archbuilder.parser_errors import Errors, parser_errors
from archbuilder.training.columns import Column
from archbuilder.training.examples import ONLY, Feature
from archbuilder.training.places import Origin

_IMAGE_AXES: Final = (2, 3)
_BRIGHTEST: Final = 255
_KINDS: Final = "buif"
"""Truth values, whole numbers and floats: what numpy calls b, u, i and f."""
_LARGEST: Final = 8
"""The bytes of the largest number that TensorFlow knows."""
_MOST_AXES: Final = 32
_MOST_ENTRIES: Final = 2**59
"""Numbers of eight bytes that an address can count."""
_ERRORS: Final[Errors] = (
    OSError,
    EOFError,
    ValueError,
    TypeError,  # keys of the header that cannot be sorted or hashed
    SyntaxError,
    TokenError,
    RecursionError,
    OverflowError,
    IndexError,
)
_HEADERS: Final[Mapping[tuple[int, int], Callable[..., tuple[Any, ...]]]] = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
}

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Head:
    """What the head of an array announces."""

    shape: tuple[int, ...]
    fortran: bool
    dtype: np.dtype[np.generic]


class Readable(Protocol):
    """A file as far as `read_head` uses it."""

    def read(self, size: int = -1, /) -> bytes:
        """Return up to `size` bytes."""


def read_head(file: Readable, what: str) -> Head:
    """The head of an array of numbers, with one example or more axes.

    Raises:
        RunError: if it is damaged, or the array holds something else, such as Python objects.
    """
    with parser_errors(_ERRORS, f"{what} cannot be read"):
        version = np.lib.format.read_magic(file)
    if version not in _HEADERS:
        raise RunError(f"{what} has version {version} of numpy's format, which has no numbers")
    with parser_errors(_ERRORS, f"{what} cannot be read"):
        head = Head(*_HEADERS[version](file))
    if head.dtype.kind not in _KINDS or head.dtype.itemsize > _LARGEST:
        raise RunError(f"{what} holds {head.dtype}, not numbers")
    if not head.shape:
        raise RunError(f"{what} is a single number")
    # numpy's own check lets negative axes pass, and axes beside one of 0 that no array can have.
    entries = math.prod(max(axis, 1) for axis in head.shape)
    if len(head.shape) > _MOST_AXES or min(head.shape) < 0 or entries > _MOST_ENTRIES:
        raise RunError(f"{what} is damaged: it has the shape {shown(list(head.shape))}")
    return head


def array_feature(column: Column, scale: float | None, origin: Origin | None = None) -> Feature:
    """Return an input; bytes with the axes of images are images, whose brightest value is 255."""
    image = column.dtype == np.uint8 and len(column.shape) in _IMAGE_AXES
    return Feature(column, scale or (_BRIGHTEST if image else None), image, origin)


def by_name(given: _T | Mapping[str, _T]) -> Mapping[str, _T]:
    """What is given for the one input or output, or for several, by name."""
    return given if isinstance(given, Mapping) else {ONLY: given}
