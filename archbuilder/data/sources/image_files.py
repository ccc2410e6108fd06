"""Columns of image files: those of a directory, and those that a table names."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from archbuilder.data.columns import Array, LazyColumn
from archbuilder.data.file_access import DataFileOpener
from archbuilder.data.sources.example_files import ExampleFile, file_column
from archbuilder.data.sources.image_decoding import read_image_file
from archbuilder.data.sources.mask_decoding import PixelDecoder


def image_column(
    name: str,
    files: Sequence[ExampleFile],
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

    def decode(file: ExampleFile) -> Array:
        return decoder.decode(read_image(file, opener), file.name)

    def resize(height: int, width: int) -> LazyColumn:
        resized = decoder.resized(height, width)
        return image_column(name, files, resized, opener, describe_row)

    return file_column(
        name,
        files,
        decoder.shape,
        decoder.dtype,
        decode,
        describe_row,
        resize if is_resizable else None,
    )


def read_image(file: ExampleFile, opener: DataFileOpener) -> bytes:
    """Return the content of an image file.

    Raises:
        RunError: if it cannot be read, or is enormous.
    """
    with opener.open_file(file.directory, *file.parts) as descriptor:
        return read_image_file(descriptor, file.name)


def image_note(count: str, decoder: PixelDecoder, size: tuple[int, int] | None) -> str:
    """Return a note on images; `size` is that of the source, or None if each has its own."""
    return f"{count} of {decoder}" if size is not None else f"{count}, the first of {decoder}"
