"""Tables of numbers as text (`.csv`)."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from archbuilder.errors import RunError, shown
from archbuilder.recipe.sources import Csv, DataFile
from archbuilder.tables import plural
from archbuilder.training.columns import Numbers
from archbuilder.training.examples import Examples, Known
from archbuilder.training.faults import Faults
from archbuilder.training.opening import Opener
from archbuilder.training.sources.gathering import Store
from archbuilder.training.sources.rows import Batch, in_batches
from archbuilder.training.sources.table import Asked, Layout, examples_of, trained_heading
from archbuilder.training.sources.words import is_number
from archbuilder.training.text.reading import numbered_lines

_LINE: Final = 2**26
_MEND: Final = "; write 'header: false', or names in front"
_SKIP: Final = "; 'on_error: skip' leaves such lines out"
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

    def batches() -> Iterator[Batch]:
        for table in tables:
            table.agree(head, first.name)
            yield from table.batches(layout, head)

    name = shown(source.file.path, 200)
    return examples_of(batches(), layout, name, faults=faults, like=like, store=store)


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
        for _, cells in self._records():
            if not self.header:
                return [str(number) for number in range(len(cells))]
            if all(is_number(each) for each in cells):
                # Taken for names, they would be missed among the examples, and nobody would know.
                raise RunError(
                    f"the first line of {self.name} has numbers and no names of columns{self.mend}"
                )
            return cells
        raise RunError(f"{self.name} is empty")

    def agree(self, head: Sequence[str], other: str) -> None:
        """Raises RunError if its columns are not those of another table."""
        own = self.head()
        if self.header and own != [*head]:
            raise RunError(f"{self.name} has other columns than {other}")

    def batches(self, layout: Layout, head: Sequence[str]) -> Iterator[Batch]:
        """Its examples; lines with a fault are told."""
        rows = _Rows(layout, head, self.name, self.hint)
        for some in in_batches(self._whole(len(head)), _size):
            yield from rows.batches(some, self.faults)

    def _whole(self, width: int) -> Iterator[_Line]:
        """The lines with as many values as there are columns."""
        records = self._records()
        if self.header:
            next(records)
        for line, cells in records:
            if len(cells) == width:
                yield line, cells
            else:
                found = plural(len(cells), "value")
                wrong = f"line {line} of {self.name} has {found}, not {width}"
                self.faults.meet(RunError(wrong))

    def _records(self) -> Iterator[_Line]:
        lines = numbered_lines(self.file, self.opener, limit=_LINE, faults=self.faults)
        reader = csv.reader(line for _, line in lines)
        while True:
            try:
                cells = next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                wrong = f"line {reader.line_num} of {self.name} is no line of a table: {error}"
                self.faults.meet(RunError(wrong))
                continue
            if cells:
                yield reader.line_num, cells


class _Rows:
    """Makes numbers of lines."""

    def __init__(self, layout: Layout, head: Sequence[str], name: str, hint: str) -> None:
        place = {column: number for number, column in enumerate(head)}
        self._head, self._name, self._hint = head, name, hint
        inputs = (column for each in layout.inputs.values() for column in each)
        self._numbers = [place[each] for each in dict.fromkeys((*inputs, *layout.weights.values()))]
        at = {number: index for index, number in enumerate(self._numbers)}
        self._inputs = {
            key: [at[place[each]] for each in columns] for key, columns in layout.inputs.items()
        }
        self._alone = layout.alone
        self._weights = {key: at[place[each]] for key, each in layout.weights.items()}
        self._targets = {key: place[each] for key, each in layout.targets.items()}

    def batches(self, lines: Sequence[_Line], faults: Faults) -> Iterator[Batch]:
        """One batch of lines, or none."""
        values, right = self._values(lines, faults)
        if not right:
            return
        yield Batch(
            {
                key: values[:, columns[0]] if key in self._alone else values[:, columns]
                for key, columns in self._inputs.items()
            },
            {key: [cells[place] for cells in right] for key, place in self._targets.items()},
            {key: values[:, column] for key, column in self._weights.items()},
        )

    def _values(
        self, lines: Sequence[_Line], faults: Faults
    ) -> tuple[NDArray[np.float32], Sequence[list[str]]]:
        found = [cells for _, cells in lines]
        try:
            cells = [[cells[number] for number in self._numbers] for cells in found]
            values = np.array(cells, np.float32).reshape(len(found), len(self._numbers))
            if np.isfinite(values).all() and all(map(self._has_targets, found)):
                return values, found
        except ValueError:
            pass
        # Something is wrong with one of them: now each is looked at.
        numbers: list[Numbers] = []
        right: list[list[str]] = []
        for line, each in lines:
            try:
                for at in self._targets.values():
                    self._check_filled(each, at, line)
                numbers.append(np.array([self._value(each, at, line) for at in self._numbers]))
            except RunError as fault:
                faults.meet(fault)
                continue
            right.append(each)
        return np.array(numbers, np.float32).reshape(len(right), len(self._numbers)), right

    def _has_targets(self, cells: Sequence[str]) -> bool:
        return all(cells[at].strip() for at in self._targets.values())

    def _check_filled(self, cells: Sequence[str], at: int, line: int) -> None:
        if not cells[at].strip():
            raise RunError(
                f"line {line} of {self._name} has nothing in column {shown(self._head[at])}"
                f"{self._hint}"
            )

    def _value(self, cells: Sequence[str], at: int, line: int) -> float:
        self._check_filled(cells, at, line)
        try:
            value = float(cells[at])
        except ValueError:
            value = np.nan
        if not np.isfinite(np.float32(value)):
            raise RunError(
                f"line {line} of {self._name} has {shown(cells[at])} in column"
                f" {shown(self._head[at])}, not a number"
            )
        return value


def _size(line: _Line) -> int:
    _, cells = line
    return sum(map(len, cells)) + _CELL * len(cells)
