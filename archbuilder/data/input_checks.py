"""Checks that the values of a column suit an input of a network: its dtype and its tables."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import cast

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from archbuilder.compiler.ir import GraphInput
from archbuilder.data.columns import (
    Array,
    Column,
    RowIndices,
    ValueCheck,
    fit_image_size,
    format_image_size,
)
from archbuilder.data.dtypes import DType, Mask, always_fits, is_integer, unrepresentable
from archbuilder.data.input_adapter import make_adapter
from archbuilder.data.lookup_tables import LookupTable
from archbuilder.data.pipeline import AdaptedColumn
from archbuilder.data.provenance import ColumnOrigin
from archbuilder.data.source_dataset import Feature
from archbuilder.diagnostics.errors import RunError


def adapt_input(
    feature: Feature, graph_input: GraphInput, lookup_tables: Sequence[LookupTable] = ()
) -> AdaptedColumn:
    """Return the pipeline of an input of the network, whose values may be indices into tables.

    Raises:
        RunError: if the shapes cannot be reconciled, or a value in memory is out of the range of
            the dtype or of a table.
    """
    tf_dtype = tf.as_dtype(graph_input.dtype)
    if tf_dtype == tf.string:
        raise RunError(
            f"the input '{graph_input.name}' takes strings, but data sources provide only numbers:"
            " declare it as int32, and number the words with a feature of the data that has a"
            " 'vocabulary' or a 'tokenizer'"
        )
    dtype = np.dtype(tf_dtype.as_numpy_dtype)
    # Bytes that are indices are not pixels, and must not be divided by 255.
    if lookup_tables:
        feature = replace(feature, divide_by=None)
    # An image in a flat input keeps its size.
    is_flat = feature.image and len(graph_input.shape) != len(feature.shape)
    column = fit_image_size(feature.column, () if is_flat else graph_input.shape)
    adapter = make_adapter(replace(feature, column=column), graph_input)
    if column.shape != feature.shape:
        size = format_image_size(column.shape)
        note = f"Input '{graph_input.name}': images decoded to {size}"
        adapter = replace(adapter, notes=(note, *adapter.notes))
    origin = feature.origin or ColumnOrigin.for_array(column.name or "the data")
    # Integers that are divided by a scale are quantities, not ids, and may be rounded.
    scaled = feature.divide_by not in (None, 1) and not is_integer(dtype)
    for table in lookup_tables:
        if table.positions is None and (feature.num_categories or 0) > table.size:
            raise RunError(
                f"the vocabulary of the input '{graph_input.name}' has {feature.num_categories:,}"
                f" entries, one of them for other values, but {table.description} takes integers"
                f" from 0 to {table.size - 1}: write {feature.num_categories}, or limit the"
                f" vocabulary with {feature.vocabulary_limit}"
            )
        column = column.with_check(_make_index_check(table, origin, graph_input))
    if not (scaled and is_integer(column.dtype)):
        # Indices are integers even in a column of floats: rounding one selects another row.
        takes_indices = any(each.positions is None and not each.truncated for each in lookup_tables)
        integer_mask = np.ones((), bool) if takes_indices else feature.integer_mask
        exact_mask = None if scaled else integer_mask
        reader = f"the input '{graph_input.name}' takes {graph_input.dtype}"
        column = with_dtype_check(column, dtype, exact_mask, origin, reader)
    value_range = feature.value_range(graph_input.dtype)
    return AdaptedColumn(column, adapter, value_range, feature.lengths, feature.num_categories)


def with_dtype_check(
    column: Column, dtype: DType, exact_mask: Mask | None, origin: ColumnOrigin, reader: str
) -> Column:
    """Return a column that checks that a dtype represents its values.

    Args:
        column: The column.
        dtype: The dtype that its values are cast to.
        exact_mask: The positions that hold integers in a column of floats; None if none do.
        origin: Where its values are, for messages.
        reader: What takes this dtype, for messages.

    Raises:
        RunError: if it does not represent one in memory.
    """
    if always_fits(column.dtype, dtype):
        return column

    def check_dtype(values: Array, rows: RowIndices) -> None:
        invalid = unrepresentable(values, dtype, exact_mask)
        if invalid.any():
            raise RunError(
                f"{_describe_first(values, invalid, rows, origin)}, and {reader}:"
                f" {_dtype_hint(values[invalid][0], dtype)}"
            )

    return column.with_check(check_dtype)


def _make_index_check(
    table: LookupTable, origin: ColumnOrigin, graph_input: GraphInput
) -> ValueCheck:
    """Return a check that values are indices into a table."""

    def check(values: Array, rows: RowIndices) -> None:
        # A cast in the network drops fractions, as in 3.7 for the bucket 3.
        integers = np.trunc(values) if table.truncated else values
        invalid = unrepresentable(integers, np.dtype(np.int64))
        integers = cast("NDArray[np.int64]", integers)
        invalid |= (integers < 0) | (integers >= table.size)
        if table.positions is not None:
            is_index = np.zeros(math.prod(invalid.shape[1:]), bool)
            invalid = invalid.reshape(len(invalid), len(is_index))
            # If the adapter changes the number of values (resizing, gray to RGB), the positions of
            # the input say nothing about those of the column, and the values are not indices.
            if len(is_index) == math.prod(size or 1 for size in graph_input.shape):
                is_index[list(table.positions)] = True
            invalid &= is_index
        if invalid.any():
            raise RunError(
                f"{_describe_first(values, invalid, rows, origin)}, and the input"
                f" '{graph_input.name}' feeds"
                f" {table.description}, which takes integers from 0 to {table.size - 1}"
            )

    return check


def _describe_first(values: Array, invalid: Mask, rows: RowIndices, origin: ColumnOrigin) -> str:
    example, position = np.argwhere(invalid.reshape(len(values), -1))[0].tolist()
    value = values.reshape(len(values), -1)[example, position]
    number = value.item()
    # As the file has it: integers in a column of floats without the point.
    is_integral = number == np.floor(number) and abs(number) < 2**64
    text = str(int(number)) if is_integral else str(value)
    return origin.describe_value(int(rows[example]), position, text)


def _dtype_hint(value: np.generic, dtype: DType) -> str:
    """Return why a dtype does not represent a value, and what to do about it."""
    number = value.item()
    if dtype.kind == "b":
        return "only 0 and 1"
    if is_integer(dtype):
        limits = np.iinfo(cast("np.dtype[np.integer]", dtype))
        return f"integers from {limits.min} to {limits.max}"
    with np.errstate(over="ignore"):
        rounded = np.array(number).astype(dtype)
    if not np.isfinite(rounded):
        return "it exceeds the maximum of this dtype"
    larger = "float64"
    if -(2**63) <= number < 2**63:
        larger = "int64"
    elif 0 <= number < 2**64:
        larger = "uint64"
    return (
        f"it would be rounded to {int(rounded)}; declare the input as"
        f" {larger} if it is an id, or write it as a float ({int(number)}.0) if it is a quantity"
    )
