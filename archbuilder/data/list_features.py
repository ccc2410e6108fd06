"""Features of lists of varying length: their values, padded, and their masks."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Final

import numpy as np

from archbuilder.config.data_schema import FittedFeature
from archbuilder.data.columns import (
    ArrayColumn,
    Column,
    RowIndices,
    load_into_memory,
    map_column,
)
from archbuilder.data.file_access import check_fits_in_memory
from archbuilder.data.image_coordinates import PADDING
from archbuilder.data.lists import LIST_PADDING, BatchLengths, ListBounds, Padding
from archbuilder.data.raw_feature import RawFeature
from archbuilder.data.source_dataset import Feature
from archbuilder.diagnostics.errors import RunError
from archbuilder.formatting import plural

_MAX_PADDED_BYTES: Final = 2**27
"""Size up to which lists are padded once: 128 MiB. Others are padded when they are read."""


def has_number_lists(raw: RawFeature) -> bool:
    """Return whether a target is lists of numbers, any of which may be a value."""
    return (
        raw.output is not None
        and raw.lists is not None
        and not raw.has_class_lists
        and raw.config.coordinates is None
    )


def present_values(raw: RawFeature) -> Feature:
    """Return the feature that is 1 for each value of the lists."""
    ones = np.broadcast_to(np.ones(1, np.bool_), raw.column.count)
    return Feature(ArrayColumn(ones))


def fitted_lists(
    raw: RawFeature, fitted: FittedFeature, lists: ListBounds, rows: RowIndices
) -> FittedFeature:
    """Return what a feature of lists learned, with the form of the values.

    Raises:
        RunError: if no list of the training set has a value.
    """
    if not lists.sizes[rows].any():
        raise RunError(f"{raw.title} has no value in any list of the training set")
    return replace(fitted, num_list_values=sum(raw.column.shape))


def with_value_shape(raw: RawFeature, fitted: FittedFeature) -> RawFeature:
    """Return lists of which none has a value, with the form of the training set's values."""
    if raw.lists is None or raw.column.count or not fitted.num_list_values:
        return raw
    empty = np.empty((0, fitted.num_list_values), raw.column.dtype)
    return replace(raw, column=ArrayColumn(empty, raw.column.name))


def pad_lists(raw: RawFeature, values: Feature, lists: ListBounds) -> Feature:
    """Return the input that lists become, given the feature of their values.

    Raises:
        RunError: if a list is too large to be padded.
    """
    config, value_column = raw.config, values.column
    fill: float = PADDING if config.coordinates is not None or raw.has_class_lists else 0
    if has_number_lists(raw):
        fill = LIST_PADDING
        value_column = map_column(
            value_column,
            lambda numbers: numbers.astype(np.float64),
            value_column.shape,
            np.dtype(np.float64),
        )
    padding = Padding(
        config.lengths,
        config.padding == "pre",
        config.truncating == "pre",
        fill,
    )
    column: Column = padding.pad(value_column, lists)
    example_bytes = math.prod(column.shape) * column.dtype.itemsize
    check_fits_in_memory(example_bytes, f"an example of {raw.title}")
    num_bytes = column.count * example_bytes
    return replace(
        values,
        column=load_into_memory(column) if num_bytes <= _MAX_PADDED_BYTES else column,
        origin=raw.list_origin,
        lengths=BatchLengths.from_bounds(padding, lists),
    )


def list_note(raw: RawFeature, note: str, lists: ListBounds, rows: RowIndices) -> str:
    """Return a note for the user about the lists of a training set and their values."""
    if raw.config.mask_of is not None:
        return ""
    sizes, length = lists.sizes[rows], raw.config.lengths[-1]
    text = f"lists of {sizes.min():,} to {plural(int(sizes.max()), 'value')}"
    if num_longer := int(np.count_nonzero(sizes > length)):
        text += f", {num_longer:,} shortened to {length:,}"
    return f"{note}, {text}" if note else f"{raw.title}: {text}"
