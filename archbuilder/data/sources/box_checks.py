"""Checks of boxes and points: the sides of boxes, and where they are in their image."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from archbuilder.data.columns import Array, Column, RowIndices
from archbuilder.data.image_coordinates import Coordinates
from archbuilder.data.provenance import ColumnOrigin
from archbuilder.diagnostics.errors import RunError

_FARTHEST: Final = 1.0
"""How many widths or heights a coordinate may be outside of its image, such as hidden feet."""

_Numbers = NDArray[np.float64]


def check_sides(numbers: _Numbers, coordinates: Coordinates, description: str) -> None:
    """Check that boxes have a width and a height above 0; `description` begins the message.

    Raises:
        RunError: if one has not.
    """
    # Another number of coordinates is reported elsewhere.
    if not coordinates.has_boxes or numbers.size % 4:
        return
    boxes = numbers.reshape(-1, 4)
    is_flat = (coordinates.edges(boxes)[1] <= coordinates.edges(boxes)[0]).any(axis=1)
    if is_flat.any():
        raise RunError(
            f"{description} has the box {_text(boxes[is_flat][0])}, whose width or height is not"
            f" above 0; a box is {coordinates.meaning}"
        )


def check_places(
    column: Column, coordinates: Coordinates, sizes: _Numbers | None, origin: ColumnOrigin
) -> None:
    """Check that boxes overlap their images, and that no coordinate is far outside of them.

    Args:
        column: The coordinates as the file has them.
        coordinates: What they are.
        sizes: The width and the height of the image of each row; None for fractions.
        origin: The locations of the rows.

    Raises:
        RunError: if one is far outside, or a box does not overlap its image.
    """

    def check(values: Array, rows: RowIndices) -> None:
        pairs = np.ones((len(rows), 2)) if sizes is None else sizes[rows]
        numbers = values.astype(np.float64).reshape(len(rows), -1, coordinates.num_values)
        low, high = coordinates.edges(numbers)
        limits = (pairs[:, ::-1] if coordinates.begins_vertically else pairs)[:, np.newaxis]
        is_wrong = (low < -_FARTHEST * limits) | (high > (1 + _FARTHEST) * limits)
        if coordinates.has_boxes:
            is_wrong |= (low >= limits) | (high <= 0)
        wrong = np.argwhere(is_wrong.any(axis=-1))
        if len(wrong):
            row, number = wrong[0].tolist()
            box = f"the {coordinates.noun} {_text(numbers[row, number])}"
            size = (
                f"'{coordinates.kind}' are fractions of the width and height of the image"
                if sizes is None
                else f"the image has {pairs[row][0]:g} by {pairs[row][1]:g} pixels"
            )
            raise RunError(f"{origin.describe_value(int(rows[row]), 0, box)}, but {size}")

    column.with_check(check)


def _text(numbers: _Numbers) -> str:
    return f"[{', '.join(f'{each:g}' for each in numbers)}]"
