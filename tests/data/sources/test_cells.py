"""Cells of text as numbers."""

from __future__ import annotations

import numpy as np
import pytest

from archbuilder.data.sources.cells import not_a_number_error, parse_column


@pytest.mark.parametrize(
    ("cells", "dtype", "values"),
    [
        (["1", " -2 "], np.int64, [1, -2]),
        (["1", "9223372036854775808"], np.uint64, [1, 2**63]),
        (["1", "2.0"], np.float64, [1, 2]),
        (["1", "1e3"], np.float64, [1, 1000]),
        (["True", "FALSE", "7"], np.int64, [1, 0, 7]),
        (["true", "0.5"], np.float64, [1, 0.5]),
        (["9007199254740992", "0.5"], np.float64, [2**53, 0.5]),
        (["1e300", "1e20"], np.float64, [1e300, 1e20]),
    ],
)
def test_parse_numeric_columns(cells: list[str], dtype: type, values: list[float]):
    """Integers where all of them are written so, and else floats."""
    column = parse_column(cells)
    assert (column.dtype, column.tolist()) == (dtype, values)


@pytest.mark.parametrize(
    "cells",
    [
        ["x"],
        [""],
        ["nan"],
        ["1", "inf"],
        ["1e400"],
        ["18446744073709551616"],
        ["9223372036854775808", "-1"],
        ["9007199254740993", "0.5"],
        ["True", "yes"],
        ["1_000"],
        ["2", "1_000.5"],
        ["True", "1_0"],
    ],
)
def test_cells_without_dtype(cells: list[str]):
    """Words, infinity, numbers with an underscore, and integers that would be rounded."""
    with pytest.raises(ValueError):  # noqa: PT011 - the caller tells which cell it is
        parse_column(cells)


def test_numbers_that_are_not_finite_are_named():
    """NaN has no '_' to leave out."""
    assert "not a finite number: 'on_error: skip'" in str(not_a_number_error("nan", "line 2 has x"))
    # With a decimal comma, a point separates thousands.
    assert str(not_a_number_error("1.500", "line 2 has x")) == "line 2 has x, not a number"
    assert "without '_'" in str(not_a_number_error("1_000", "line 2 has x"))
