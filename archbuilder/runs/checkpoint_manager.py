"""Atomic, checksummed checkpoint directories, with a fallback to the previous one if damaged.

checkpoints/epoch-00002-batch-0000120/
    variables.safetensors      everything that training changes
    progress.json              the position of the run, and the metrics of the completed epochs
    manifest.json              the SHA-256 digests of both, written last

A checkpoint is written to a temporary directory, synced to disk and renamed. Older checkpoints are
deleted only after the new one has been read back. The directory may come from another person, so
every value is validated and no link is followed.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from safetensors import SafetensorError
from safetensors.numpy import load, load_file, save

from archbuilder.data.position import TrainingPosition
from archbuilder.diagnostics.errors import RunError
from archbuilder.diagnostics.escape import escape_terminal
from archbuilder.distribution.collectives import SINGLE_WORKER, WorkerGroup
from archbuilder.files.json import JsonError, JsonObject
from archbuilder.files.sandbox import TEMP_SUFFIX, SandboxPath, cannot_read, os_error_reason
from archbuilder.keras_backend.machine_memory import total_memory
from archbuilder.plain_data import PlainData
from archbuilder.runs.run_dir import EpochLogs
from archbuilder.runs.state_dict import Arrays, NotFiniteError, encode_bfloat16, first_non_finite

CHECKPOINTS_DIR: Final = "checkpoints"
_VARIABLES_FILE: Final = "variables.safetensors"
_PROGRESS_FILE: Final = "progress.json"
_MANIFEST_FILE: Final = "manifest.json"
_DIRECTORY_NAME: Final = re.compile(r"epoch-\d+-batch-\d+")
# The newest checkpoint, and the one before it in case the newest turns out to be damaged.
_KEEP_LAST: Final = 2


@dataclass(frozen=True, slots=True, eq=False)
class Checkpoint:
    """Everything that a run needs to resume exactly where it stopped."""

    position: TrainingPosition
    history: tuple[EpochLogs, ...]
    """The metrics of every completed epoch, in order."""
    arrays: Arrays
    stage: int = 1
    """Number of the stage whose model the arrays are of. At the end of a stage it is that one."""


@dataclass(frozen=True, slots=True)
class CheckpointManager:
    """Saves and restores the checkpoints in a run directory."""

    run_dir: SandboxPath
    fingerprint: str = ""
    """Identifies the blueprint and the recipe; a checkpoint with another one is refused."""
    workers: WorkerGroup = SINGLE_WORKER
    """Only the chief accesses the files; it broadcasts a restored checkpoint to the others."""

    def save(self, checkpoint: Checkpoint) -> Path:
        """Write a checkpoint, delete old ones, and return the path of its directory.

        An intact checkpoint of the same position is kept instead.

        Raises:
            NotFiniteError: if a weight is NaN or infinite.
            RunError: if what was written does not read back.
            OSError: if the disk is full or fails. The older checkpoints are still there.
        """
        # Every worker checks: if only the chief raised, the others would wait for it forever.
        non_finite = first_non_finite(checkpoint.arrays)
        if non_finite is not None:
            raise NotFiniteError(non_finite)
        directory = self._directory.joinpath(_directory_name(checkpoint.position))
        if not self.workers.is_chief:
            return directory.path
        # The end of training commits the position of the last epoch a second time.
        if directory.is_dir() and _verify_digests(directory) is None:
            return directory.path
        self._write(directory, checkpoint)
        damage = _verify_digests(directory)
        if damage is not None:
            raise RunError(f"cannot verify the checkpoint {directory.path.name}: {damage}")
        for stale in self._list_complete()[:-_KEEP_LAST]:
            stale.remove()
        return directory.path

    def latest(self, log: Callable[[str], None]) -> Checkpoint | None:
        """Return the newest intact checkpoint, or None; log and skip damaged ones.

        With several workers this is a collective operation: all of them have to call it.

        Raises:
            RunError: if it belongs to another blueprint or recipe, or the directory cannot be read.
        """
        checkpoint = None
        try:
            directories = self._list_complete() if self.workers.is_chief else []
        except OSError as error:
            raise RunError(cannot_read(self._directory.path, error)) from error
        for directory in reversed(directories):
            damage = _verify_digests(directory)
            if damage is None:
                try:
                    checkpoint = self._read(directory)
                    break
                except OSError as error:
                    damage = os_error_reason(error)
                except ValueError as error:
                    damage = str(error)
            log(f"warning: skipped damaged checkpoint {directory.path.name}: {damage}")
        if self.workers.count == 1:
            return checkpoint
        message = b""
        if checkpoint is not None:
            # json.dumps escapes newlines, so that the first one ends the header.
            header = json.dumps(_progress_dict(checkpoint)).encode()
            message = header + b"\n" + save(encode_bfloat16(checkpoint.arrays))
        header, _, arrays = self.workers.broadcast(message).partition(b"\n")
        return _parse_checkpoint(JsonObject.parse(header), load(arrays)) if header else None

    @property
    def has_checkpoint(self) -> bool:
        """Whether there is a complete checkpoint; it may be damaged."""
        try:
            return bool(self._list_complete())
        except OSError:
            return False

    @property
    def _directory(self) -> SandboxPath:
        return self.run_dir.joinpath(CHECKPOINTS_DIR)

    def _list_complete(self) -> list[SandboxPath]:
        """Return the directories without the suffix of temporary ones, the newest last."""
        if self._directory.status() is None:
            return []
        # Epochs and batches are zero-padded in the names, so alphabetical order is by position.
        return [
            self._directory.joinpath(name)
            for name in self._directory.list_names()
            if _DIRECTORY_NAME.fullmatch(name)
        ]

    def _write(self, directory: SandboxPath, checkpoint: Checkpoint) -> None:
        temp_dir = directory.with_name(directory.path.name + TEMP_SUFFIX)
        directory.parent.make_directory(exist_ok=True)
        # Left over from a killed process, and a damaged checkpoint of the same position:
        # a directory can only be renamed over an empty one.
        for stale in (temp_dir, directory):
            stale.remove()
        temp_dir.make_directory()
        try:
            progress = {**_progress_dict(checkpoint), "fingerprint": self.fingerprint}
            contents = {
                _VARIABLES_FILE: save(encode_bfloat16(checkpoint.arrays)),
                _PROGRESS_FILE: json.dumps(progress).encode("utf-8"),
            }
            digests = {name: hashlib.sha256(each).hexdigest() for name, each in contents.items()}
            contents[_MANIFEST_FILE] = json.dumps({"sha256": digests}, indent=2).encode("utf-8")
            # The manifest is written last, so that its presence means that the others are complete.
            for name, content in contents.items():
                with temp_dir.joinpath(name).create() as file:
                    file.write(content)
            temp_dir.sync()
        except OSError:
            # On a full disk, the partial files would leave no room for anything else.
            temp_dir.remove()
            raise
        temp_dir.rename(directory.path.name)

    def _read(self, directory: SandboxPath) -> Checkpoint:
        """Read a checkpoint.

        Raises:
            OSError: if a file cannot be opened.
            ValueError: if a file does not have the contents of a checkpoint.
            RunError: if it belongs to another blueprint or recipe.
        """
        progress = JsonObject.read(directory.joinpath(_PROGRESS_FILE))
        if progress.text("fingerprint") != self.fingerprint:
            raise RunError(
                f"the checkpoint {directory.path.name} was written with another blueprint or"
                " recipe; a run must be resumed with those that it was started with"
            )
        variables_file = directory.joinpath(_VARIABLES_FILE)
        with variables_file.open_descriptor() as descriptor:
            try:
                # safetensors only opens paths, and following the original one again could lead
                # through a link: /dev/fd names the file that was checked.
                arrays = load_file(f"/dev/fd/{descriptor}")
            # safetensors 0.8 raises the last two for dtypes that numpy lacks, such as bfloat16.
            except (SafetensorError, AttributeError, TypeError) as error:
                # The reason quotes the header of the file, which may hold control characters.
                reason = escape_terminal(str(error))
                raise ValueError(f"{_VARIABLES_FILE} cannot be read: {reason}") from error
        checkpoint = _parse_checkpoint(progress, arrays)
        if _directory_name(checkpoint.position) != directory.path.name:
            raise JsonError(f"{_PROGRESS_FILE} has another position")
        return checkpoint


def _directory_name(position: TrainingPosition) -> str:
    return f"epoch-{position.epoch:05}-batch-{position.batch:07}"


def _progress_dict(checkpoint: Checkpoint) -> dict[str, PlainData]:
    position = checkpoint.position
    return {
        "epoch": position.epoch,
        "batch": position.batch,
        "stage": checkpoint.stage,
        "history": [dict(row) for row in checkpoint.history],
    }


def _parse_checkpoint(progress: JsonObject, arrays: Arrays) -> Checkpoint:
    """Build a checkpoint from the fields of `progress.json` and the arrays.

    Raises:
        JsonError: if the fields do not describe a valid state of a run.
    """
    position = TrainingPosition(progress.count("epoch"), progress.count("batch"))
    history: list[EpochLogs] = []
    for epoch, fields in enumerate(progress.objects("history"), start=1):
        logs = fields.numbers()
        if logs.get("epoch") != epoch:
            raise JsonError(f"the field '{fields.name}.epoch' is not {epoch}")
        history.append(logs)
    # history.csv takes its columns from the first epoch; later ones may have fewer.
    if any(not row.keys() <= history[0].keys() for row in history):
        raise JsonError("its epochs have different metrics")
    if len(history) != position.epoch:
        raise JsonError(
            f"its history has {len(history)} epochs, but its position is epoch {position.epoch}"
        )
    stage = progress.count("stage") if "stage" in progress.values else 1
    return Checkpoint(position, tuple(history), arrays, stage)


def _verify_digests(directory: SandboxPath) -> str | None:
    """Compare a checkpoint with its digests; return the first difference, or None if intact."""
    file = directory.joinpath(_MANIFEST_FILE)
    try:
        digests = JsonObject.read(file).object("sha256")
        for name in (_VARIABLES_FILE, _PROGRESS_FILE):
            file = directory.joinpath(name)
            with (
                file.open_descriptor() as descriptor,
                # A duplicate, since the file object closes its descriptor and so does the context.
                os.fdopen(os.dup(descriptor), "rb") as opened_file,
            ):
                # A sparse file may claim terabytes that would take hours to hash.
                if os.fstat(descriptor).st_size > total_memory():
                    return f"{name}: it is too large"
                digest = hashlib.file_digest(opened_file, "sha256").hexdigest()
            if digest != digests.text(name):
                return f"{name} does not match its checksum"
    except OSError as error:
        return f"{file.path.name}: {os_error_reason(error)}"
    except JsonError:
        return f"{_MANIFEST_FILE} is not valid"
    return None
