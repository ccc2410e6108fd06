"""Footers of Parquet files, read without pyarrow."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from archbuilder.config.sources import DataPath, Parquet
from archbuilder.data.file_access import DataFileOpener
from archbuilder.data.sources import load_source
from archbuilder.data.sources.parquet_footer import ColumnChunk, row_groups
from archbuilder.diagnostics.errors import RunError


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A table with lists, in groups of two rows."""
    columns = {
        "number": [1.5, 2.5, 3.5, 4.5, 5.5],
        "list": [[number, 300, -1] for number in range(5)],
        "lists": [[[1, 2], [3, 4]]] * 5,
        "word": ["a"] * 5,
    }
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table(columns), path, row_group_size=2)
    return path


def test_footer_agrees_with_pyarrow(path: Path) -> None:
    """Of every column in every group of rows."""
    with path.open("rb") as file:
        groups = [*row_groups(file.fileno())]
    metadata = pq.read_metadata(path)
    assert len(groups) == metadata.num_row_groups == 3
    for number, group in enumerate(groups):
        theirs = metadata.row_group(number)
        columns = [theirs.column(index) for index in range(theirs.num_columns)]
        assert group.rows == theirs.num_rows
        assert group.columns == tuple(
            ColumnChunk(each.path_in_schema, each.num_values, each.total_uncompressed_size)
            for each in columns
        )


def test_damaged_footer(path: Path) -> None:
    """Where pyarrow would end the process: at the columns of a group with damaged statistics."""
    content = path.read_bytes()
    footer = len(content) - 8 - int.from_bytes(content[-8:-4], "little")
    source = Parquet(DataPath(str(path)), inputs="list", target="number")
    assert load_source(source, DataFileOpener()).count == 5
    messages = []
    for offset in range(footer, len(content) - 8, 4):
        damaged = bytearray(content)
        damaged[offset] ^= 0x10
        path.write_bytes(damaged)
        try:
            load_source(source, DataFileOpener()).in_memory()
        except RunError as error:
            messages.append(str(error))
    assert len(messages) > 50
    assert all("a.parquet" in message for message in messages)
