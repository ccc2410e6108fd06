"""Windows over the rows of a table or an array: the setting `window` of sources."""

from __future__ import annotations

from dataclasses import dataclass

from archbuilder.config.settings import setting
from archbuilder.config.value_types import integer, text

MAX_WINDOW_ROWS = 2**20
"""Largest number of rows of a window."""


@dataclass(frozen=True, slots=True)
class WindowConfig:
    """Windows of consecutive rows, which become the examples.

    `length`, `stride` and `sampling_rate` are `sequence_length`, `sequence_stride` and
    `sampling_rate` of Keras's `timeseries_dataset_from_array`.
    """

    length: int = setting(
        integer(1, MAX_WINDOW_ROWS),
        "Number of rows of a window.",
        example="'window: {length: 24}'",
    )
    stride: int = setting(
        integer(1, 2**31 - 1), "Number of rows from one window to the next.", default=1
    )
    sampling_rate: int = setting(
        integer(1, MAX_WINDOW_ROWS),
        "Distance of the rows of a window: 6 takes every sixth row.",
        default=1,
    )
    ahead: int = setting(
        integer(0, 2**31 - 1),
        "Number of rows from the last row of a window to that of its target. 0 is the last row"
        " itself, as for a label of the window.",
        default=1,
    )
    horizon: int | None = setting(
        integer(1, MAX_WINDOW_ROWS),
        "Number of rows of the target, at the distance `sampling_rate`; by default one row without"
        " an axis of its own.",
        default=None,
    )
    by: str | None = setting(
        text(),
        "Column of the series that a row belongs to: no window has rows of two of them.",
        default=None,
    )

    @property
    def span(self) -> int:
        """Number of rows from the first to the last row of a window."""
        return (self.length - 1) * self.sampling_rate + 1

    def reach(self, *, has_targets: bool) -> int:
        """Return the number of rows from the first row of a window to the last of its target."""
        if not has_targets:
            return self.span
        target_rows = (self.horizon or 1) - 1
        return max(self.span, self.span + self.ahead + target_rows * self.sampling_rate)

    def __str__(self) -> str:
        distance = "" if self.sampling_rate == 1 else f", {self.sampling_rate:,} apart"
        return f"windows of {self.length:,} rows{distance}"

    @property
    def target_text(self) -> str:
        """Where the target is, in words."""
        start = "the last row" if self.ahead == 0 else f"{self.ahead:,} after the last row"
        rows = "" if self.horizon is None else f"{self.horizon:,} rows from "
        return f"target: {rows}{start}"
