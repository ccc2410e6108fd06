"""Tables of numbers as text (`.csv`)."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np

from archbuilder.errors import InternalError, RunError, shown
from archbuilder.recipe.sources import Csv, DataFile
from archbuilder.tables import plural
from archbuilder.training.columns import Numbers
from archbuilder.training.examples import Examples, Known
from archbuilder.training.faults import Faults
from archbuilder.training.opening import Opener
from archbuilder.training.provenance import Places
from archbuilder.training.sources.cells import (
    not_a_number,
    parse_cell,
    parse_column,
    unfit_integer,
)
from archbuilder.training.sources.gathering import Store
from archbuilder.training.sources.rows import Batch, in_batches
from archbuilder.training.sources.table import Asked, Layout, examples_of, trained_heading
from archbuilder.training.sources.words import is_number
from archbuilder.training.text.reading import numbered_lines

_LINE: Final = 2**26
_MEND: Final = "; write 'header: false', or names in front"
_SKIP: Final = "; 'on_error: skip' leaves such lines out"
_APART: Final = {";": "a ';'", "\t": "a tab"}
"""What else than commas stands between the values of some tables."""
_CELL: Final = 50
"""The bytes of a text without its characters."""
_Line: TypeAlias = tuple[int, list[str]]
"""The number of a line, and its values."""


def load_csv(
    source: Csv,
    opener: Opener,
    store: Store,
    like: Known | None = None,
    *,
    asked: Asked | None = None,
) -> Examples:
    """The columns of tables as inputs, targets and weights.

    A target of words becomes numbers, the words in alphabetical order, or as they are known
    (`like`); the columns of inputs are found by the names that they have there, in any order. Of a
    table that is `asked` for inputs alone the target may be missing.

    Raises:
        RunError: if a line or a value is not as the others are.
    """
    faults = Faults(source.on_error, "lines")
    files = opener.each(source.file)
    trained = trained_heading(source, like, asked)
    mend = _MEND if asked is None else "; write names in front"
    if trained is not None:
        mend = ", which the run was trained with"
    hint = _SKIP if asked is None and source.on_error == "stop" else ""
    tables = [_Table(file, opener, faults, mend, hint, header=source.header) for file in files]
    first = tables[0]
    head = first.head()
    layout = Layout.of(source, head, first.name, trained=trained, asked=asked)
    places = Places("line")

    def batches() -> Iterator[Batch]:
        for table in tables:
            table.agree(head, first.name)
            yield from table.batches(layout, head, places)

    name = shown(source.file.path, 200)
    return examples_of(batches(), layout, name, places, faults=faults, like=like, store=store)


@dataclass(frozen=True, slots=True, eq=False)
class _Table:
    """One file."""

    file: DataFile
    opener: Opener
    faults: Faults
    mend: str = _MEND
    """What is to be done where the first line has no names."""
    hint: str = ""
    """What can be done about lines that have nothing in a column."""
    header: bool = True

    @property
    def name(self) -> str:
        return shown(self.file.path, 200)

    def head(self) -> list[str]:
        """The names of its columns, or their numbers."""
        # A header cannot be left out. Other lines are counted when they are read again.
        faults = Faults("stop" if self.header else self.faults.on_error, self.faults.what)
        for _, cells in self._records(faults):
            self._check_separator(cells)
            if not self.header:
                return [str(number) for number in range(len(cells))]
            if all(is_number(each) for each in cells):
                # Taken for names, they would be missed among the examples, and nobody would know.
                raise RunError(
                    f"the first line of {self.name} has numbers and no names of columns{self.mend}"
                )
            return cells
        raise RunError(f"{self.name} is empty")

    def _check_separator(self, cells: Sequence[str]) -> None:
        apart = [name for mark, name in _APART.items() if len(cells) == 1 and mark in cells[0]]
        if apart:
            raise RunError(
                f"columns are separated by commas, and the first line of {self.name} has {apart[0]}"
                " and no comma: save it with commas"
            )

    def agree(self, head: Sequence[str], other: str) -> None:
        """Raises RunError if its columns are not those of another table."""
        own = self.head()
        if self.header and own != [*head]:
            raise RunError(f"{self.name} has other columns than {other}")

    def batches(self, layout: Layout, head: Sequence[str], places: Places) -> Iterator[Batch]:
        """Its examples; lines with a fault are told."""
        rows = _Rows(layout, head, self.name, self.hint)
        for some in in_batches(self._whole(len(head)), _size):
            yield from rows.batches(some, self.faults, places)

    def _whole(self, width: int) -> Iterator[_Line]:
        """The lines with as many values as there are columns."""
        records = self._records(self.faults)
        if self.header:
            next(records)
        for line, cells in records:
            if len(cells) == width:
                yield line, cells
            else:
                found = plural(len(cells), "value")
                wrong = f"line {line} of {self.name} has {found}, not {width}"
                self.faults.meet(RunError(wrong))

    def _records(self, faults: Faults) -> Iterator[_Line]:
        """The values of each line, and its number; of several lines that of the first."""
        numbers: list[int] = []

        def lines() -> Iterator[str]:
            for number, line in numbered_lines(self.file, self.opener, limit=_LINE, faults=faults):
                numbers.append(number)
                yield line

        reader = csv.reader(lines())
        while True:
            numbers.clear()
            try:
                cells = next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                wrong = f"line {numbers[0]} of {self.name} is no line of a table: {error}"
                faults.meet(RunError(wrong))
                continue
            if cells:
                yield numbers[0], cells


class _Rows:
    """Makes numbers of lines."""

    def __init__(self, layout: Layout, head: Sequence[str], name: str, hint: str) -> None:
        place = {column: number for number, column in enumerate(head)}
        self._head, self._name, self._hint = head, name, hint
        self._inputs = {
            key: [place[each] for each in columns] for key, columns in layout.inputs.items()
        }
        self._alone = layout.alone
        self._weights = {key: place[each] for key, each in layout.weights.items()}
        self._targets = {key: place[each] for key, each in layout.targets.items()}
        inputs = (number for numbers in self._inputs.values() for number in numbers)
        self._numbers = [*dict.fromkeys((*inputs, *self._weights.values()))]

    def batches(self, lines: Sequence[_Line], faults: Faults, places: Places) -> Iterator[Batch]:
        """One batch of lines, or none."""
        right, columns = self._columns(lines, faults)
        if not right:
            return
        places.add(self._name, [line for line, _ in right])
        yield Batch(
            {
                key: columns[numbers[0]]
                if key in self._alone
                else [columns[each] for each in numbers]
                for key, numbers in self._inputs.items()
            },
            {key: [cells[number] for _, cells in right] for key, number in self._targets.items()},
            {key: columns[number] for key, number in self._weights.items()},
        )

    def _columns(
        self, lines: Sequence[_Line], faults: Faults
    ) -> tuple[Sequence[_Line], dict[int, Numbers]]:
        """The lines without a fault, and their columns of numbers."""
        if all(self._has_targets(cells) for _, cells in lines):
            with suppress(ValueError):
                return lines, self._parsed(lines)
        # Something is wrong with one of them: now each is looked at.
        right = [line for line in lines if self._is_right(line, faults)]
        try:
            return right, self._parsed(right)
        except ValueError:
            raise self._conflict(right) from None

    def _parsed(self, lines: Sequence[_Line]) -> dict[int, Numbers]:
        return {
            number: parse_column([cells[number] for _, cells in lines]) for number in self._numbers
        }

    def _is_right(self, line: _Line, faults: Faults) -> bool:
        number, cells = line
        try:
            for at in (*self._targets.values(), *self._numbers):
                self._check_filled(cells, at, number)
            for at in self._numbers:
                self._check_number(cells, at, number)
        except RunError as fault:
            faults.meet(fault)
            return False
        return True

    def _has_targets(self, cells: Sequence[str]) -> bool:
        return all(cells[at].strip() for at in self._targets.values())

    def _check_filled(self, cells: Sequence[str], at: int, line: int) -> None:
        if not cells[at].strip():
            raise RunError(
                f"line {line} of {self._name} has nothing in column {shown(self._head[at])}"
                f"{self._hint}"
            )

    def _check_number(self, cells: Sequence[str], at: int, line: int) -> None:
        try:
            parse_cell(cells[at])
        except ValueError:
            raise not_a_number(cells[at], self._has(cells, at, line)) from None

    def _conflict(self, lines: Sequence[_Line]) -> RunError:
        """The error for a column whose numbers have no dtype in common."""
        for at in self._numbers:
            column = [cells[at] for _, cells in lines]
            values = np.array([float(parse_cell(each)) for each in column])
            wrong = unfit_integer(column, values)
            if wrong is not None:
                line, cells = lines[wrong]
                return RunError(
                    f"{self._has(cells, at, line)}, beside numbers that are no 64-bit integers like"
                    " it: no dtype represents all of them"
                )
        raise InternalError("a column of numbers could not be parsed")

    def _has(self, cells: Sequence[str], at: int, line: int) -> str:
        return (
            f"line {line} of {self._name} has {shown(cells[at])} in column {shown(self._head[at])}"
        )


def _size(line: _Line) -> int:
    _, cells = line
    return sum(map(len, cells)) + _CELL * len(cells)
