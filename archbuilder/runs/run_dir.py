"""The directory of a run, with everything needed to inspect, resume or repeat it.

blueprint.yaml     the blueprint with everything resolved
blueprint.adapted.yaml   the same with what layers learned from the training set (`adapt: true`)
constants/         arrays from files of the blueprint
run.json           the command, the recipe, the versions, the seed, the devices, the result
history.csv        one line per epoch, for spreadsheets
history.jsonl      the same for programs
NAME.keras         the trained model, one for each network
NAME.best.keras    the model of the best epoch, with `save_best`
curves.png         a plot of the history
tensorboard/       the history for TensorBoard
samples/           images of a generator, one file for each epoch
checkpoints/       the last states of training, to resume from
text/              the tokenizer, if the run trains on text
nan_batch.npz      the batch whose loss was NaN or infinite, if there was one

A resumed run may lie in the directory of another person: all files are opened as a `SandboxPath`.
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

from archbuilder.config.run_config import BEST_SUFFIX, MODEL_SUFFIX, RUN_JSON
from archbuilder.config.save_best import WeightsChoice
from archbuilder.diagnostics.errors import ArchbuilderError, RunError, UsageError, quote
from archbuilder.files import path_status
from archbuilder.files.json import JsonError, JsonObject
from archbuilder.files.sandbox import TEMP_SUFFIX, SandboxPath, os_error_reason
from archbuilder.plain_data import PlainData

EpochLogs = Mapping[str, float]
"""The loss and the metrics of one epoch by name, and its number as `epoch`."""

_LOCK_FILE: Final = ".lock"
_EXCLUSIVE_LOCK: Final = fcntl.LOCK_EX | fcntl.LOCK_NB
_HISTORY_FILE: Final = "history.jsonl"
_UNSAFE_CHARS: Final = re.compile(r"[^A-Za-z0-9_-]+")


@dataclass(frozen=True, slots=True)
class RunDir:
    """The directory of a single run."""

    path: Path
    is_writer: bool = True
    """Whether this process writes in it: with several workers, only the chief does."""
    is_new: bool = False
    """Whether this run created it."""
    pinned_root: SandboxPath | None = None
    """The directory with its device and inode, so that replacing it is an error.

    None in a worker that does not write, whose machine may not have the directory.
    """

    @property
    def root(self) -> SandboxPath:
        """The sandbox to open files of the run in."""
        return self.pinned_root or SandboxPath(self.path)

    @classmethod
    def create_numbered(cls, parent: Path, name: str) -> RunDir:
        """Create the next free directory `name-1`, `name-2`, ... below `parent`.

        Raises:
            RunError: if it cannot be created.
        """
        # The name comes from the blueprint. File systems limit names to 255 bytes.
        stem = _UNSAFE_CHARS.sub("_", name)[:64] or "run"
        for number in count(1):
            path = parent / f"{stem}-{number}"
            try:
                parent.mkdir(parents=True, exist_ok=True)
                # mkdir is atomic: of two runs that start at once, one fails and tries the next.
                path.mkdir()
                root = SandboxPath.pinned(path)
            except FileExistsError:
                # Raised for the parent if that is a file.
                if parent.is_dir():
                    continue
                raise RunError(f"{quote(str(parent), 200)} is not a directory") from None
            except OSError as error:
                raise _io_error("create the directory", path, error) from error
            return cls(path, is_new=True, pinned_root=root)
        raise RunError(f"there is no free name below {quote(str(parent), 200)}")

    @classmethod
    def create(cls, path: Path) -> RunDir:
        """Create the directory that the user chose; it may exist if it is empty.

        A run that was killed before it wrote its record leaves the file of its lock there.

        Raises:
            UsageError: if it is a file or not empty.
            RunError: if it cannot be created.
        """
        try:
            path.mkdir(parents=True, exist_ok=True)
            root = SandboxPath.pinned(path)
            is_empty = {*root.list_names()} <= {_LOCK_FILE}
        except (FileExistsError, NotADirectoryError):
            raise UsageError(f"{quote(str(path), 200)} is a file, not a directory") from None
        except OSError as error:
            raise _io_error("create the directory", path, error) from error
        if not is_empty:
            raise UsageError(f"the directory {quote(str(path), 200)} is not empty; choose another")
        return cls(path, is_new=True, pinned_root=root)

    @classmethod
    def open_existing(cls, path: Path) -> RunDir:
        """Open the directory of an earlier run to resume it.

        Raises:
            UsageError: if it is not the directory of a run.
            RunError: if it is not writable.
        """
        if not path_status.is_file(path / RUN_JSON):
            raise UsageError(f"{quote(str(path), 200)} is not a run directory")
        try:
            root = SandboxPath.pinned(path)
            root.check_writable()
        except OSError as error:
            raise _io_error("resume in", path, error) from error
        return cls(path, pinned_root=root)

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Keep other runs out of the directory until the block or the process ends.

        Raises:
            UsageError: if another run has the lock.
            RunError: if the lock file cannot be opened or locked.
        """
        if not self.is_writer:
            yield
            return
        lock_file = self.root.joinpath(_LOCK_FILE)
        with ExitStack() as stack:
            try:
                # The kernel releases a flock when the process dies, unlike a file that is the lock.
                fcntl.flock(stack.enter_context(lock_file.open_append()), _EXCLUSIVE_LOCK)
            except BlockingIOError:
                raise UsageError(f"another run is using {quote(str(self.path), 200)}") from None
            except OSError as error:
                raise _io_error("lock", lock_file.path, error) from error
            # Remove the temporary files of a run that was killed while it wrote. Under the lock,
            # where no other run can be writing them.
            try:
                for name in self.root.list_names():
                    if name.startswith(".") and name.endswith(TEMP_SUFFIX):
                        self.root.joinpath(name).remove()
            except OSError as error:
                raise _io_error("write in", self.path, error) from error
            yield

    @contextmanager
    def delete_unless_started(self) -> Iterator[None]:
        """Remove a directory that this run created if the block fails before the first step."""
        try:
            yield
        except ArchbuilderError:
            # A leftover directory does no harm, and its error would hide the one that matters.
            with suppress(OSError):
                # The history is created after the first step.
                if (
                    self.is_new
                    and self.is_writer
                    and self.root.joinpath(_HISTORY_FILE).status() is None
                ):
                    SandboxPath.from_path(self.path.absolute()).remove()
            raise

    @property
    def has_record(self) -> bool:
        """Whether the run has written the record from which it can be resumed."""
        return self.root.joinpath(RUN_JSON).status() is not None

    def previous_manifest(self) -> JsonObject | None:
        """Return the manifest of the run that is resumed, or None for a new run.

        Raises:
            RunError: if the manifest is damaged or cannot be read.
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

    def model_file(self, network: str, weights: WeightsChoice = "last") -> SandboxPath:
        """Return the path of the saved model of a network."""
        stem = _UNSAFE_CHARS.sub("_", network) + (BEST_SUFFIX if weights == "best" else "")
        return self.root.joinpath(stem + MODEL_SUFFIX)

    def write_text(self, name: str, text: str) -> None:
        """Write a text file atomically.

        Raises:
            RunError: if it cannot be written.
        """
        self.write_bytes(name, text.encode("utf-8"))

    def write_bytes(self, name: str, content: bytes) -> None:
        """Write a file atomically, and create the directory if `name` has one, as in `a/b.txt`.

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
        """Write plain data as JSON atomically.

        Raises:
            RunError: if it cannot be written.
        """
        self.write_text(name, json.dumps(value, indent=2) + "\n")

    def write_history(self, history: Sequence[EpochLogs]) -> None:
        """Replace both history files by these rows.

        A resumed run goes back to its checkpoint, and drops the epochs logged after it.

        Raises:
            RunError: if they cannot be written.
        """
        for name, text in _history_texts(history, with_header=True).items():
            self.write_text(name, text)

    def add_history(self, epoch_logs: EpochLogs, *, first: bool) -> None:
        """Append the metrics of an epoch to both history files.

        Raises:
            RunError: if they cannot be written.
        """
        if not self.is_writer:
            return
        for name, text in _history_texts([epoch_logs], with_header=first).items():
            target = self.root.joinpath(name)
            with translate_write_errors(target), target.open_append() as file:
                file.write(text.encode("utf-8"))


def _history_texts(history: Sequence[EpochLogs], *, with_header: bool) -> dict[str, str]:
    """Format rows for each history file, by its name; CSV optionally begins with the header."""
    csv_text = io.StringIO()
    if history:
        writer = csv.DictWriter(csv_text, list(history[0]), lineterminator="\n")
        if with_header:
            writer.writeheader()
        writer.writerows(history)
    # json.dumps would write NaN and Infinity, which are not JSON.
    json_rows = [
        {name: value if math.isfinite(value) else None for name, value in row.items()}
        for row in history
    ]
    lines = "".join(json.dumps(row) + "\n" for row in json_rows)
    return {_HISTORY_FILE: lines, "history.csv": csv_text.getvalue()}


@contextmanager
def translate_write_errors(target: SandboxPath) -> Iterator[None]:
    """Translate an OSError raised in this block into a one-line `RunError` that names the file.

    Raises:
        RunError: in place of an `OSError`.
    """
    try:
        yield
    except OSError as error:
        raise _io_error("write", target.path, error) from error


def _io_error(action: str, path: Path, error: OSError) -> RunError:
    return RunError(f"cannot {action} {quote(str(path), 200)}: {os_error_reason(error)}")
