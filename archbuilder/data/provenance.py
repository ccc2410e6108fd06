"""Where the values of examples stand in their files, for messages."""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass


class RecordLocations:
    """The lines, rows or records that examples were read from.

    Consecutive ones take no memory: only where a run of them begins is kept.
    """

    def __init__(self, unit: str) -> None:
        self._unit = unit
        self._files: list[str] = []
        self._count = 0
        self._first_rows = array("q")
        """The example that each run begins with."""
        self._first_numbers = array("q")
        """Its number in its file."""
        self._file_indices = array("q")
        """The index of its file."""

    def add(self, file: str, numbers: Sequence[int]) -> None:
        """Add the places of more examples; `numbers` count from 1 and ascend."""
        if not self._files or self._files[-1] != file:
            self._files.append(file)
        file_index = len(self._files) - 1
        for number in numbers:
            if not self._extends_last_run(file_index, number):
                self._first_rows.append(self._count)
                self._first_numbers.append(number)
                self._file_indices.append(file_index)
            self._count += 1

    def _extends_last_run(self, file_index: int, number: int) -> bool:
        if not self._first_rows or self._file_indices[-1] != file_index:
            return False
        return self._first_numbers[-1] + self._count - self._first_rows[-1] == number

    def describe_row(self, row: int) -> str:
        """Return the place of an example: `line 3 of 't.csv'`."""
        run = bisect_right(self._first_rows, row) - 1
        number = self._first_numbers[run] + row - self._first_rows[run]
        return f"{self._unit} {number} of {self._files[self._file_indices[run]]}"


@dataclass(frozen=True, slots=True)
class ColumnOrigin:
    """Where the values of a column stand."""

    describe_row: Callable[[int], str]
    """The place of an example, by its number from 0."""
    fields: tuple[str, ...] = ()
    """What the values of an example are called: one name for all, or one for each of them."""

    @classmethod
    def for_array(cls, name: str) -> ColumnOrigin:
        """Return the origin of an array, whose examples have numbers alone."""
        return cls(lambda row: f"example {row + 1} of {name}")

    def describe_value(self, row: int, position: int, value: object) -> str:
        """Return a sentence without its end: that an example has a value at a flat position."""
        sentence = f"{self.describe_row(row)} has {value}"
        if not self.fields:
            return sentence
        return f"{sentence} in {self.fields[position if len(self.fields) > 1 else 0]}"
