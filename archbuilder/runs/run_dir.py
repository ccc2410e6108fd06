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

from archbuilder.config.run_config import RUN_JSON
from archbuilder.diagnostics.errors import ArchbuilderError, RunError, UsageError, quote
from archbuilder.files.json import JsonError, JsonObject
from archbuilder.files.sandbox import TEMP_SUFFIX, SandboxPath, os_error_reason
from archbuilder.plain_data import PlainData

EpochLogs = Mapping[str, float]
"""The numbers of one epoch by name."""

_LOCK_FILE: Final = ".lock"
_EXCLUSIVE_LOCK: Final = fcntl.LOCK_EX | fcntl.LOCK_NB
_HISTORY_FILE: Final = "history.jsonl"
_UNSAFE_CHARS: Final = re.compile(r"[^A-Za-z0-9_-]+")


@dataclass(frozen=True, slots=True)
class RunDir:
    """A folder that belongs to one run alone."""

    path: Path
    is_writer: bool = True
    """Whether this process writes in it; of several workers the chief alone does."""
    is_new: bool = False
    """Whether this run made it."""
    pinned_root: SandboxPath | None = None
    """The folder as it was found; another one does not take its place."""

    @property
    def root(self) -> SandboxPath:
        """The folder, to open what is in it."""
        return self.pinned_root or SandboxPath(self.path)

    @classmethod
    def create_numbered(cls, parent: Path, name: str) -> RunDir:
        """The next free folder `name-1`, `name-2`, ... below `parent`.

        Raises:
            RunError: if it cannot be made.
        """
        stem = _UNSAFE_CHARS.sub("_", name)[:64] or "run"
        for number in count(1):
            path = parent / f"{stem}-{number}"
            try:
                parent.mkdir(parents=True, exist_ok=True)
                # Two runs that start at once get two folders: only one of them makes each.
                path.mkdir()
                root = SandboxPath.pinned(path)
            except FileExistsError:
                if parent.is_dir():
                    continue
                raise RunError(f"{quote(str(parent), 200)} is not a folder") from None
            except OSError as error:
                raise _io_error("make the folder", path, error) from error
            return cls(path, is_new=True, pinned_root=root)
        raise RunError(f"there is no free name below {quote(str(parent), 200)}")

    @classmethod
    def create(cls, path: Path) -> RunDir:
        """The folder that the user chose, which has to be new or empty.

        Raises:
            UsageError: if something is in it.
            RunError: if it cannot be made.
        """
        try:
            path.mkdir(parents=True, exist_ok=True)
            root = SandboxPath.pinned(path)
            is_empty = not root.list_names()
        except (FileExistsError, NotADirectoryError):
            raise UsageError(f"{quote(str(path), 200)} is a file, not a folder for a run") from None
        except OSError as error:
            raise _io_error("make the folder", path, error) from error
        if not is_empty:
            raise UsageError(
                f"the folder {quote(str(path), 200)} is not empty; give a new one for a run"
            )
        return cls(path, is_new=True, pinned_root=root)

    @classmethod
    def open_existing(cls, path: Path) -> RunDir:
        """The folder of a run that was begun before.

        Raises:
            UsageError: if there is none.
            RunError: if nothing can be written there.
        """
        if not (path / RUN_JSON).is_file():
            raise UsageError(f"{quote(str(path), 200)} is not the folder of a run")
        try:
            root = SandboxPath.pinned(path)
            root.check_writable()
        except OSError as error:
            raise _io_error("go on in", path, error) from error
        return cls(path, pinned_root=root)

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Keep other runs out of the folder, until this one or its process ends.

        Raises:
            UsageError: if another run is in it.
            RunError: if it cannot be locked.
        """
        if not self.is_writer:
            yield
            return
        lock_file = self.root.joinpath(_LOCK_FILE)
        with ExitStack() as stack:
            try:
                fcntl.flock(stack.enter_context(lock_file.open_append()), _EXCLUSIVE_LOCK)
            except BlockingIOError:
                raise UsageError(f"another run is in {quote(str(self.path), 200)}") from None
            except OSError as error:
                raise _io_error("lock", lock_file.path, error) from error
            self._remove_partial_files()
            yield

    def _remove_partial_files(self) -> None:
        """Remove what a run that was killed has not written to its end."""
        try:
            for name in self.root.list_names():
                if name.startswith(".") and name.endswith(TEMP_SUFFIX):
                    self.root.joinpath(name).remove()
        except OSError as error:
            raise _io_error("write in", self.path, error) from error

    @contextmanager
    def delete_unless_started(self) -> Iterator[None]:
        """Remove the folder if the run fails before its first step, and the run made the folder."""
        try:
            yield
        except ArchbuilderError:
            # What is left of it where this fails does no harm.
            with suppress(OSError):
                if (
                    self.is_new
                    and self.is_writer
                    and self.root.joinpath(_HISTORY_FILE).status() is None
                ):
                    SandboxPath.from_path(self.path.absolute()).remove()
            raise

    def previous_manifest(self) -> JsonObject | None:
        """What was recorded of the run before it goes on; None where it begins.

        Raises:
            RunError: if the record is damaged.
        """
        manifest_file = self.root.joinpath(RUN_JSON)
        try:
            if self.is_new or manifest_file.status() is None:
                return None
            return JsonObject.read(manifest_file)
        except OSError as error:
            raise _io_error("read", manifest_file.path, error) from error
        except JsonError as error:
            raise RunError(f"{quote(str(manifest_file.path), 200)} is damaged: {error}") from error

    def model_file(self, network: str) -> SandboxPath:
        """Where the model of a network is saved."""
        return self.root.joinpath(f"{_UNSAFE_CHARS.sub('_', network)}.keras")

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
        if not self.is_writer:
            return
        target = self.root.joinpath(*name.split("/"))
        with translate_write_errors(target):
            if target.parent.parts:
                target.parent.make_directory(exist_ok=True)
            target.write(content)

    def write_json(self, name: str, value: PlainData) -> None:
        """Write plain data as JSON.

        Raises:
            RunError: if it cannot be written.
        """
        self.write_text(name, json.dumps(value, indent=2) + "\n")

    def write_history(self, history: Sequence[EpochLogs]) -> None:
        """Begin both histories with these rows, in place of what is in them.

        Raises:
            RunError: if they cannot be written.
        """
        for name, text in _history_texts(history, with_header=True).items():
            self.write_text(name, text)

    def add_history(self, epoch_logs: EpochLogs, *, first: bool) -> None:
        """Add the numbers of an epoch to both histories.

        Raises:
            RunError: if they cannot be written.
        """
        for name, text in _history_texts([epoch_logs], with_header=first).items():
            self._append(name, text)

    def _append(self, name: str, text: str) -> None:
        if not self.is_writer:
            return
        target = self.root.joinpath(name)
        with translate_write_errors(target), target.open_append() as file:
            file.write(text.encode("utf-8"))


def _history_texts(history: Sequence[EpochLogs], *, with_header: bool) -> dict[str, str]:
    """Rows as the text of each history, by its file; `head` is the line of names."""
    csv_text = io.StringIO()
    if history:
        writer = csv.DictWriter(csv_text, list(history[0]), lineterminator="\n")
        if with_header:
            writer.writeheader()
        writer.writerows(history)
    # JSON has no word for NaN.
    json_rows = [
        {name: value if math.isfinite(value) else None for name, value in row.items()}
        for row in history
    ]
    lines = "".join(json.dumps(row) + "\n" for row in json_rows)
    return {_HISTORY_FILE: lines, "history.csv": csv_text.getvalue()}


@contextmanager
def translate_write_errors(target: SandboxPath) -> Iterator[None]:
    """Where a file of a run is written: what the system says against it becomes one sentence.

    Raises:
        RunError: if it does.
    """
    try:
        yield
    except OSError as error:
        raise _io_error("write", target.path, error) from error


def _io_error(action: str, path: Path, error: OSError) -> RunError:
    return RunError(f"cannot {action} {quote(str(path), 200)}: {os_error_reason(error)}")
