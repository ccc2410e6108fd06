"""Checks of the lists, positions and boxes of a row."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from archbuilder.data.columns import Array
from archbuilder.data.source_dataset import target_key
from archbuilder.data.sources.box_checks import check_sides
from archbuilder.data.sources.cells import parse_cell, with_decimal_point
from archbuilder.data.sources.column_roles import ColumnRoles
from archbuilder.data.sources.json_numbers import flatten
from archbuilder.diagnostics.errors import RunError
from archbuilder.formatting import plural


@dataclass(frozen=True, slots=True, eq=False)
class RowChecks:
    """The checks of a row whose lists are parsed."""

    roles: ColumnRoles

    def __call__(
        self,
        row: Mapping[str, object],
        lists: Mapping[str, Array | list[str | None]],
        counts: Mapping[str, int],
        location: str,
    ) -> None:
        """Check a row, given its lists and their numbers of values.

        Raises:
            RunError: if lists that belong together have other numbers of values, a position is
                not one of the list that it points into, or a box has no width or height.
        """
        self._check_box_labels(lists, location)
        for key, coordinates in self.roles.coordinates.items():
            numbers = self._coordinates(key, row, lists) if coordinates.has_boxes else None
            if numbers is not None:
                title = self.roles.title(self.roles.inputs[key][0])
                check_sides(numbers, coordinates, f"{title} of {location}")
        for key, reference in self.roles.same_lengths.items():
            if counts[key] != counts[reference]:
                titles = [self.roles.title(self.roles.lists[each]) for each in (key, reference)]
                raise RunError(
                    f"{location} has {plural(counts[key], 'value')} in {titles[0]}, and"
                    f" {counts[reference]:,} in {titles[1]}"
                )
        for key in self.roles.positions:
            if key in lists:
                values = np.asarray(lists[key])
                self._check_positions(key, self.roles.lists[key], values, counts, location)
                continue
            for column in self.roles.inputs[key]:
                number = self._number(row.get(column))
                if number is not None:
                    self._check_positions(key, column, np.array([number]), counts, location)

    def _check_box_labels(
        self, lists: Mapping[str, Array | list[str | None]], location: str
    ) -> None:
        """Check that there are as many labels as boxes or points, and none is missing.

        Raises:
            RunError: if there are not.
        """
        for boxes, outputs in self.roles.box_labels.items():
            for labels in map(target_key, outputs):
                titles = [self.roles.title(self.roles.lists[key]) for key in (boxes, labels)]
                counts = [len(lists[key]) for key in (boxes, labels)]
                if counts[0] != counts[1]:
                    count_text = self.roles.coordinates[boxes].count_text(counts[0])
                    raise RunError(
                        f"{location} has {count_text} in {titles[0]}, and"
                        f" {plural(counts[1], 'label')} in {titles[1]}"
                    )
                if None in lists[labels]:
                    raise RunError(f"{titles[1]} of {location} has a label that is missing")

    def _check_positions(
        self, key: str, column: str, values: Array, counts: Mapping[str, int], location: str
    ) -> None:
        """Check the positions in a column.

        Raises:
            RunError: if one is not an integer, negative or too large.
        """
        of = self.roles.positions[key]
        if isinstance(of, int):
            limit = count = of
        else:
            count = counts[of]
            limit = min(count, self.roles.features[of].lengths[-1])
        numbers = values.astype(np.float64)
        is_position = (numbers >= 0) & (numbers < limit) & (numbers == np.floor(numbers))
        if is_position.all():
            return
        message = f"{location} has {values[~is_position][0].item()} in {self.roles.title(column)}"
        expectation = f"positions are integers from 0 to {limit - 1:,}"
        if isinstance(of, int):
            raise RunError(f"{message}, but {expectation}")
        title = self.roles.title(self.roles.lists[of])
        if not count:
            raise RunError(f"{message}, a position in {title}, which is empty there")
        cut = f", of which 'truncating' leaves {limit:,}" if limit < count else ""
        raise RunError(
            f"{message}, a position in {title}, which has {plural(count, 'value')} there{cut}:"
            f" {expectation}"
        )

    def _coordinates(
        self, key: str, row: Mapping[str, object], lists: Mapping[str, Array | list[str | None]]
    ) -> NDArray[np.float64] | None:
        """Return the coordinates of a feature; None for other values, which the reader reports."""
        if key in lists:
            return np.asarray(lists[key], np.float64)
        cells = [*flatten([row.get(column) for column in self.roles.inputs[key]])]
        numbers = [each for each in map(self._number, cells) if each is not None]
        return np.array(numbers, np.float64) if len(numbers) == len(cells) else None

    def _number(self, cell: object) -> int | float | None:
        """Return the number in a cell; None for other values, which the reader reports."""
        if isinstance(cell, str) and self.roles.text_cells:
            return parse_cell(*with_decimal_point([cell], self.roles.decimal))
        return cell if isinstance(cell, int | float) else None
