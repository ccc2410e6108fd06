"""The folder of a run: what was trained, how, with which versions, and what came of it.

blueprint.yaml     the blueprint with everything resolved
run.json           the command, the recipe, the versions, the seed, the devices, the result
history.csv        one line an epoch, for spreadsheets
history.jsonl      the same, for programs
NAME.keras         the trained model, one for each network
"""

from __future__ import annotations

import csv
import fcntl
import io
import json
import math
import os
import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Final

from archbuilder.errors import RunError, UsageError, shown
from archbuilder.recipe.record import RECORD
from archbuilder.tree import Plain

Row = Mapping[str, float]
"""The numbers of one epoch by name."""

_LOCK: Final = ".lock"
_HISTORY: Final = "history.jsonl"
_OUTSIDE: Final = re.compile(r"[^A-Za-z0-9_-]+")


@dataclass(frozen=True, slots=True)
class RunFolder:
    """A folder that belongs to one run alone."""

    path: Path
    writes: bool = True
    """Whether this process writes in it; of several workers the chief alone does."""
    fresh: bool = False
    """Whether this run made it."""

    @classmethod
    def numbered(cls, parent: Path, name: str) -> RunFolder:
        """The next free folder `name-1`, `name-2`, ... below `parent`.

        Raises:
            RunError: if it cannot be made.
        """
        stem = _OUTSIDE.sub("_", name)[:64] or "run"
        for number in count(1):
            path = parent / f"{stem}-{number}"
            try:
                parent.mkdir(parents=True, exist_ok=True)
                # Two runs that start at once get two folders: only one of them makes each.
                path.mkdir()
            except FileExistsError:
                if parent.is_dir():
                    continue
                raise RunError(f"{shown(str(parent), 200)} is not a folder") from None
            except OSError as error:
                raise _cannot("make the folder", path, error) from error
            return cls(path, fresh=True)
        raise RunError(f"there is no free name below {shown(str(parent), 200)}")

    @classmethod
    def at(cls, path: Path) -> RunFolder:
        """The folder that the user chose, which has to be new or empty.

        Raises:
            UsageError: if something is in it.
            RunError: if it cannot be made.
        """
        try:
            path.mkdir(parents=True, exist_ok=True)
            empty = not any(path.iterdir())
        except (FileExistsError, NotADirectoryError):
            raise UsageError(f"{shown(str(path), 200)} is a file, not a folder for a run") from None
        except OSError as error:
            raise _cannot("make the folder", path, error) from error
        if not empty:
            raise UsageError(
                f"the folder {shown(str(path), 200)} is not empty; give a new one for a run"
            )
        return cls(path, fresh=True)

    @classmethod
    def again(cls, path: Path) -> RunFolder:
        """The folder of a run that was begun before.

        Raises:
            UsageError: if there is none.
        """
        if not (path / RECORD).is_file():
            raise UsageError(f"{shown(str(path), 200)} is not the folder of a run")
        return cls(path)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other runs out of the folder, until this one or its process ends.

        Raises:
            UsageError: if another run is in it.
            RunError: if it cannot be locked.
        """
        if not self.writes:
            yield
            return
        path = self.path / _LOCK
        try:
            with path.open("w", encoding="utf-8") as file:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                yield
        except BlockingIOError:
            raise UsageError(f"another run is in {shown(str(self.path), 200)}") from None

    def discard(self) -> None:
        """Remove the folder of a run that came to nothing, if this run made it."""
        begun = (self.path / _HISTORY).exists()
        if self.fresh and self.writes and not begun:
            shutil.rmtree(self.path, ignore_errors=True)

    def before(self) -> dict[str, Plain]:
        """What was recorded of the run before it goes on; nothing where it begins."""
        path = self.path / RECORD
        if self.fresh or not path.is_file():
            return {}
        try:
            found = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return found if isinstance(found, dict) else {}

    def model_file(self, network: str) -> Path:
        """Where the model of a network is saved."""
        return self.path / f"{_OUTSIDE.sub('_', network)}.keras"

    def write_text(self, name: str, text: str) -> None:
        """Write a file that appears whole.

        Raises:
            RunError: if it cannot be written.
        """
        self.write_bytes(name, text.encode("utf-8"))

    def write_bytes(self, name: str, content: bytes) -> None:
        """Write a file that appears whole, and the folder in `name` that it lies in.

        Raises:
            RunError: if it cannot be written.
        """
        if not self.writes:
            return
        path = self.path / name
        beside = path.with_name(f".{path.name}.part")
        try:
            path.parent.mkdir(exist_ok=True)
            with beside.open("wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            beside.replace(path)
        except OSError as error:
            raise _cannot("write", path, error) from error

    def write_json(self, name: str, value: Plain) -> None:
        """Write plain data as JSON.

        Raises:
            RunError: if it cannot be written.
        """
        self.write_text(name, json.dumps(value, indent=2) + "\n")

    def write_history(self, rows: Sequence[Row]) -> None:
        """Begin both histories with these rows, in place of what is in them.

        Raises:
            RunError: if they cannot be written.
        """
        for name, text in _histories(rows, head=True).items():
            self.write_text(name, text)

    def add_history(self, row: Row, *, first: bool) -> None:
        """Add the numbers of an epoch to both histories.

        Raises:
            RunError: if they cannot be written.
        """
        for name, text in _histories([row], head=first).items():
            self._append(name, text)

    def _append(self, name: str, text: str) -> None:
        if not self.writes:
            return
        path = self.path / name
        try:
            with path.open("a", encoding="utf-8", newline="") as file:
                file.write(text)
        except OSError as error:
            raise _cannot("write", path, error) from error


def _histories(rows: Sequence[Row], *, head: bool) -> dict[str, str]:
    """Rows as the text of each history, by its file; `head` is the line of names."""
    table = io.StringIO()
    if rows:
        writer = csv.DictWriter(table, list(rows[0]), lineterminator="\n")
        if head:
            writer.writeheader()
        writer.writerows(rows)
    # JSON has no word for NaN.
    plain = [
        {name: value if math.isfinite(value) else None for name, value in row.items()}
        for row in rows
    ]
    lines = "".join(json.dumps(row) + "\n" for row in plain)
    return {_HISTORY: lines, "history.csv": table.getvalue()}


def _cannot(what: str, path: Path, error: OSError) -> RunError:
    return RunError(f"cannot {what} {shown(str(path), 200)}: {error.strerror or error}")
