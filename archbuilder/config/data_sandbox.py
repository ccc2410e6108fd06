"""The directories that the data of a run may be read from, if another user wrote its record."""

from __future__ import annotations

import shlex
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from archbuilder.diagnostics.errors import UsageError, quote
from archbuilder.diagnostics.escape import escape_terminal
from archbuilder.files import path_status
from archbuilder.files.sandbox import SandboxPath


@dataclass(frozen=True, slots=True)
class DataSandbox:
    """The run directory and the directories that the user allowed.

    They are pinned, and what is in them is opened without following links: the other user may
    replace any file by a link at any time.
    """

    roots: tuple[SandboxPath, ...]

    @classmethod
    def from_directories(cls, directories: Iterable[SandboxPath]) -> DataSandbox:
        """Return the sandbox of these pinned directories, which may be links."""
        return cls(
            tuple(SandboxPath(each.root.resolve(), (), each.identity) for each in directories)
        )

    def contains(self, path: Path) -> bool:
        """Return whether a path, with its links resolved, is in one of the directories."""
        return self._locate(path) is not None

    def resolve(self, path: Path) -> SandboxPath:
        """Return where a path leads now, to be opened without following links.

        Raises:
            UsageError: if it leads out of the directories.
        """
        location = self._locate(path)
        if location is None:
            raise not_allowed_error(path)
        return location

    def _locate(self, path: Path) -> SandboxPath | None:
        target = _resolve_links(path)
        if target is None:
            return None
        for root in self.roots:
            if target.is_relative_to(root.root):
                return root.joinpath(*target.relative_to(root.root).parts)
        return None


def not_allowed_error(path: Path) -> UsageError:
    """Return the error for a path outside the sandbox, which names the directory to allow."""
    # Where the path leads, and not the path: a link in the run directory tells the user nothing.
    target = _resolve_links(path) or path.absolute()
    # --allow-dir takes existing directories only, so the message names the closest one.
    directory = next(each for each in (target, *target.parents) if path_status.is_dir(each))
    return UsageError(
        f"run.json names the data {quote(str(path), 200)}, and another user may have written it:"
        " if you trust it, add"
        f" --allow-dir {shlex.quote(escape_terminal(str(directory)))}"
    )


def _resolve_links(path: Path) -> Path | None:
    """Return a path without links, or None if no file can have that path."""
    try:
        return path.resolve()
    # RuntimeError: Python 3.11 raises it for a loop of links. ValueError: a null character.
    except (OSError, RuntimeError, ValueError):
        return None
