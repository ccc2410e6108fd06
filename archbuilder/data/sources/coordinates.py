"""Columns of coordinates in the pixels of an image, which become fractions of its size."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from archbuilder.data.columns import Array, ArrayColumn, Column, LazyColumn, RowIndices
from archbuilder.data.file_access import DataFileOpener
from archbuilder.data.image_coordinates import Coordinates
from archbuilder.data.lists import ListBounds
from archbuilder.data.raw_feature import RawFeature
from archbuilder.data.source_dataset import Feature, SourceDataset
from archbuilder.data.sources.box_checks import check_places
from archbuilder.data.sources.column_roles import ColumnRoles
from archbuilder.data.sources.example_files import ExampleFiles
from archbuilder.data.sources.image_decoding import read_image_size
from archbuilder.diagnostics.errors import RunError

_Sizes = NDArray[np.float64]


def add_coordinates(
    dataset: SourceDataset,
    files: Mapping[str, ExampleFiles],
    roles: ColumnRoles,
    describe_row: Callable[[int], str],
    opener: DataFileOpener,
) -> SourceDataset:
    """Turn features that are coordinates into inputs and targets.

    `files` are the images by input, and `describe_row` returns the location of an example.

    Raises:
        RunError: if an image cannot be read, or coordinates are not pairs.
    """
    sizes = {
        image: _image_sizes(files[image], roles.title(roles.inputs[image][0]), describe_row, opener)
        for image in sorted(
            {each.image for each in roles.coordinates.values() if not each.is_relative}
        )
    }
    raw_features, inputs, targets = (
        {**dataset.raw_features},
        {**dataset.inputs},
        {**dataset.targets},
    )
    for key, coordinates in roles.coordinates.items():
        raw = raw_features.pop(key)
        image_sizes = None if coordinates.is_relative else sizes[coordinates.image]
        if raw.lists is not None:
            raw_features[key] = _list_fractions(raw, raw.lists, coordinates, image_sizes)
            continue
        column = _fractions(raw, coordinates, image_sizes)
        if raw.output is None:
            inputs[key] = Feature(column, origin=raw.origin)
        else:
            targets[raw.output] = column
    return replace(
        dataset,
        raw_features=raw_features,
        inputs=inputs,
        targets=targets,
        coordinates=roles.coordinates,
    )


def _image_sizes(
    files: ExampleFiles, title: str, describe_row: Callable[[int], str], opener: DataFileOpener
) -> _Sizes:
    """Return the width and the height of each image, read from its header."""

    def read(row: int) -> tuple[int, int]:
        file = files[row]
        try:
            with opener.open_file(file.directory, *file.parts) as descriptor:
                return read_image_size(descriptor, file.name)
        except RunError as error:
            raise RunError(f"{title} of {describe_row(row)}: {error}") from None

    # Threads suffice: most of the time is that of the disk.
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return np.array(list(pool.map(read, range(len(files)))), np.float64).reshape(-1, 2)


def _list_fractions(
    raw: RawFeature, lists: ListBounds, coordinates: Coordinates, sizes: _Sizes | None
) -> RawFeature:
    """Return lists of coordinates that are parts of the size of the image of their example."""
    if not raw.column.count:
        column: Column = ArrayColumn(np.zeros((0, coordinates.num_values), np.float32))
    else:
        owners = np.repeat(np.arange(lists.count), lists.sizes)
        column = _fractions(raw, coordinates, None if sizes is None else sizes[owners])
    return replace(raw, column=column, integer_mask=None)


def _fractions(raw: RawFeature, coordinates: Coordinates, sizes: _Sizes | None) -> Column:
    """Return coordinates as parts of the width and the height of the image, by turns.

    Raises:
        RunError: if they are not pairs, or not four numbers for each box, or far from the image.
    """
    column, count = raw.column, math.prod(raw.column.shape)
    if count % 2:
        raise RunError(
            f"{raw.title} has {count} coordinates, but they are pairs of a horizontal and a"
            " vertical one"
        )
    if coordinates.has_boxes and count % 4:
        raise RunError(f"{raw.title} has {count} coordinates, but a box has four")
    check_places(column, coordinates, sizes, raw.origin)
    dtype = np.dtype(np.float32)

    def scale(values: Array, rows: RowIndices) -> Array:
        if sizes is None:
            return values.astype(dtype)
        pairs = sizes[rows][:, ::-1] if coordinates.begins_vertically else sizes[rows]
        divisors = np.tile(pairs, count // 2).reshape(len(rows), *column.shape)
        return (values.astype(np.float64) / divisors).astype(dtype)

    if isinstance(column, ArrayColumn):
        return ArrayColumn(scale(column.values, np.arange(column.count)), column.name)
    return LazyColumn(
        column.name,
        column.count,
        column.shape,
        dtype,
        lambda rows: scale(column.numpy(rows), rows),
        eager_checks=True,
    )
