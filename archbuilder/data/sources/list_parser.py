"""Parser of lists of varying length: those of JSON and Parquet, and texts with a separator."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np

from archbuilder.config.sources import FeatureConfig
from archbuilder.data.columns import Array
from archbuilder.data.sources.cells import (
    not_a_number_error,
    parse_cell,
    parse_column,
    with_decimal_point,
)
from archbuilder.data.sources.column_roles import ColumnRoles
from archbuilder.data.sources.json_numbers import parse_numbers
from archbuilder.data.sources.row_checks import RowChecks
from archbuilder.diagnostics.errors import RunError, quote
from archbuilder.formatting import plural

ListValues: TypeAlias = Array | list[str | None]
"""The numbers of a list, or its lists of numbers of one length; or categories, None for missing."""


@dataclass(frozen=True, slots=True, eq=False)
class ListParser:
    """Parser of the lists of rows, whose values have the shape of the first ones."""

    roles: ColumnRoles
    value_shapes: dict[str, tuple[int, ...]] = field(default_factory=dict)
    """Shapes of the values of the first lists, by input."""

    def __post_init__(self) -> None:
        """Check that lists in cells of text have a separator.

        Raises:
            RunError: if they have none.
        """
        for key in self.roles.lists if self.roles.text_cells else ():
            if self.roles.features[key].separator is None:
                output = self.roles.target_features.get(key)
                name = f"input {quote(key)}" if output is None else f"target {quote(output)}"
                raise RunError(
                    f"the {name} has lists, which need a 'separator' here, for example"
                    " 'separator: \";\"'"
                )

    def __call__(self, row: Mapping[str, object], location: str) -> dict[str, ListValues]:
        """Return the lists of a row by input. A row that is not valid leaves the shapes alone.

        Raises:
            RunError: if the row lacks a list, or has one that is too long or not valid, or its
                lists and positions do not suit each other.
        """
        lists: dict[str, ListValues] = {}
        counts: dict[str, int] = {}
        shapes = {**self.value_shapes}
        for key, column in self.roles.lists.items():
            config = self.roles.features[key]
            description = f"{self.roles.title(column)} of {location}"
            items = _items(row.get(column), config, description)
            counts[key] = len(items)
            # A list of padding alone has no average, and cuDNN takes none: one missing category.
            fill = () if key in self.roles.target_features else (None,)
            lists[key] = (
                [_category(each, description) for each in items or fill]
                if config.is_category
                else self._cell_numbers(items, description)
                if isinstance(row.get(column), str)
                else parse_numbers([*items], description)
            )
            if config.truncating is None and len(items) > config.lengths[-1]:
                raise self._length_error(key, len(items), description)
            values = lists[key]
            if isinstance(values, np.ndarray) and len(values):
                expected = shapes.setdefault(key, values.shape[1:])
                self._check_shape(key, values.shape[1:], expected, description)
        RowChecks(self.roles)(row, lists, counts, location)
        self.value_shapes.update(shapes)
        return lists

    def _length_error(self, key: str, count: int, description: str) -> RunError:
        config, coordinates = self.roles.features[key], self.roles.coordinates.get(key)
        count_text = (
            plural(count, "value") if coordinates is None else coordinates.count_text(count)
        )
        can_be_cut = coordinates is None and not config.is_box_labels
        hint = "; 'truncating: post' or 'pre' shortens such lists" if can_be_cut else ""
        return RunError(
            f"{description} has {count_text}, more than its 'length' of {config.lengths[-1]}{hint}"
        )

    def _check_shape(
        self, key: str, shape: tuple[int, ...], expected: tuple[int, ...], description: str
    ) -> None:
        """Check the shape of the values of a list against that of the first values.

        Raises:
            RunError: if it differs, is not one of values, or not that of boxes or points.
        """
        coordinates = self.roles.coordinates.get(key)
        if coordinates is not None:
            expected = (coordinates.num_values,)
        if shape == expected and len(expected) <= 1:
            return
        kind = (
            f"the first ones have {list(expected)}"
            if coordinates is None
            else f"a {coordinates.noun} has {coordinates.num_values} numbers"
        )
        if len(expected) > 1:
            kind = "the values of a list are numbers, or lists of numbers"
        raise RunError(f"{description} has values of the shape {list(shape)}, but {kind}")

    def _cell_numbers(self, parts: Sequence[object], description: str) -> Array:
        """Return the numbers in the parts of a text.

        Raises:
            RunError: if a part is something else.
        """
        texts = [*map(str, parts)]
        cells = with_decimal_point(texts, self.roles.decimal)
        try:
            return parse_column(cells)
        except ValueError:
            for text, cell in zip(texts, cells, strict=True):
                try:
                    parse_cell(cell)
                except ValueError:
                    raise not_a_number_error(text, f"{description} has {quote(text)}") from None
            raise RunError(
                f"{description} has an integer among numbers that are not 64-bit integers like it:"
                " no dtype represents all of them"
            ) from None


def _items(value: object, config: FeatureConfig, description: str) -> Sequence[object]:
    """Return the items of a list; none if it is missing.

    Raises:
        RunError: if the value is not a list, nor a text that a separator splits.
    """
    if value is None or (isinstance(value, str) and not value.strip()):
        return ()
    if isinstance(value, str) and config.separator is not None:
        # A separator at the end, or two side by side, are no category, as in a multi-hot feature.
        parts = value.split(config.separator)
        return [each for each in map(str.strip, parts) if each] if config.is_category else parts
    if not isinstance(value, list):
        hint = "; a 'separator' splits texts" if isinstance(value, str) else ""
        raise RunError(f"{description} is {quote(value)}, not a list{hint}")
    return value


def _category(value: object, description: str) -> str | None:
    """Return a value as a category; None if it is missing.

    Raises:
        RunError: if it is neither a string nor an integer.
    """
    if value is None:
        return None
    if isinstance(value, str | int) and not isinstance(value, bool):
        return str(value).strip() or None
    raise RunError(f"{description} has {quote(value)} in a list of strings or integers")
