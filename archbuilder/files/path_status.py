"""Questions about paths that a user names, which any text may be.

`Path.exists`, `is_dir` and `is_file` raise an OSError for a name of more than 255 bytes or in a
directory that may not be searched (Python 3.11). The functions of `os.path` answer False.
"""

from __future__ import annotations

import os
from pathlib import Path


def exists(path: str | Path) -> bool:
    """Return whether there is a file or directory; links are followed."""
    return os.path.exists(path)  # noqa: PTH110 - see the module


def is_dir(path: str | Path) -> bool:
    """Return whether there is a directory; links are followed."""
    return os.path.isdir(path)  # noqa: PTH112 - see the module


def is_file(path: str | Path) -> bool:
    """Return whether there is a regular file; links are followed."""
    return os.path.isfile(path)  # noqa: PTH113 - see the module


def same_file(first: str | Path, second: str | Path) -> bool:
    """Return whether two paths lead to the same existing file, however they are spelled."""
    try:
        return os.path.samefile(first, second)  # noqa: PTH121 - as its neighbors
    # One of them does not exist, or is not a path that a file can have.
    except (OSError, ValueError):
        return False
