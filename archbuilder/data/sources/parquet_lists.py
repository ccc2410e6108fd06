"""Lists in columns of Parquet tables: of one length, or of varying length."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from archbuilder.data.bad_records import BadRecords
from archbuilder.data.sources.list_parser import ListParser, ListValues
from archbuilder.diagnostics.errors import RunError


def read_lists(
    record_batch: pa.RecordBatch,
    parse_lists: ListParser,
    describe_row: Callable[[int], str],
    valid: NDArray[np.bool_],
    bad_records: BadRecords,
) -> Mapping[str, Sequence[ListValues]]:
    """Return the lists of varying length of each input, whose positions are checked.

    `describe_row` returns the location of a row by its index. Rows with other values become not
    valid, and are added to `bad_records`; they have no list.

    Raises:
        RunError: if a column has items of another type.
    """
    roles = parse_lists.roles
    columns = {each: record_batch.column(each) for each in roles.list_columns}
    for column in roles.lists.values():
        if not _has_known_items(columns[column].type):
            raise RunError(
                f"{roles.title(column)} of {describe_row(0)} contains {columns[column].type}, not"
                " lists of numbers or strings"
            )
    # A single number of another type is reported where numbers are read.
    columns = {key: array for key, array in columns.items() if _has_known_items(array.type)}
    values = {column: array.to_pylist() for column, array in columns.items()}
    lists: dict[str, list[ListValues]] = {key: [[]] * len(valid) for key in roles.lists}
    for row in np.flatnonzero(valid).tolist() if columns else ():
        try:
            cells = {column: each[row] for column, each in values.items()}
            parsed = parse_lists(cells, describe_row(row))
        except RunError as error:
            bad_records.add(error)
            valid[row] = False
            continue
        for key, list_values in parsed.items():
            lists[key][row] = list_values
    return lists


def _has_known_items(arrow_type: pa.DataType) -> bool:
    """Return whether items are numbers or strings: `to_pylist` does not take all others."""
    items = arrow_type
    while is_list(items) or pa.types.is_dictionary(items):
        items = items.value_type
    return bool(
        pa.types.is_integer(items)
        or pa.types.is_floating(items)
        or pa.types.is_boolean(items)
        or pa.types.is_string(items)
        or pa.types.is_large_string(items)
        or pa.types.is_null(items)
    )


def is_list(arrow_type: pa.DataType) -> bool:
    """Return whether values of a type are lists."""
    return bool(
        pa.types.is_list(arrow_type)
        or pa.types.is_large_list(arrow_type)
        or pa.types.is_fixed_size_list(arrow_type)
    )


def complete_mask(array: pa.Array) -> NDArray[np.bool_]:
    """Return which entries are complete: not missing, finite, and lists as long as the first."""
    complete = np.asarray(pc.is_valid(array), bool)
    if pa.types.is_floating(array.type):
        finite = pc.is_finite(pc.fill_null(array, np.nan))
        return complete & np.asarray(finite, bool)
    if is_list(array.type) and len(array):
        # A missing list has no length: -1 differs from every other.
        lengths = np.asarray(pc.fill_null(pc.list_value_length(array), -1))
        present = lengths[complete]
        inner_complete = complete_mask(array.flatten())
        # A list is incomplete if one of its items is. `flatten` and `list_parent_indices` both omit
        # the items of missing lists.
        parents = np.asarray(pc.list_parent_indices(array))
        complete &= lengths == (present[0] if len(present) else 0)
        complete[parents[~inner_complete]] = False
    return complete
