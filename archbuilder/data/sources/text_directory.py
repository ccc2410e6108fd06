"""Text files in directories, one directory per class or none; a file is an example."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from archbuilder.config.sources import DataPath, TextFiles
from archbuilder.data.bad_records import BadRecords
from archbuilder.data.file_access import DataFileOpener
from archbuilder.data.provenance import ColumnOrigin
from archbuilder.data.raw_feature import RawFeature
from archbuilder.data.source_dataset import UNNAMED, SourceDataset
from archbuilder.data.sources.class_directories import (
    TEXT,
    PathParts,
    list_files,
    with_classes,
)
from archbuilder.data.sources.load_context import LoadContext
from archbuilder.data.sources.text_writer import TextWriter
from archbuilder.diagnostics.errors import RunError, quote
from archbuilder.files.sandbox import cannot_read
from archbuilder.formatting import plural

TextFile = tuple[DataPath, PathParts]
"""A file below a directory."""
_MAX_FILE_BYTES: Final = 2**26
"""Size of the largest file that is read."""


def load_text_files(source: TextFiles, context: LoadContext) -> SourceDataset:
    """Load the texts of files, and their classes: the indices of their directories by name.

    Raises:
        BlueprintError: if a blueprint names a directory that it may not read.
        RunError: if there are no texts, one is not UTF-8, or a class is unknown or has no text.
    """
    listing = list_files(source.directory, context.opener, TEXT, source.classes)
    # Other data may lack a class.
    if context.fitted is None:
        listing.check_classes()
    dataset, files = read_texts(source, listing.files, listing.name, context)
    dataset = replace(dataset, notes=(*dataset.notes, *listing.notes))
    return with_classes(dataset, listing, (parts for _, parts in files), context.fitted)


def read_texts(
    source: TextFiles, files: Sequence[TextFile], name: str, context: LoadContext
) -> tuple[SourceDataset, list[TextFile]]:
    """Return the texts of files without targets, and the files that could be read."""
    writer = TextWriter("the texts", context.store)
    bad_records = BadRecords(source.on_error, "texts")
    valid_files: list[TextFile] = []
    for file in files:
        try:
            text = _read_text(file, context.opener)
        except RunError as error:
            bad_records.add(error)
            continue
        writer.add([text])
        valid_files.append(file)
    notes = bad_records.summary(len(valid_files), name)
    origin = ColumnOrigin(lambda row: _file_name(valid_files[row]), (name,))
    texts = (writer.to_column(),)
    raw = RawFeature.from_texts(source.feature, (TextFiles.key,), texts, origin)
    dataset = SourceDataset(
        name,
        {},
        {},
        (f"{name}: {plural(len(valid_files), 'text')}", *notes),
        raw_features={UNNAMED: raw},
    )
    return dataset, valid_files


def _read_text(file: TextFile, opener: DataFileOpener) -> str:
    """Return the text in a file.

    Raises:
        RunError: if it cannot be read, is large, or is not UTF-8.
    """
    directory, parts = file
    name = _file_name(file)
    with (
        opener.open_file(directory, *parts) as descriptor,
        # A duplicate, since the file object closes its descriptor and the opener closes its own.
        os.fdopen(os.dup(descriptor), "rb") as stream,
    ):
        try:
            content = stream.read(_MAX_FILE_BYTES + 1)
        except OSError as error:
            raise RunError(cannot_read("/".join((directory.path, *parts)), error)) from error
    if len(content) > _MAX_FILE_BYTES:
        raise RunError(f"{name} is larger than {_MAX_FILE_BYTES // 2**20} MiB")
    try:
        # utf-8-sig drops the byte order mark that Excel and Notepad write.
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise RunError(f"{name} is not valid UTF-8; save the file as UTF-8") from None


def _file_name(file: TextFile) -> str:
    directory, parts = file
    return quote("/".join((directory.path.rstrip("/"), *parts)), 200)
