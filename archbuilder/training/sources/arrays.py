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
from archbuilder.recipe.legend import Scale
from archbuilder.training.columns import Column, Numbers, Rows, Rule
from archbuilder.training.examples import ONLY, Feature, Known
from archbuilder.training.provenance import Origin

_IMAGE_AXES: Final = (2, 3)
_BRIGHTEST: Final = 255
_AT_ONCE: Final = 2**24
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
        dates = ": write dates and times as numbers" if head.dtype.kind in "mM" else ""
        raise RunError(f"{what} holds {head.dtype}, not numbers{dates}")
    if not head.shape:
        raise RunError(f"{what} is a single number")
    # numpy's own check lets negative axes pass, and axes beside one of 0 that no array can have.
    entries = math.prod(max(axis, 1) for axis in head.shape)
    if len(head.shape) > _MOST_AXES or min(head.shape) < 0 or entries > _MOST_ENTRIES:
        raise RunError(f"{what} is damaged: it has the shape {shown(list(head.shape))}")
    return head


def array_feature(
    column: Column,
    scale: float | None,
    origin: Origin | None = None,
    trained: Scale | None = None,
) -> Feature:
    """Return an input; bytes with the axes of images are images.

    They are divided by `scale`, or as the bytes that were `trained` on. Where neither is known, the
    brightest value is 255, unless they are 0 and 1 alone: masks and one-hot rows are left as they
    are.

    Raises:
        RunError: if values in memory are larger than those that were trained on can be.
    """
    if column.dtype != np.uint8 or len(column.shape) not in _IMAGE_AXES:
        return Feature(column, scale, origin=origin)
    if scale is not None:
        return Feature(column, scale, image=True, origin=origin)
    if trained is None:
        largest = _BRIGHTEST if _exceeds_one(column) else 1
        return Feature(column, largest, image=True, largest=largest, origin=origin)
    if trained.largest < _BRIGHTEST:
        column = column.held_to(_not_above(trained, origin or Origin.of_array(column.name)))
    return Feature(column, trained.divisor, image=True, largest=trained.largest, origin=origin)


def _exceeds_one(column: Column) -> bool:
    """Return whether a column of bytes has values above 1, which images show at once."""
    step = max(_AT_ONCE // max(math.prod(column.shape), 1), 1)
    parts = (
        np.arange(begin, min(begin + step, column.count)) for begin in range(0, column.count, step)
    )
    return any(column.values_of(rows).max(initial=0) > 1 for rows in parts)


def _not_above(trained: Scale, origin: Origin) -> Rule:
    """Return the rule that bytes are in the range of those that were trained on."""

    def check(values: Numbers, rows: Rows) -> None:
        flat = values.reshape(len(values), -1)
        wrong = flat.max(axis=1, initial=0) > trained.largest
        if wrong.any():
            example = int(wrong.argmax())
            position = int(flat[example].argmax())
            told = origin.value(int(rows[example]), position, flat[example, position])
            raise RunError(
                f"{told}, and the network was trained on 0 to {trained.largest}, divided by"
                f" {trained.divisor:g}: bring it to that range, or train with 'scale' in the recipe"
            )

    return check


def trained_scale(like: Known | None, name: str) -> Scale | None:
    """Return how an input was scaled that was trained on; None where that is not known."""
    return like.legend.scale_of(name) if like else None


def by_name(given: _T | Mapping[str, _T]) -> Mapping[str, _T]:
    """What is given for the one input or output, or for several, by name."""
    return given if isinstance(given, Mapping) else {ONLY: given}
