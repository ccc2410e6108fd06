"""Errors of data with the place in the blueprint or recipe that names the data."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Final

from archbuilder.config.sources import DataPath, DataSource
from archbuilder.diagnostics.errors import DataError, Diagnostic, RunError
from archbuilder.diagnostics.span import Span

UNUSABLE_DATA: Final = "unusable-data"


def source_span(source: DataSource) -> Span | None:
    """Return where a blueprint or recipe names the first file of a source.

    None if a person named the file at the command line, or the recipe is that of a run's record,
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
    """Give what is wrong with data in this block the place that names the data.

    Raises:
        DataError: in place of a `RunError`, if there is such a place.
    """
    try:
        yield
    except RunError as error:
        if span is None or type(error) is not RunError:
            raise
        raise DataError(Diagnostic(UNUSABLE_DATA, str(error), span)) from error
