"""Convert the exceptions of libraries that parse files into errors that name the file.

For a damaged file, a library raises more than it documents: zipfile raises RuntimeError for an
encrypted member, h5py raises TypeError for an unknown type. The module that reads a format lists
what its library raises, and guards only the calls of that library, so that an exception of the same
class from our own code remains an internal error. `tests/files/test_damaged_files.py` tests every
format.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from tokenize import TokenError
from typing import Final, TypeAlias

from archbuilder.diagnostics.errors import RunError
from archbuilder.diagnostics.escape import escape_terminal

ErrorTypes: TypeAlias = tuple[type[Exception], ...]

GZIP_ERRORS: Final[ErrorTypes] = (OSError, EOFError, zlib.error)
"""The exceptions of `gzip`; BadGzipFile is an OSError."""
NPY_HEADER_ERRORS: Final[ErrorTypes] = (
    OSError,
    EOFError,
    ValueError,
    TypeError,  # keys of the header that cannot be sorted or hashed
    SyntaxError,
    TokenError,
    RecursionError,
    OverflowError,
    IndexError,
)
"""The exceptions of `numpy.lib.format`, which parses the header of an array as a Python literal.

The errors of Python's tokenizer are among them.
"""
_MAX_REASON: Final = 200


@contextmanager
def parser_errors(errors: ErrorTypes, message: str) -> Iterator[None]:
    """Convert a library's `errors`, and MemoryError, into a RunError.

    Raises:
        RunError: "MESSAGE: REASON", with the library's reason.
    """
    try:
        yield
    # A damaged header may announce an array of any size.
    except MemoryError as error:
        raise RunError(f"{message}: it needs more memory than is available") from error
    except errors as error:
        # `str` of an OSError repeats its number and the path.
        text = (error.strerror if isinstance(error, OSError) else None) or str(error)
        # `numpy.lib.format` has a ValueError for it: "EOF: reading magic string, ...".
        if isinstance(error, EOFError) or text.startswith("EOF"):
            text = "it ends too early"
        # The first line, escaped: libraries quote names from the file, and some append a dump.
        reason = escape_terminal(text.strip().partition("\n")[0])[:_MAX_REASON]
        raise RunError(f"{message}: {reason or type(error).__name__}") from error
