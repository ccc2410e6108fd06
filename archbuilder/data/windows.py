"""Windows over the rows of a dataset: they become its examples, and are gathered on demand.

What is stored of a window is the position of its first row. A window and its target lie within one
set of the split and within one series, so that no training window has a row of the validation set.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from archbuilder.config.sources.windows import WindowConfig
from archbuilder.data.columns import Array, ArrayColumn, Column, LazyColumn, RowIndices
from archbuilder.data.provenance import ColumnOrigin
from archbuilder.data.source_dataset import Feature, SourceDataset, Split
from archbuilder.diagnostics.errors import RunError

_SETS: Final = ("training", "validation", "test")
_MAX_CHECKED_VALUES: Final = 2**24
"""Number of values of all windows up to which they are checked before training."""


def make_windows(dataset: SourceDataset, config: WindowConfig) -> SourceDataset:
    """Return a dataset whose examples are windows of rows.

    Windows are in the order of their last rows. The split of rows becomes a split of windows.

    Raises:
        RunError: if a set has fewer rows than a window, or a row belongs to no series.
    """
    windows = _place_windows(dataset, config)
    steps = config.sampling_rate * np.arange(config.length)
    inputs = {
        name: _window_feature(feature, windows, steps, dataset.source_name)
        for name, feature in dataset.inputs.items()
    }
    has_targets = bool(dataset.targets)
    first = config.span - 1 + (config.ahead if has_targets else 0)
    target_steps = first + config.sampling_rate * np.arange(config.horizon or 1)
    targets = {
        name: _row_column(each, windows, first)
        if config.horizon is None
        else _window_column(each, windows, target_steps)
        for name, each in dataset.targets.items()
    }
    weights = {
        name: _row_column(each, windows, first) for name, each in dataset.sample_weights.items()
    }
    note = f"{config}; {config.target_text}" if has_targets else str(config)
    return replace(
        dataset,
        inputs=inputs,
        targets=targets,
        sample_weights=weights,
        notes=(*dataset.notes, note[0].upper() + note[1:]),
        split=windows.split,
        row_numbers=windows.rows(np.arange(windows.count), np.array([config.span - 1]))[:, 0],
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Windows:
    """The rows of windows."""

    starts: RowIndices
    """The position of the first row of each window."""
    order: RowIndices | None
    """The rows by position, those of a series side by side; None for the order of the data."""
    split: Split | None

    @property
    def count(self) -> int:
        """Number of windows."""
        return len(self.starts)

    def rows(self, windows: RowIndices, steps: NDArray[np.int64]) -> RowIndices:
        """Return the rows of windows at some distances from the first, `(windows, steps)`."""
        positions = self.starts[windows][:, np.newaxis] + steps
        return positions if self.order is None else self.order[positions]


def _place_windows(dataset: SourceDataset, config: WindowConfig) -> _Windows:
    """Return all windows that lie within a set of the split and a series.

    Raises:
        RunError: if a set has fewer rows than a window, or a row belongs to no series.
    """
    sets, order = _sets_of_rows(dataset), None
    is_end = np.diff(sets) != 0
    if config.by is not None:
        series = dataset.key_columns[config.by].read_groups()
        # Stable: the rows of a series keep their order.
        order = np.argsort(series, kind="stable")
        sets = sets[order]
        is_end = (np.diff(sets) != 0) | (np.diff(series[order]) != 0)
    reach = config.reach(has_targets=bool(dataset.targets))
    starts = _starts(np.flatnonzero(is_end) + 1, len(sets), reach, config.stride)
    if order is not None:
        starts = starts[np.argsort(order[starts + config.span - 1], kind="stable")]
    in_sets = [np.flatnonzero(sets[starts] == number) for number in range(len(_SETS))]
    for number, windows in enumerate(in_sets):
        num_rows = np.count_nonzero(sets == number)
        if not len(windows) and num_rows:
            noun = "rows" if dataset.split is None else f"{_SETS[number]} rows"
            series_text = "" if config.by is None else f" with the same {config.by}"
            raise RunError(
                f"{dataset.source_name} has {num_rows:,} {noun}, but nowhere {reach:,} consecutive"
                f" ones{series_text}, which a window and its target need"
            )
    split = dataset.split
    if split is not None:
        train, validation, test = in_sets
        split = Split(
            train,
            None if split.validation is None else validation,
            None if split.test is None else test,
            split.note,
        )
    return _Windows(starts, order, split)


def _starts(boundaries: RowIndices, count: int, reach: int, stride: int) -> RowIndices:
    """Return the starts of all windows between the boundaries of segments."""
    edges = np.concatenate([[0], boundaries, [count]])
    counts = np.maximum(-(-(np.diff(edges) - reach + 1) // stride), 0)
    # The number of each window within its segment.
    numbers = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
    return np.repeat(edges[:-1], counts) + stride * numbers


def _sets_of_rows(dataset: SourceDataset) -> NDArray[np.int8]:
    """Return the number of the set that each row belongs to."""
    sets = np.zeros(dataset.count, np.int8)
    if dataset.split is not None:
        for number, rows in enumerate((dataset.split.validation, dataset.split.test), 1):
            if rows is not None:
                sets[rows] = number
    return sets


@dataclass(frozen=True, slots=True, kw_only=True)
class _WindowOrigin(ColumnOrigin):
    """Locations of the values of windows: those of their rows."""

    rows: ColumnOrigin
    windows: _Windows
    steps: NDArray[np.int64]
    num_values: int
    """Number of values of a row."""

    def describe_value(self, row: int, position: int, value: object) -> str:
        """Return the start of a message: which row has a value, and in which field."""
        step, field = divmod(position, max(self.num_values, 1))
        data_row = self.windows.rows(np.array([row]), self.steps)[0, step]
        return self.rows.describe_value(int(data_row), field, value)


def _window_feature(
    feature: Feature, windows: _Windows, steps: NDArray[np.int64], source_name: str
) -> Feature:
    column = feature.column
    rows = feature.origin or ColumnOrigin.for_array(column.name or source_name)
    origin = _WindowOrigin(
        lambda window: rows.describe_row(int(windows.rows(np.array([window]), steps)[0, 0])),
        rows.fields,
        rows=rows,
        windows=windows,
        steps=steps,
        num_values=math.prod(column.shape),
    )
    # An image over time is not an image. The lists of a window have all the same length.
    return replace(
        feature,
        column=_window_column(column, windows, steps),
        image=False,
        origin=origin,
        lengths=None,
    )


def _window_column(column: Column, windows: _Windows, steps: NDArray[np.int64]) -> Column:
    shape = (len(steps), *column.shape)

    def read(indices: RowIndices) -> Array:
        rows = windows.rows(indices, steps)
        return column.numpy(rows.reshape(-1)).reshape(len(indices), *shape)

    return LazyColumn(
        column.name,
        windows.count,
        shape,
        column.dtype,
        read,
        eager_checks=windows.count * math.prod(shape) <= _MAX_CHECKED_VALUES,
    )


def _row_column(column: Column, windows: _Windows, step: int) -> Column:
    """Return one row of each window: as a column in memory, if that of the rows is."""
    step_array = np.array([step])
    if isinstance(column, ArrayColumn):
        rows = windows.rows(np.arange(windows.count), step_array)[:, 0]
        return ArrayColumn(column.values[rows], column.name)
    return LazyColumn(
        column.name,
        windows.count,
        column.shape,
        column.dtype,
        lambda indices: column.numpy(windows.rows(indices, step_array)[:, 0]),
    )
