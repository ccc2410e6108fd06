"""Columns of audio files: those of a directory, and those that a table names."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from archbuilder.config.sources import AudioConfig
from archbuilder.data.columns import LazyColumn
from archbuilder.data.file_access import DataFileOpener
from archbuilder.data.sources.audio_decoding import decode_audio
from archbuilder.data.sources.example_files import ExampleFile, file_column


def read_audio(
    file: ExampleFile, opener: DataFileOpener, config: AudioConfig
) -> NDArray[np.float32]:
    """Return the samples of a recording, `(samples, channels)`.

    Raises:
        RunError: if the file cannot be read or decoded.
        UsageError: if a library is not installed.
    """
    with opener.open_file(file.directory, *file.parts) as descriptor:
        return decode_audio(descriptor, file.name, config)


def audio_column(
    name: str,
    files: Sequence[ExampleFile],
    config: AudioConfig,
    opener: DataFileOpener,
    describe_row: Callable[[int], str] | None = None,
) -> LazyColumn:
    """Return the column of recordings that are read and decoded on demand.

    `name` is what messages call the source. `describe_row` returns the location at which a table
    names the file of an example.

    Raises:
        RunError: if the first recording cannot be read.
        UsageError: if a library is not installed.
    """
    column = file_column(
        name,
        files,
        (config.samples, config.channels),
        np.dtype(np.float32),
        lambda file: read_audio(file, opener, config),
        describe_row,
    )
    # Now rather than in the first step: what is wrong with one recording is often wrong with all.
    column.read(np.zeros(1, np.int64))
    return column
