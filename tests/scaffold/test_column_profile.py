"""Profiles of columns: what a sample of values says about a column."""

from __future__ import annotations

import pytest

from archbuilder.scaffold.column_profile import ColumnProfile, profile_column


def profile(*cells: str | float | None, text_cells: bool = True) -> ColumnProfile:
    return profile_column("c", cells, text_cells=text_cells)


@pytest.mark.parametrize(
    ("cells", "kind"),
    [
        (["1", "2.5", "-3e4"], "number"),
        (["1", "?", "", "NA", "2"], "number"),
        (["yes", "no", "yes"], "category"),
        (["007", "x"], "category"),
        (["1_000", "2_000"], "category"),
        (["2024-01-31", "2024-02-01T10:00"], "date"),
        (
            ["a long review of a film", "another rather long review", "one more of many words"],
            "text",
        ),
        (["one of three long answers", "another of three long answers"] * 3, "category"),
        (["same", "same"], "unused"),
        (["", "?"], "unused"),
        ([str(each) for each in range(1, 30)], "unused"),
        ([f"user-{each}" for each in range(30)], "unused"),
    ],
)
def test_kinds_of_text_cells(cells: list[str], kind: str) -> None:
    """Each kind of column is recognized by its values, and identifiers are not used."""
    assert profile(*cells).kind == kind


def test_strings_of_typed_formats_are_not_numbers() -> None:
    """A JSON string of digits is a category, since a feature of numbers would reject it."""
    assert profile("1", "2", "1", text_cells=False).kind == "category"
    assert profile(1, 2.5, None, text_cells=False).kind == "number"
    assert profile(True, False, None, text_cells=False).classes == (0, 1)


def test_statistics_and_missing_values() -> None:
    """Missing cells count neither as numbers nor as categories."""
    numbers = profile("1", "?", "3", "")
    assert (numbers.has_missing, numbers.missing_texts) == (True, ("?",))
    assert (numbers.mean, numbers.std, numbers.classes) == (2, 1, (1, 3))
    categories = profile("b", "a", "c", "c", "NA")
    assert (categories.values, categories.has_missing) == (("c", "a", "b"), True)


@pytest.mark.parametrize(
    ("cell", "has_time"),
    [("2024-01-31", False), ("2024-01-31T00:00:00", False), ("2024-01-31 09:30", True)],
)
def test_time_of_dates(cell: str, has_time: bool) -> None:
    """Midnight everywhere is what formats write for dates without a time."""
    assert profile("2024-01-30", cell).has_time == has_time
