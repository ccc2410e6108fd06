"""Locations of the values of examples in their files, for error messages."""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass


class RecordLocations:
    """The lines, rows or records that examples were read from, run-length encoded.

    Consecutive numbers of one file form a run, of which only the start is stored: a file of a
    million lines takes three integers.
    """

    def __init__(self, unit: str) -> None:
        self._unit = unit
        self._files: list[str] = []
        self.count = 0
        self._first_rows = array("q")
        """The index of the first example of each run."""
        self._first_numbers = array("q")
        """The number of that example in its file."""
        self._file_indices = array("q")
        """The index of that file."""

    def add(self, file: str, numbers: Sequence[int]) -> None:
        """Add the locations of more examples; `numbers` count from 1 and ascend."""
        if not self._files or self._files[-1] != file:
            self._files.append(file)
        file_index = len(self._files) - 1
        for number in numbers:
            extends_run = (
                bool(self._first_rows)
                and self._file_indices[-1] == file_index
                and self._first_numbers[-1] + self.count - self._first_rows[-1] == number
            )
            if not extends_run:
                self._first_rows.append(self.count)
                self._first_numbers.append(number)
                self._file_indices.append(file_index)
            self.count += 1

    def describe_row(self, row: int) -> str:
        """Return the location of an example, as in `line 3 of 't.csv'`."""
        run = bisect_right(self._first_rows, row) - 1
        number = self._first_numbers[run] + row - self._first_rows[run]
        return f"{self._unit} {number} of {self._files[self._file_indices[run]]}"


@dataclass(frozen=True, slots=True)
class ColumnOrigin:
    """Locations of the values of a column."""

    describe_row: Callable[[int], str]
    """Function that returns the location of an example, by its index from 0."""
    fields: tuple[str, ...] = ()
    """The names of the values of per example: one for all of them, or one for each."""

    @classmethod
    def for_array(cls, name: str) -> ColumnOrigin:
        """Return the origin of an array, whose examples are only known by their number."""
        return cls(lambda row: f"example {row + 1} of {name}")

    def describe_value(self, row: int, position: int, value: object) -> str:
        """Return the start of a message: which example has a value, and in which field.

        `position` is the index of the value in a flattened example.
        """
        sentence = f"{self.describe_row(row)} has {value}"
        if not self.fields:
            return sentence
        return f"{sentence} in {self.fields[position if len(self.fields) > 1 else 0]}"
