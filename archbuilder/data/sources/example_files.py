"""Files that are examples, or parts of them: their paths, and columns that read them on demand."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import Final, overload

import numpy as np

from archbuilder.config.sources import DataPath, TableFile, TableVideo
from archbuilder.config.sources.name_patterns import file_path, is_below
from archbuilder.data.columns import Array, LazyColumn, RowIndices
from archbuilder.data.sources.class_directories import PathParts
from archbuilder.diagnostics.errors import RunError, quote
from archbuilder.formatting import format_bytes

_MAX_BYTES: Final = 2**28
"""Largest size of a list of files: 256 MiB. It is in memory."""


@dataclass(frozen=True, slots=True)
class ExampleFile:
    """A file below a directory."""

    directory: DataPath
    parts: PathParts

    @property
    def name(self) -> str:
        """Path for messages."""
        return quote(str(PurePath(self.directory.path, *self.parts)), 200)


def table_file(config: TableFile, directory: DataPath | None, name: str) -> ExampleFile:
    """Return the file that a table in a directory means by a name.

    Raises:
        RunError: if the name leads out of the directory.
    """
    if isinstance(config, TableVideo):
        name = name.removesuffix("/")
    if not name:
        raise RunError("there is no name of a file")
    path = file_path(config.path, name)
    parts = tuple(each for each in path.split("/") if each != ".")
    # The table may be a stranger's, as the blueprint.
    if directory is None or not is_below(path) or not parts:
        raise RunError(
            f"{quote(name, 200)} is not a path relative to the table, without '..'; put the"
            f" {config.noun}s beside the table or below it"
        )
    return ExampleFile(directory, parts)


class ExampleFiles(Sequence[ExampleFile]):
    """A list of files that takes little more memory than the characters of their paths."""

    def __init__(self, files: Iterable[ExampleFile] = ()) -> None:
        self._paths = bytearray()
        self._ends = array("q")
        self._directories: dict[DataPath, int] = {}
        self._directory_indices = array("i")
        self._directory_list: list[DataPath] = []
        for file in files:
            self.append(file)

    def append(self, file: ExampleFile) -> None:
        """Add a file.

        Raises:
            RunError: if there are too many.
        """
        # Not every name of a file is valid UTF-8.
        self._paths += "/".join(file.parts).encode("utf-8", "surrogateescape")
        if len(self._paths) + self._ends.itemsize * len(self) > _MAX_BYTES:
            raise RunError(f"the names of files take more than {format_bytes(_MAX_BYTES)}")
        self._ends.append(len(self._paths))
        index = self._directories.setdefault(file.directory, len(self._directories))
        if index == len(self._directory_list):
            self._directory_list.append(file.directory)
        self._directory_indices.append(index)

    def __len__(self) -> int:
        return len(self._ends)

    @overload
    def __getitem__(self, index: int) -> ExampleFile: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[ExampleFile]: ...
    def __getitem__(self, index: int | slice) -> ExampleFile | Sequence[ExampleFile]:
        """Return a file, or some of them."""
        if isinstance(index, slice):
            return [self[each] for each in range(*index.indices(len(self)))]
        row = range(len(self))[index]
        start = self._ends[row - 1] if row else 0
        path = bytes(self._paths[start : self._ends[row]]).decode("utf-8", "surrogateescape")
        directory = self._directory_list[self._directory_indices[row]]
        return ExampleFile(directory, tuple(path.split("/")))


def file_column(
    name: str,
    files: Sequence[ExampleFile],
    shape: tuple[int, ...],
    dtype: np.dtype[np.generic],
    read_file: Callable[[ExampleFile], Array],
    describe_row: Callable[[int], str] | None = None,
    resize: Callable[[int, int], LazyColumn] | None = None,
) -> LazyColumn:
    """Return the column of files that are read and decoded on demand.

    Args:
        name: What messages call the source.
        files: The file of each example.
        shape: The shape of an example.
        dtype: The dtype of an example.
        read_file: Returns the values in a file.
        describe_row: Returns the location at which a table names the file of an example.
        resize: Returns the column with images of another height and width.
    """

    def describe(row: int) -> str:
        location = f"{describe_row(row)}: " if describe_row else ""
        return f"{location}{files[row].name}"

    def read_row(row: int) -> Array:
        # The location first: an error of the operating system begins otherwise than with the file.
        try:
            return read_file(files[row])
        except RunError as error:
            if describe_row is None:
                raise
            raise RunError(f"{describe_row(row)}: {error}") from None

    def read(rows: RowIndices) -> Array:
        return np.stack([read_row(int(row)) for row in rows])

    return LazyColumn(name, len(files), shape, dtype, read, describe_row=describe, resize=resize)
