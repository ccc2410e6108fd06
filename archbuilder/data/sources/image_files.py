"""Columns of image files: those of a directory, and those that a table names."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import Final, overload

import numpy as np

from archbuilder.config.sources import DataPath, TableImage
from archbuilder.config.sources.pixels import is_below
from archbuilder.data.columns import Array, LazyColumn, RowIndices
from archbuilder.data.file_access import DataFileOpener
from archbuilder.data.sources.class_directories import PathParts
from archbuilder.data.sources.image_decoding import read_image_file
from archbuilder.data.sources.mask_decoding import PixelDecoder
from archbuilder.diagnostics.errors import RunError, quote
from archbuilder.formatting import format_bytes

_MAX_BYTES: Final = 2**28
"""Largest size of a list of files: 256 MiB. It is in memory."""


@dataclass(frozen=True, slots=True)
class ImageFile:
    """An image file below a directory."""

    directory: DataPath
    parts: PathParts

    @property
    def name(self) -> str:
        """Path for messages."""
        return quote(str(PurePath(self.directory.path, *self.parts)), 200)

    def read(self, opener: DataFileOpener) -> bytes:
        """Return the content of the file.

        Raises:
            RunError: if it cannot be read, or is enormous.
        """
        with opener.open_file(self.directory, *self.parts) as descriptor:
            return read_image_file(descriptor, self.name)


def image_file(config: TableImage, directory: DataPath | None, name: str) -> ImageFile:
    """Return the file that a table in a directory means by a name.

    Raises:
        RunError: if the name leads out of the directory.
    """
    if not name:
        raise RunError("there is no name of a file")
    path = config.path_of(name)
    parts = tuple(each for each in path.split("/") if each != ".")
    # The table may be a stranger's, as the blueprint.
    if directory is None or not is_below(path) or not parts:
        raise RunError(
            f"{quote(name, 200)} is not a path relative to the table, without '..'; put the images"
            " beside the table or below it"
        )
    return ImageFile(directory, parts)


class ImageFiles(Sequence[ImageFile]):
    """A list of image files that takes little more memory than the characters of their paths."""

    def __init__(self, files: Iterable[ImageFile] = ()) -> None:
        self._paths = bytearray()
        self._ends = array("q")
        self._directories: dict[DataPath, int] = {}
        self._directory_indices = array("i")
        self._directory_list: list[DataPath] = []
        for file in files:
            self.append(file)

    def append(self, file: ImageFile) -> None:
        """Add a file.

        Raises:
            RunError: if there are too many.
        """
        # Not every name of a file is valid UTF-8.
        self._paths += "/".join(file.parts).encode("utf-8", "surrogateescape")
        if len(self._paths) + self._ends.itemsize * len(self) > _MAX_BYTES:
            raise RunError(f"the names of image files take more than {format_bytes(_MAX_BYTES)}")
        self._ends.append(len(self._paths))
        index = self._directories.setdefault(file.directory, len(self._directories))
        if index == len(self._directory_list):
            self._directory_list.append(file.directory)
        self._directory_indices.append(index)

    def __len__(self) -> int:
        return len(self._ends)

    @overload
    def __getitem__(self, index: int) -> ImageFile: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[ImageFile]: ...
    def __getitem__(self, index: int | slice) -> ImageFile | Sequence[ImageFile]:
        """Return a file, or some of them."""
        if isinstance(index, slice):
            return [self[each] for each in range(*index.indices(len(self)))]
        row = range(len(self))[index]
        start = self._ends[row - 1] if row else 0
        path = bytes(self._paths[start : self._ends[row]]).decode("utf-8", "surrogateescape")
        directory = self._directory_list[self._directory_indices[row]]
        return ImageFile(directory, tuple(path.split("/")))


def image_column(
    name: str,
    files: Sequence[ImageFile],
    decoder: PixelDecoder,
    opener: DataFileOpener,
    describe_row: Callable[[int], str] | None = None,
    *,
    is_resizable: bool = False,
) -> LazyColumn:
    """Return the column of images that are read and decoded on demand.

    Args:
        name: What messages call the source.
        files: The file of each example.
        decoder: How they are decoded.
        opener: Opens the files.
        describe_row: Returns the location at which a table names the file of an example.
        is_resizable: Whether the images may be decoded to the size that a network has.
    """

    def describe(row: int) -> str:
        location = f"{describe_row(row)}: " if describe_row else ""
        return f"{location}{files[row].name}"

    def decode(row: int) -> Array:
        file = files[row]
        # The location first: an error of the operating system begins otherwise than with the file.
        try:
            return decoder.decode(file.read(opener), file.name)
        except RunError as error:
            if describe_row is None:
                raise
            raise RunError(f"{describe_row(row)}: {error}") from None

    def read(rows: RowIndices) -> Array:
        return np.stack([decode(int(row)) for row in rows])

    def resize(height: int, width: int) -> LazyColumn:
        resized = decoder.resized(height, width)
        return image_column(name, files, resized, opener, describe_row)

    return LazyColumn(
        name,
        len(files),
        decoder.shape,
        decoder.dtype,
        read,
        describe_row=describe,
        resize=resize if is_resizable else None,
    )
