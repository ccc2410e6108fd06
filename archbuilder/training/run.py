"""The folder of a run: what was trained, how, with which versions, and what came of it.

blueprint.yaml     the blueprint with everything resolved
run.json           the command, the recipe, the versions, the seed, the devices, the result
history.csv        one line an epoch, for spreadsheets
history.jsonl      the same, for programs
NAME.keras         the trained model, one for each network

A run that goes on may lie in the folder of another person: everything in it is opened as a `Place`.
"""

from __future__ import annotations

import csv
import fcntl
import io
import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Final

from archbuilder.errors import ArchbuilderError, RunError, UsageError, shown
from archbuilder.json_files import JsonError, JsonObject
from archbuilder.places import PART, Place, reason
from archbuilder.recipe.record import RECORD
from archbuilder.tree import Plain

Row = Mapping[str, float]
"""The numbers of one epoch by name."""

_LOCK: Final = ".lock"
_ALONE: Final = fcntl.LOCK_EX | fcntl.LOCK_NB
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
    pinned: Place | None = None
    """The folder as it was found; another one does not take its place."""

    @property
    def place(self) -> Place:
        """The folder, to open what is in it."""
        return self.pinned or Place(self.path)

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
                pinned = Place.pinned(path)
            except FileExistsError:
                if parent.is_dir():
                    continue
                raise RunError(f"{shown(str(parent), 200)} is not a folder") from None
            except OSError as error:
                raise _cannot("make the folder", path, error) from error
            return cls(path, fresh=True, pinned=pinned)
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
            pinned = Place.pinned(path)
            empty = not pinned.names()
        except (FileExistsError, NotADirectoryError):
            raise UsageError(f"{shown(str(path), 200)} is a file, not a folder for a run") from None
        except OSError as error:
            raise _cannot("make the folder", path, error) from error
        if not empty:
            raise UsageError(
                f"the folder {shown(str(path), 200)} is not empty; give a new one for a run"
            )
        return cls(path, fresh=True, pinned=pinned)

    @classmethod
    def again(cls, path: Path) -> RunFolder:
        """The folder of a run that was begun before.

        Raises:
            UsageError: if there is none.
            RunError: if nothing can be written there.
        """
        if not (path / RECORD).is_file():
            raise UsageError(f"{shown(str(path), 200)} is not the folder of a run")
        try:
            place = Place.pinned(path)
            place.check_writable()
        except OSError as error:
            raise _cannot("go on in", path, error) from error
        return cls(path, pinned=place)

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
        lock = self.place.inside(_LOCK)
        with ExitStack() as stack:
            try:
                fcntl.flock(stack.enter_context(lock.appending()), _ALONE)
            except BlockingIOError:
                raise UsageError(f"another run is in {shown(str(self.path), 200)}") from None
            except OSError as error:
                raise _cannot("lock", lock.path, error) from error
            self._remove_parts()
            yield

    def _remove_parts(self) -> None:
        """Remove what a run that was killed has not written to its end."""
        try:
            for name in self.place.names():
                if name.startswith(".") and name.endswith(PART):
                    self.place.inside(name).remove()
        except OSError as error:
            raise _cannot("write in", self.path, error) from error

    @contextmanager
    def discarded_unless_begun(self) -> Iterator[None]:
        """Remove the folder if the run fails before its first step, and the run made the folder."""
        try:
            yield
        except ArchbuilderError:
            # What is left of it where this fails does no harm.
            with suppress(OSError):
                if self.fresh and self.writes and self.place.inside(_HISTORY).status() is None:
                    Place.of(self.path.absolute()).remove()
            raise

    def before(self) -> JsonObject | None:
        """What was recorded of the run before it goes on; None where it begins.

        Raises:
            RunError: if the record is damaged.
        """
        record = self.place.inside(RECORD)
        try:
            if self.fresh or record.status() is None:
                return None
            return JsonObject.read(record)
        except OSError as error:
            raise _cannot("read", record.path, error) from error
        except JsonError as error:
            raise RunError(f"{shown(str(record.path), 200)} is damaged: {error}") from error

    def model(self, network: str) -> Place:
        """Where the model of a network is saved."""
        return self.place.inside(f"{_OUTSIDE.sub('_', network)}.keras")

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
        place = self.place.inside(*name.split("/"))
        with writing(place):
            if place.parent.parts:
                place.parent.make_directory(exist_ok=True)
            place.write(content)

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
        place = self.place.inside(name)
        with writing(place), place.appending() as file:
            file.write(text.encode("utf-8"))


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


@contextmanager
def writing(place: Place) -> Iterator[None]:
    """Where a file of a run is written: what the system says against it becomes one sentence.

    Raises:
        RunError: if it does.
    """
    try:
        yield
    except OSError as error:
        raise _cannot("write", place.path, error) from error


def _cannot(what: str, path: Path, error: OSError) -> RunError:
    return RunError(f"cannot {what} {shown(str(path), 200)}: {reason(error)}")
