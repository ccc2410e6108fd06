"""Turns the exceptions of libraries that parse files into errors that name the file.

For a damaged file a library raises more than it documents: zipfile raises RuntimeError for an
encrypted member, h5py raises TypeError for an unknown type. The module that reads a format names
what its library raises, and guards the calls of the library alone: an exception of the same class
from our own code stays an internal error. `tests/files/test_damaged_files.py` tries every format.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final, TypeAlias

from archbuilder.diagnostics.errors import RunError
from archbuilder.diagnostics.escape import escape_terminal

ErrorTypes: TypeAlias = tuple[type[Exception], ...]

GZIP_ERRORS: Final[ErrorTypes] = (OSError, EOFError, zlib.error)
"""What `gzip` raises; BadGzipFile is an OSError."""
_MAX_REASON: Final = 200


@contextmanager
def parser_errors(errors: ErrorTypes, message: str) -> Iterator[None]:
    """Raise a RunError in place of a library's `errors`, and of MemoryError.

    Raises:
        RunError: "MESSAGE: REASON", where the reason is the library's.
    """
    try:
        yield
    except MemoryError as error:
        raise RunError(f"{message}: it needs more memory than there is") from error
    except errors as error:
        raise RunError(f"{message}: {_reason(error)}") from error


def _reason(error: Exception) -> str:
    """The first line of what a library says, which may quote a stranger's file."""
    text = (error.strerror if isinstance(error, OSError) else None) or str(error)
    line = escape_terminal(text.strip().partition("\n")[0])
    return line[:_MAX_REASON] or type(error).__name__
