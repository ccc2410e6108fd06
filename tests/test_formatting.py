"""Tables of plain text, and numbers as people read them."""

from __future__ import annotations

import pytest

from archbuilder.formatting import TableColumn, format_bytes, format_count, format_table


def test_columns_are_aligned() -> None:
    """Text to the left, numbers to the right, and no blanks at the end of a line."""
    columns = (TableColumn("NAME"), TableColumn("COUNT", align_right=True), TableColumn("NOTE"))
    assert format_table(columns, [("a", "1,000", ""), ("long", "1", "x")]) == [
        "NAME  COUNT  NOTE",
        "a     1,000",
        "long      1  x",
    ]


def test_wide_characters_are_aligned() -> None:
    """A Chinese character takes two columns of a terminal."""
    lines = format_table((TableColumn("NAME"), TableColumn("N")), [("漢字", "1"), ("abcd", "2")])
    assert lines[1:] == ["漢字  1", "abcd  2"]


@pytest.mark.parametrize(("number", "text"), [(0, "0"), (999, "999"), (1_248_424, "1,248,424")])
def test_counts_have_separators(number: int, text: str) -> None:
    """Digits stand in groups of three."""
    assert format_count(number) == text


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0, "0 B"),
        (1023, "1023 B"),
        (1024, "1.0 KiB"),
        (1_048_570, "1.0 MiB"),
        (5_033_164, "4.8 MiB"),
        (1 << 40, "1.0 TiB"),
        (10**24, "867,361.7 EiB"),
    ],
)
def test_sizes_have_units(number: int, text: str) -> None:
    """A unit is chosen so that a few digits remain."""
    assert format_bytes(number) == text
