"""Data errors with the location of the data's name in the blueprint or recipe."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Final

from archbuilder.config.sources import DataPath, DataSource
from archbuilder.diagnostics.errors import DataError, Diagnostic, RunError
from archbuilder.diagnostics.span import Span

INVALID_DATA: Final = "invalid-data"


def source_span(source: DataSource) -> Span | None:
    """Return the location where a blueprint or recipe names the first file of a source.

    None if the user named the file on the command line, or if the recipe comes from `run.json`,
    which has no lines to show.
    """
    for field in dataclasses.fields(source):
        value = getattr(source, field.name)
        for file in value.values() if isinstance(value, Mapping) else (value,):
            if isinstance(file, DataPath) and file.span is not None and file.span.source.text:
                return file.span
    return None


@contextmanager
def locate_data_errors(span: Span | None) -> Iterator[None]:
    """Add a location to a `RunError` raised in this block.

    Raises:
        DataError: in place of a `RunError`, if there is a location.
    """
    try:
        yield
    except RunError as error:
        # Subclasses have a location or a meaning of their own, such as a lost worker.
        if span is None or type(error) is not RunError:
            raise
        # A list of weights, for example, has a line for each.
        message, *lines = str(error).split("\n")
        notes = tuple(line.strip() for line in lines)
        raise DataError(Diagnostic(INVALID_DATA, message, span, notes=notes)) from error
