"""The checkpoints of a run: folders that appear whole, prove themselves, and outlive their errors.

checkpoints/epoch-00002-batch-000120/
    variables.safetensors      everything that training changes
    progress.json              how far the run was, and the numbers of the epochs before
    manifest.json              the SHA-256 of both, written last

A checkpoint is written beside its place, brought to the disk, and renamed. Older ones stay until
the new one was read back. Another person may have written one: nothing in it is believed before it
is checked, and no link is followed.
"""

from __future__ import annotations

import errno
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
from archbuilder.diagnostics.errors import RunError, quote
from archbuilder.distribution.collectives import SINGLE_WORKER, WorkerGroup
from archbuilder.files.json import JsonError, JsonObject
from archbuilder.files.sandbox import TEMP_SUFFIX, SandboxPath, os_error_reason
from archbuilder.keras_backend.machine_memory import total_memory
from archbuilder.plain_data import PlainData
from archbuilder.runs.run_dir import EpochLogs
from archbuilder.runs.state_dict import Arrays, NotFiniteError, first_non_finite

CHECKPOINTS_DIR: Final = "checkpoints"
_VARIABLES: Final = "variables.safetensors"
_PROGRESS: Final = "progress.json"
_MANIFEST: Final = "manifest.json"
_DIRECTORY_NAME: Final = re.compile(r"epoch-\d+-batch-\d+")
_KEEP_LAST: Final = 2


@dataclass(frozen=True, slots=True, eq=False)
class Checkpoint:
    """What a run needs to go on as if it had not been stopped."""

    position: TrainingPosition
    history: tuple[EpochLogs, ...]
    """The numbers of the epochs before."""
    arrays: Arrays


@dataclass(frozen=True, slots=True)
class CheckpointManager:
    """The checkpoints in the folder of a run. `fingerprint` tells what is trained, and how."""

    run_dir: SandboxPath
    fingerprint: str = ""
    workers: WorkerGroup = SINGLE_WORKER
    """Of several workers the chief alone writes and reads."""

    def commit(self, checkpoint: Checkpoint) -> Path:
        """Keep a checkpoint; where one of that position is there and whole, it stays.

        Raises:
            NotFiniteError: if a weight is NaN or infinite.
            RunError: if what was written does not read back.
            OSError: if the disk is full or fails. The older checkpoints are still there.
        """
        non_finite = first_non_finite(checkpoint.arrays)
        if non_finite is not None:
            raise NotFiniteError(non_finite)
        directory = self._directory.joinpath(_name(checkpoint.position))
        if not self.workers.is_chief:
            return directory.path
        if directory.is_dir() and _find_damage(directory) is None:
            return directory.path
        self._write(directory, checkpoint)
        damage = _find_damage(directory)
        if damage is not None:
            raise RunError(f"the checkpoint {directory.path.name} did not read back: {damage}")
        self._delete_old()
        return directory.path

    def latest(self, log: Callable[[str], None]) -> Checkpoint | None:
        """The newest checkpoint that is whole; those that are not are reported and left.

        Raises:
            RunError: if it is of another blueprint or recipe, or the folder cannot be read.
        """
        checkpoint = self._read_latest(log) if self.workers.is_chief else None
        if self.workers.count == 1:
            return checkpoint
        return _deserialize(
            self.workers.broadcast(b"" if checkpoint is None else _serialize(checkpoint))
        )

    def _read_latest(self, log: Callable[[str], None]) -> Checkpoint | None:
        try:
            directories = self._list_complete()
        except OSError as error:
            name = quote(str(self._directory.path), 200)
            raise RunError(f"cannot read {name}: {os_error_reason(error)}") from error
        for directory in reversed(directories):
            damage = _find_damage(directory)
            if damage is None:
                try:
                    return self._read(directory)
                except OSError as error:
                    damage = os_error_reason(error)
                except ValueError as error:
                    damage = str(error)
            log(f"the checkpoint {directory.path.name} is damaged and left out: {damage}")
        return None

    @property
    def _directory(self) -> SandboxPath:
        return self.run_dir.joinpath(CHECKPOINTS_DIR)

    def _list_complete(self) -> list[SandboxPath]:
        """Those that are complete, the newest last."""
        if self._directory.status() is None:
            return []
        return [
            self._directory.joinpath(name)
            for name in self._directory.list_names()
            if _DIRECTORY_NAME.fullmatch(name)
        ]

    def _write(self, directory: SandboxPath, checkpoint: Checkpoint) -> None:
        temp_dir = directory.with_name(directory.path.name + TEMP_SUFFIX)
        directory.parent.make_directory(exist_ok=True)
        for stale in (temp_dir, directory):
            stale.remove()
        temp_dir.make_directory()
        try:
            progress = {**_progress_fields(checkpoint), "fingerprint": self.fingerprint}
            contents = {
                _VARIABLES: save(dict(checkpoint.arrays)),
                _PROGRESS: json.dumps(progress).encode("utf-8"),
            }
            digests = {name: hashlib.sha256(each).hexdigest() for name, each in contents.items()}
            contents[_MANIFEST] = json.dumps({"sha256": digests}, indent=2).encode("utf-8")
            for name, content in contents.items():
                with temp_dir.joinpath(name).create() as file:
                    file.write(content)
            temp_dir.sync()
        except OSError:
            temp_dir.remove()
            raise
        temp_dir.rename(directory.path.name)

    def _read(self, directory: SandboxPath) -> Checkpoint:
        progress = JsonObject.read(directory.joinpath(_PROGRESS))
        if progress.text("fingerprint") != self.fingerprint:
            raise RunError(
                f"the checkpoint {directory.path.name} is of another blueprint or recipe than"
                " the run"
                " has now; a run goes on with what it began with"
            )
        checkpoint = _parse_checkpoint(progress, _read_arrays(directory.joinpath(_VARIABLES)))
        if _name(checkpoint.position) != directory.path.name:
            raise JsonError(f"{_PROGRESS} tells of another position")
        return checkpoint

    def _delete_old(self) -> None:
        for directory in self._list_complete()[:-_KEEP_LAST]:
            directory.remove()


def _name(position: TrainingPosition) -> str:
    return f"epoch-{position.epoch:05}-batch-{position.batch:07}"


def _serialize(checkpoint: Checkpoint) -> bytes:
    progress = _progress_fields(checkpoint)
    return json.dumps(progress).encode() + b"\n" + save(dict(checkpoint.arrays))


def _deserialize(content: bytes) -> Checkpoint | None:
    if not content:
        return None
    header, _, arrays = content.partition(b"\n")
    return _parse_checkpoint(JsonObject.parse(header), load(arrays))


def _progress_fields(checkpoint: Checkpoint) -> dict[str, PlainData]:
    position = checkpoint.position
    return {
        "epoch": position.epoch,
        "batch": position.batch,
        "rows": [dict(row) for row in checkpoint.history],
    }


def _parse_checkpoint(progress: JsonObject, arrays: Arrays) -> Checkpoint:
    """A checkpoint from its parts.

    Raises:
        JsonError: if the progress is none that a run can have.
    """
    position = TrainingPosition(progress.count("epoch"), progress.count("batch"))
    history = tuple(
        _parse_epoch_logs(each, number) for number, each in enumerate(progress.objects("rows"), 1)
    )
    if any(not row.keys() <= history[0].keys() for row in history):
        raise JsonError("its epochs have different numbers")
    if len(history) != position.epoch:
        raise JsonError(
            f"it has the numbers of {len(history)} epochs, and is of epoch {position.epoch}"
        )
    return Checkpoint(position, history, arrays)


def _read_arrays(file: SandboxPath) -> Arrays:
    """The arrays in a file.

    Raises:
        OSError: if it cannot be opened.
        ValueError: if it has something else.
    """
    with file.open_descriptor() as descriptor:
        try:
            # The library opens files by their path alone.
            return load_file(f"/dev/fd/{descriptor}")
        # It says so of types that numpy does not have (safetensors 0.8).
        except (SafetensorError, AttributeError, TypeError) as error:
            raise ValueError(f"{file.path.name} cannot be read: {error}") from error


def _parse_epoch_logs(fields: JsonObject, epoch: int) -> EpochLogs:
    logs = fields.numbers()
    if logs.get("epoch") != epoch:
        raise JsonError(f"the field '{fields.name}.epoch' is not {epoch}")
    return logs


def _find_damage(directory: SandboxPath) -> str | None:
    """What is wrong with a checkpoint; None where it is as it was written."""
    file = directory.joinpath(_MANIFEST)
    try:
        digests = JsonObject.read(file).object("sha256")
        for name in (_VARIABLES, _PROGRESS):
            file = directory.joinpath(name)
            if _sha256(file) != digests.text(name):
                return f"{name} is not what was written"
    except OSError as error:
        return f"{file.path.name}: {os_error_reason(error)}"
    except JsonError:
        return f"{_MANIFEST} is not what was written"
    return None


def _sha256(checkpoint_file: SandboxPath) -> str:
    with (
        checkpoint_file.open_descriptor() as descriptor,
        os.fdopen(os.dup(descriptor), "rb") as file,
    ):
        if os.fstat(descriptor).st_size > total_memory():
            raise OSError(errno.EFBIG, "it is too large")
        return hashlib.file_digest(file, "sha256").hexdigest()
