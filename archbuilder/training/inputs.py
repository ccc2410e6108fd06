"""Fits columns to the inputs of a network: their values, and then their shape."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import cast

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from archbuilder.errors import RunError
from archbuilder.graph import GraphInput
from archbuilder.training.adapt import adapt
from archbuilder.training.batches import Input
from archbuilder.training.columns import Numbers, Rows, Rule
from archbuilder.training.dtypes import DType, Mask, always_fits, is_integer, unrepresentable
from archbuilder.training.examples import Feature
from archbuilder.training.indices import Indices
from archbuilder.training.provenance import Origin


def fit_input(feature: Feature, graph_input: GraphInput, indices: Sequence[Indices] = ()) -> Input:
    """Return the values of an input of the network, which may have `indices` into tables.

    Raises:
        RunError: if the shapes differ, or a value is none that the input's dtype or the table has.
    """
    dtype = _numpy_dtype(graph_input)
    if indices:
        feature = replace(feature, scale=None)
    adaptation = adapt(feature, graph_input)
    column = feature.column
    origin = feature.origin or Origin.of_array(column.name or "the data")
    # What is divided is a quantity, and may be rounded.
    scaled = feature.scale not in (None, 1) and not is_integer(dtype)
    for each in indices:
        column = column.held_to(_within(each, origin, graph_input))
    if not always_fits(column.dtype, dtype) and not (scaled and is_integer(column.dtype)):
        whole = any(each.positions is None and not each.truncated for each in indices)
        integers = np.ones((), bool) if whole else feature.integers
        column = column.held_to(
            _representable(dtype, None if scaled else integers, origin, graph_input)
        )
    return Input(column, adaptation, feature.value_range(graph_input.dtype))


def _numpy_dtype(graph_input: GraphInput) -> DType:
    dtype = tf.as_dtype(graph_input.dtype)
    if dtype == tf.string:
        raise RunError(f"the input '{graph_input.name}' takes text, and data has numbers alone")
    return np.dtype(dtype.as_numpy_dtype)


def _within(indices: Indices, origin: Origin, graph_input: GraphInput) -> Rule:
    """Return the rule that values are indices into a table."""

    def check(values: Numbers, rows: Rows) -> None:
        numbers = np.trunc(values) if indices.truncated else values
        wrong = unrepresentable(numbers, np.dtype(np.int64))
        numbers = cast("NDArray[np.int64]", numbers)
        wrong |= (numbers < 0) | (numbers >= indices.size)
        if indices.positions is not None:
            wrong = _only_at(indices.positions, wrong, graph_input)
        if wrong.any():
            raise RunError(
                f"{_first(values, wrong, rows, origin)}, and the input '{graph_input.name}' feeds"
                f" {indices.table}, which takes integers from 0 to {indices.size - 1}"
            )

    return check


def _only_at(positions: tuple[int, ...], wrong: Mask, graph_input: GraphInput) -> Mask:
    """Leave out values that do not come to these positions of a flattened input."""
    count = math.prod(wrong.shape[1:])
    flat = wrong.reshape(len(wrong), count)
    chosen = np.zeros(count, bool)
    # Where resizing or other colors change their number, values are no indices.
    if count == math.prod(size or 1 for size in graph_input.shape):
        chosen[list(positions)] = True
    return flat & chosen


def _representable(
    dtype: DType, integers: Mask | None, origin: Origin, graph_input: GraphInput
) -> Rule:
    """Return the rule that a dtype has a column's values, but for the rounding of fractions."""

    def check(values: Numbers, rows: Rows) -> None:
        wrong = unrepresentable(values, dtype, integers)
        if wrong.any():
            first = values[wrong][0]
            raise RunError(
                f"{_first(values, wrong, rows, origin)}, and the input '{graph_input.name}' takes"
                f" {graph_input.dtype}: {_reason(first, dtype)}"
            )

    return check


def _first(values: Numbers, wrong: Mask, rows: Rows, origin: Origin) -> str:
    example, position = np.argwhere(wrong.reshape(len(values), -1))[0].tolist()
    value = values.reshape(len(values), -1)[example, position]
    return origin.value(int(rows[example]), position, _text(value))


def _text(value: np.generic) -> str:
    """Return a number as a file would have it: without a point where it is an integer."""
    number = value.item()
    return str(int(number)) if number == np.floor(number) and abs(number) < 2**64 else str(value)


def _reason(value: np.generic, dtype: DType) -> str:
    """Return why a dtype does not have a value, and what can be done."""
    number = value.item()
    if dtype.kind == "b":
        return "0 and 1 alone"
    if is_integer(dtype):
        limits = np.iinfo(cast("np.dtype[np.integer]", dtype))
        return f"integers from {limits.min} to {limits.max}"
    if number != np.floor(number) or abs(number) >= 2**64:
        return "it is larger than all numbers of this type"
    larger = "int64" if number < 2**63 else "uint64"
    return (
        f"it would be rounded to {int(np.array(number).astype(dtype))}; declare the input as"
        f" {larger} if it is an id, or write it as a float ({int(number)}.0) if it is a quantity"
    )
