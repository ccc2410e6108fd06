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

from archbuilder.backend.memory import machine_bytes
from archbuilder.errors import RunError, shown
from archbuilder.json_files import JsonError, JsonObject
from archbuilder.places import PART, Place, reason
from archbuilder.training.peers import ALONE, Peers
from archbuilder.training.run import Row
from archbuilder.training.state import Arrays, NotFiniteError, not_finite
from archbuilder.tree import Plain

FOLDER: Final = "checkpoints"
_VARIABLES: Final = "variables.safetensors"
_PROGRESS: Final = "progress.json"
_MANIFEST: Final = "manifest.json"
_NAME: Final = re.compile(r"epoch-\d+-batch-\d+")
_KEPT: Final = 2


@dataclass(frozen=True, slots=True)
class Position:
    """How far a run is: whole epochs, and batches of the next one."""

    epoch: int = 0
    batch: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class Checkpoint:
    """What a run needs to go on as if it had not been stopped."""

    position: Position
    rows: tuple[Row, ...]
    """The numbers of the epochs before."""
    arrays: Arrays


@dataclass(frozen=True, slots=True)
class Checkpoints:
    """The checkpoints in the folder of a run. `fingerprint` tells what is trained, and how."""

    run: Place
    fingerprint: str = ""
    peers: Peers = ALONE
    """Of several workers the chief alone writes and reads."""

    def commit(self, checkpoint: Checkpoint) -> Path:
        """Keep a checkpoint; where one of that position is there and whole, it stays.

        Raises:
            NotFiniteError: if a weight is NaN or infinite.
            RunError: if what was written does not read back.
            OSError: if the disk is full or fails. The older checkpoints are still there.
        """
        broken = not_finite(checkpoint.arrays)
        if broken is not None:
            raise NotFiniteError(broken)
        place = self._folder.inside(_name(checkpoint.position))
        if not self.peers.chief:
            return place.path
        if place.is_directory() and _fault(place) is None:
            return place.path
        self._write(place, checkpoint)
        fault = _fault(place)
        if fault is not None:
            raise RunError(f"the checkpoint {place.path.name} did not read back: {fault}")
        self._prune()
        return place.path

    def newest(self, report: Callable[[str], None]) -> Checkpoint | None:
        """The newest checkpoint that is whole; those that are not are reported and left.

        Raises:
            RunError: if it is of another blueprint or recipe, or the folder cannot be read.
        """
        found = self._newest(report) if self.peers.chief else None
        if self.peers.count == 1:
            return found
        return _decoded(self.peers.told(b"" if found is None else _encoded(found)))

    def _newest(self, report: Callable[[str], None]) -> Checkpoint | None:
        try:
            places = self._all()
        except OSError as error:
            name = shown(str(self._folder.path), 200)
            raise RunError(f"cannot read {name}: {reason(error)}") from error
        for place in reversed(places):
            fault = _fault(place)
            if fault is None:
                try:
                    return self._read(place)
                except OSError as error:
                    fault = reason(error)
                except ValueError as error:
                    fault = str(error)
            report(f"the checkpoint {place.path.name} is damaged and left out: {fault}")
        return None

    @property
    def _folder(self) -> Place:
        return self.run.inside(FOLDER)

    def _all(self) -> list[Place]:
        """Those that are complete, the newest last."""
        if self._folder.status() is None:
            return []
        return [self._folder.inside(name) for name in self._folder.names() if _NAME.fullmatch(name)]

    def _write(self, place: Place, checkpoint: Checkpoint) -> None:
        part = place.beside(place.path.name + PART)
        place.parent.make_directory(exist_ok=True)
        for stale in (part, place):
            stale.remove()
        part.make_directory()
        try:
            progress = {**_progress(checkpoint), "fingerprint": self.fingerprint}
            contents = {
                _VARIABLES: save(dict(checkpoint.arrays)),
                _PROGRESS: json.dumps(progress).encode("utf-8"),
            }
            sums = {name: hashlib.sha256(each).hexdigest() for name, each in contents.items()}
            contents[_MANIFEST] = json.dumps({"sha256": sums}, indent=2).encode("utf-8")
            for name, content in contents.items():
                with part.inside(name).created() as file:
                    file.write(content)
            part.sync()
        except OSError:
            part.remove()
            raise
        part.rename(place.path.name)

    def _read(self, place: Place) -> Checkpoint:
        progress = JsonObject.read(place.inside(_PROGRESS))
        if progress.text("fingerprint") != self.fingerprint:
            raise RunError(
                f"the checkpoint {place.path.name} is of another blueprint or recipe than the run"
                " has now; a run goes on with what it began with"
            )
        checkpoint = _checkpoint(progress, _arrays(place.inside(_VARIABLES)))
        if _name(checkpoint.position) != place.path.name:
            raise JsonError(f"{_PROGRESS} tells of another position")
        return checkpoint

    def _prune(self) -> None:
        for place in self._all()[:-_KEPT]:
            place.remove()


def _name(position: Position) -> str:
    return f"epoch-{position.epoch:05}-batch-{position.batch:07}"


def _encoded(checkpoint: Checkpoint) -> bytes:
    progress = _progress(checkpoint)
    return json.dumps(progress).encode() + b"\n" + save(dict(checkpoint.arrays))


def _decoded(content: bytes) -> Checkpoint | None:
    if not content:
        return None
    head, _, arrays = content.partition(b"\n")
    return _checkpoint(JsonObject.parsed(head), load(arrays))


def _progress(checkpoint: Checkpoint) -> dict[str, Plain]:
    position = checkpoint.position
    return {
        "epoch": position.epoch,
        "batch": position.batch,
        "rows": [dict(row) for row in checkpoint.rows],
    }


def _checkpoint(progress: JsonObject, arrays: Arrays) -> Checkpoint:
    """A checkpoint from its parts.

    Raises:
        JsonError: if the progress is none that a run can have.
    """
    position = Position(progress.count("epoch"), progress.count("batch"))
    rows = tuple(_row(each, number) for number, each in enumerate(progress.objects("rows"), 1))
    if any(not row.keys() <= rows[0].keys() for row in rows):
        raise JsonError("its epochs have different numbers")
    if len(rows) != position.epoch:
        raise JsonError(
            f"it has the numbers of {len(rows)} epochs, and is of epoch {position.epoch}"
        )
    return Checkpoint(position, rows, arrays)


def _arrays(place: Place) -> Arrays:
    """The arrays in a file.

    Raises:
        OSError: if it cannot be opened.
        ValueError: if it has something else.
    """
    with place.opened() as descriptor:
        try:
            # The library opens files by their path alone.
            return load_file(f"/dev/fd/{descriptor}")
        # It says so of types that numpy does not have (safetensors 0.8).
        except (SafetensorError, AttributeError, TypeError) as error:
            raise ValueError(f"{place.path.name} cannot be read: {error}") from error


def _row(fields: JsonObject, epoch: int) -> Row:
    row = fields.numbers()
    if row.get("epoch") != epoch:
        raise JsonError(f"the field '{fields.name}.epoch' is not {epoch}")
    return row


def _fault(place: Place) -> str | None:
    """What is wrong with a checkpoint; None where it is as it was written."""
    file = place.inside(_MANIFEST)
    try:
        sums = JsonObject.read(file).object("sha256")
        for name in (_VARIABLES, _PROGRESS):
            file = place.inside(name)
            if _digest(file) != sums.text(name):
                return f"{name} is not what was written"
    except OSError as error:
        return f"{file.path.name}: {reason(error)}"
    except JsonError:
        return f"{_MANIFEST} is not what was written"
    return None


def _digest(place: Place) -> str:
    with place.opened() as descriptor, os.fdopen(os.dup(descriptor), "rb") as file:
        if os.fstat(descriptor).st_size > machine_bytes():
            raise OSError(errno.EFBIG, "it is too large")
        return hashlib.file_digest(file, "sha256").hexdigest()
