"""Tables in the format of Apache Parquet."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from archbuilder.errors import RunError, shown
from archbuilder.parser_errors import Errors, parser_errors
from archbuilder.recipe.sources import DataFile, Parquet
from archbuilder.training.columns import Numbers
from archbuilder.training.examples import Examples, Known
from archbuilder.training.faults import Faults
from archbuilder.training.opening import Opener
from archbuilder.training.provenance import Places
from archbuilder.training.sources.gathering import Store
from archbuilder.training.sources.parquet_footer import FOOTER_ERRORS, row_groups
from archbuilder.training.sources.rows import BATCH, BATCH_BYTES, Batch, Words
from archbuilder.training.sources.table import Asked, Layout, examples_of, trained_heading

_ERRORS: Final[Errors] = (pa.ArrowException, OSError, UnicodeDecodeError, OverflowError)
_NUMBER: Final = 8
_ROW: Final = 2**28
"""The bytes of the largest row that is read."""


def load_parquet(
    source: Parquet,
    opener: Opener,
    store: Store,
    like: Known | None = None,
    *,
    asked: Asked | None = None,
) -> Examples:
    """The columns of tables as inputs, targets and weights; see `load_csv`.

    A column may hold lists of numbers, all of one length.

    Raises:
        RunError: if a file is damaged, or a value is missing or not as the others are.
    """
    faults = Faults(source.on_error, "rows")
    files = opener.each(source.file)
    first = shown(files[0].path, 200)
    with opener.opened(files[0]) as descriptor, _opened(descriptor, first) as table:
        head = _names(table, first)
    trained = trained_heading(source, like, asked)
    layout = Layout.of(source, head, first, trained=trained, asked=asked)

    places = Places("row")

    def batches() -> Iterator[Batch]:
        for file in files:
            yield from _batches(file, opener, layout, faults, places)

    name = shown(source.file.path, 200)
    return examples_of(batches(), layout, name, places, faults=faults, like=like, store=store)


@contextmanager
def _opened(descriptor: int, name: str) -> Iterator[pq.ParquetFile]:
    with os.fdopen(os.dup(descriptor), "rb") as raw:
        with _parsing(name):
            table = pq.ParquetFile(raw)
        with table:
            yield table


def _parsing(name: str) -> AbstractContextManager[None]:
    """Guard calls of pyarrow."""
    return parser_errors(_ERRORS, f"{name} is no Parquet file, or damaged")


def _batches(
    file: DataFile, opener: Opener, layout: Layout, faults: Faults, places: Places
) -> Iterator[Batch]:
    name = shown(file.path, 200)
    with opener.opened(file) as descriptor, _opened(descriptor, name) as table:
        known = {*_names(table, name)}
        missing = [each for each in layout.columns if each not in known]
        if missing:
            raise RunError(f"{name} has no column {shown(missing[0])}")
        count = _at_once(descriptor, table.schema, layout, name)
        first = 1
        for rows in _read(table, count, layout, name):
            yield from _Rows(rows, layout, first, name, places).batches(faults)
            first += rows.num_rows


def _names(table: pq.ParquetFile, name: str) -> list[str]:
    with _parsing(name):
        names: list[str] = table.schema_arrow.names
        return names


def _read(table: pq.ParquetFile, count: int, layout: Layout, name: str) -> Iterator[pa.RecordBatch]:
    """So many rows at a time, whose offsets and text can be relied on."""
    with _parsing(name):
        batches = table.iter_batches(count, columns=[*layout.columns], use_threads=False)
    while True:
        with _parsing(name):
            rows = next(batches, None)
            if rows is None:
                return
            # What pyarrow reads may hold text that is not UTF-8, and lists that end elsewhere.
            rows.validate(full=True)
        yield rows


def _at_once(descriptor: int, schema: pq.ParquetSchema, layout: Layout, name: str) -> int:
    """How many rows are read at once: less where they hold long lists."""
    used = {*layout.columns}
    with _parsing(name):
        columns = [schema.column(place) for place in range(len(schema))]
        lists = {each.path for each in columns if each.max_repetition_level}
    wanted = {each for each in lists if each.partition(".")[0] in used}
    values = 0
    if wanted:
        with parser_errors(FOOTER_ERRORS, f"{name} is damaged"):
            for group in row_groups(descriptor):
                in_lists = sum(count for path, count in group.values if path in wanted)
                values = max(values, in_lists // max(group.rows, 1))
    largest = (len(layout.columns) + values) * _NUMBER
    if largest > _ROW:
        raise RunError(f"{name} has rows of more than {_ROW // 2**20} MiB")
    return max(min(BATCH, BATCH_BYTES // largest), 1)


@dataclass(frozen=True, slots=True, eq=False)
class _Rows:
    """Some rows of a table, of which the first has a number."""

    rows: pa.RecordBatch
    layout: Layout
    first: int
    name: str
    places: Places

    def batches(self, faults: Faults) -> Iterator[Batch]:
        """One batch of what is right, or none."""
        right = np.ones(self.rows.num_rows, bool)
        for column in self.layout.columns:
            whole = _whole(self.rows.column(column))
            for row in np.flatnonzero(right & ~whole):
                faults.meet(
                    RunError(
                        f"row {self.first + row} of {self.name} has something in column"
                        f" {shown(column)} that is missing, not finite, or a list of another length"
                    )
                )
            right &= whole
        if not right.any():
            return
        self.places.add(self.name, (np.flatnonzero(right) + self.first).tolist())
        rows = self.rows.filter(pa.array(right))
        kept = {each: self._read(each, rows.column(each)) for each in self.layout.columns}
        yield Batch(
            {key: self._side_by_side(key, kept) for key in self.layout.inputs},
            {key: kept[each] for key, each in self.layout.targets.items()},
            {key: self._numbers(each, kept) for key, each in self.layout.weights.items()},
        )

    def _read(self, column: str, array: pa.Array) -> Numbers | Words:
        """The values of a column in which nothing is missing."""
        if pa.types.is_dictionary(array.type):
            array = array.dictionary_decode()
        if pa.types.is_string(array.type) or pa.types.is_large_string(array.type):
            words: Words = array.to_pylist()
            return words
        shape: list[int] = []
        count = len(array)
        while _is_list(array.type):
            inner = array.flatten()
            shape.append(len(inner) // max(len(array), 1))
            array = inner
        if not _is_number(array.type):
            hint = ""
            if pa.types.is_temporal(array.type):
                hint = ": write dates and times as numbers, such as the days since the first"
            elif pa.types.is_decimal(array.type):
                hint = ": write decimals as float64"
            raise RunError(f"{self._of(column)} holds {array.type}, not numbers{hint}")
        values: Numbers = array.to_numpy(zero_copy_only=False).reshape(count, *shape)
        return values

    def _side_by_side(
        self, key: str, kept: dict[str, Numbers | Words]
    ) -> Numbers | Sequence[Numbers]:
        columns = [self._numbers(each, kept) for each in self.layout.inputs[key]]
        if key in self.layout.alone or (len(columns) == 1 and columns[0].ndim > 1):
            return columns[0]
        for column, values in zip(self.layout.inputs[key], columns, strict=True):
            if values.ndim > 1:
                raise RunError(
                    f"{self._of(column)} holds lists, and stands side by side with others;"
                    " name one such column for each of the inputs"
                )
        return columns

    def _numbers(self, column: str, kept: dict[str, Numbers | Words]) -> Numbers:
        values = kept[column]
        if not isinstance(values, np.ndarray):
            raise RunError(f"{self._of(column)} holds words, not numbers")
        return values

    def _of(self, column: str) -> str:
        return f"column {shown(column)} of {self.name}"


def _is_list(kind: pa.DataType) -> bool:
    return bool(
        pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind)
    )


def _is_number(kind: pa.DataType) -> bool:
    return bool(
        pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind)
    )


def _whole(array: pa.Array) -> NDArray[np.bool_]:
    """Of which entries nothing is missing or infinite, and lists are as long as the first one."""
    whole = np.asarray(pc.is_valid(array), bool)
    if pa.types.is_floating(array.type):
        finite = pc.is_finite(pc.fill_null(array, np.nan))
        return whole & np.asarray(finite, bool)
    if _is_list(array.type) and len(array):
        lengths = np.asarray(pc.fill_null(pc.list_value_length(array), -1))
        present = lengths[whole]
        inner = _whole(array.flatten())
        owners = np.asarray(pc.list_parent_indices(array))
        whole &= lengths == (present[0] if len(present) else 0)
        whole[owners[~inner]] = False
    return whole
