"""Places of examples in their files."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from archbuilder.data.provenance import ColumnOrigin, RecordLocations

Lines = list[tuple[str, list[int]]]


@given(
    st.lists(
        st.tuples(st.sampled_from("ab"), st.sets(st.integers(1, 30), max_size=8).map(sorted)),
        max_size=6,
    )
)
def test_line_of_every_example(parts: Lines):
    """Whatever lies between the lines, in any number of files."""
    places = RecordLocations("line")
    for file, lines in parts:
        places.add(file, lines)
    expected = [f"line {line} of {file}" for file, lines in parts for line in lines]
    assert [places.describe_row(row) for row in range(len(expected))] == expected


def test_value_position_in_columns():
    """One name counts for all values of an example, and several for one each."""
    assert ColumnOrigin.for_array("'x.npy'").describe_value(2, 5, 7) == "example 3 of 'x.npy' has 7"
    several = ColumnOrigin(lambda row: f"line {row}", ("column 'a'", "column 'b'"))
    assert several.describe_value(4, 1, 0.5) == "line 4 has 0.5 in column 'b'"
    assert (
        ColumnOrigin(several.describe_row, ("field 'x'",)).describe_value(4, 3, 0.5)
        == "line 4 has 0.5 in field 'x'"
    )
