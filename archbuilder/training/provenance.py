"""Where the values of examples stand in their files, for messages."""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass


class Places:
    """The lines, rows or records that examples were read from.

    Consecutive ones take no memory: only where a run of them begins is kept.
    """

    def __init__(self, unit: str) -> None:
        self._unit = unit
        self._files: list[str] = []
        self._count = 0
        self._rows = array("q")
        """The example that each run begins with."""
        self._numbers = array("q")
        """Its number in its file."""
        self._owners = array("q")
        """The index of its file."""

    def add(self, file: str, numbers: Sequence[int]) -> None:
        """Add the places of more examples; `numbers` count from 1 and ascend."""
        if not self._files or self._files[-1] != file:
            self._files.append(file)
        owner = len(self._files) - 1
        for number in numbers:
            if not self._continues(owner, number):
                self._rows.append(self._count)
                self._numbers.append(number)
                self._owners.append(owner)
            self._count += 1

    def _continues(self, owner: int, number: int) -> bool:
        if not self._rows or self._owners[-1] != owner:
            return False
        return self._numbers[-1] + self._count - self._rows[-1] == number

    def of(self, row: int) -> str:
        """Return the place of an example: `line 3 of 't.csv'`."""
        run = bisect_right(self._rows, row) - 1
        number = self._numbers[run] + row - self._rows[run]
        return f"{self._unit} {number} of {self._files[self._owners[run]]}"


@dataclass(frozen=True, slots=True)
class Origin:
    """Where the values of a column stand."""

    place: Callable[[int], str]
    """The place of an example, by its number from 0."""
    fields: tuple[str, ...] = ()
    """What the values of an example are called: one name for all, or one for each of them."""

    @classmethod
    def of_array(cls, name: str) -> Origin:
        """Return the origin of an array, whose examples have numbers alone."""
        return cls(lambda row: f"example {row + 1} of {name}")

    def value(self, row: int, position: int, value: object) -> str:
        """Return a sentence without its end: that an example has a value at a flat position."""
        sentence = f"{self.place(row)} has {value}"
        if not self.fields:
            return sentence
        return f"{sentence} in {self.fields[position if len(self.fields) > 1 else 0]}"
