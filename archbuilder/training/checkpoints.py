"""The checkpoints of a run: folders that appear whole, prove themselves, and outlive their errors.

checkpoints/epoch-00002-batch-000120/
    variables.safetensors      everything that training changes
    progress.json              how far the run was, and the numbers of the epochs before
    manifest.json              the SHA-256 of both, written last

A checkpoint is written beside its place, brought to the disk, and renamed. Older ones stay until
the new one was read back.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from safetensors import SafetensorError
from safetensors.numpy import load, load_file, save, save_file

from archbuilder.errors import RunError
from archbuilder.training.peers import ALONE, Peers
from archbuilder.training.run import Row
from archbuilder.training.state import Arrays, NotFiniteError, not_finite
from archbuilder.tree import Plain

FOLDER: Final = "checkpoints"
_VARIABLES: Final = "variables.safetensors"
_PROGRESS: Final = "progress.json"
_MANIFEST: Final = "manifest.json"
_PART: Final = ".part"
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

    run: Path
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
        path = self._path(checkpoint.position)
        if not self.peers.chief:
            return path
        if path.is_dir() and _fault(path) is None:
            return path
        self._write(path, checkpoint)
        fault = _fault(path)
        if fault is not None:
            raise RunError(f"the checkpoint {path.name} did not read back: {fault}")
        self._prune()
        return path

    def newest(self, report: Callable[[str], None]) -> Checkpoint | None:
        """The newest checkpoint that is whole; those that are not are reported and left.

        Raises:
            RunError: if it is of another blueprint or recipe.
        """
        found = self._newest(report) if self.peers.chief else None
        if self.peers.count == 1:
            return found
        return _decoded(self.peers.told(b"" if found is None else _encoded(found)))

    def _newest(self, report: Callable[[str], None]) -> Checkpoint | None:
        for path in reversed(self._all()):
            fault = _fault(path)
            if fault is None:
                return self._read(path)
            report(f"the checkpoint {path.name} is damaged and left out: {fault}")
        return None

    def _path(self, position: Position) -> Path:
        return self.run / FOLDER / f"epoch-{position.epoch:05}-batch-{position.batch:07}"

    def _all(self) -> list[Path]:
        folder = self.run / FOLDER
        return sorted(path for path in folder.glob("epoch-*-batch-*") if path.suffix != _PART)

    def _write(self, path: Path, checkpoint: Checkpoint) -> None:
        part = path.with_name(path.name + _PART)
        path.parent.mkdir(exist_ok=True)
        for stale in (part, path):
            if stale.exists():
                shutil.rmtree(stale)
        part.mkdir()
        try:
            save_file(dict(checkpoint.arrays), part / _VARIABLES)
            progress = {**_progress(checkpoint), "fingerprint": self.fingerprint}
            (part / _PROGRESS).write_text(json.dumps(progress), encoding="utf-8")
            sums = {name: _digest(part / name) for name in (_VARIABLES, _PROGRESS)}
            (part / _MANIFEST).write_text(json.dumps({"sha256": sums}, indent=2), encoding="utf-8")
            for each in (*part.iterdir(), part):
                _to_disk(each)
        except SafetensorError as error:
            shutil.rmtree(part, ignore_errors=True)
            raise OSError(str(error)) from error
        except OSError:
            shutil.rmtree(part, ignore_errors=True)
            raise
        part.rename(path)
        _to_disk(path.parent)

    def _read(self, path: Path) -> Checkpoint:
        progress = json.loads((path / _PROGRESS).read_text(encoding="utf-8"))
        if progress["fingerprint"] != self.fingerprint:
            raise RunError(
                f"the checkpoint {path.name} is of another blueprint or recipe than the run has"
                " now; a run goes on with what it began with"
            )
        return _checkpoint(progress, load_file(path / _VARIABLES))

    def _prune(self) -> None:
        for path in self._all()[:-_KEPT]:
            shutil.rmtree(path)


def _encoded(checkpoint: Checkpoint) -> bytes:
    progress = _progress(checkpoint)
    return json.dumps(progress).encode() + b"\n" + save(dict(checkpoint.arrays))


def _decoded(content: bytes) -> Checkpoint | None:
    if not content:
        return None
    head, _, arrays = content.partition(b"\n")
    return _checkpoint(json.loads(head), load(arrays))


def _progress(checkpoint: Checkpoint) -> dict[str, Plain]:
    position = checkpoint.position
    return {
        "epoch": position.epoch,
        "batch": position.batch,
        "rows": [dict(row) for row in checkpoint.rows],
    }


def _checkpoint(progress: Mapping[str, Any], arrays: Arrays) -> Checkpoint:
    position = Position(progress["epoch"], progress["batch"])
    return Checkpoint(position, tuple(progress["rows"]), arrays)


def _fault(path: Path) -> str | None:
    """What is wrong with a checkpoint; None where it is as it was written."""
    try:
        manifest = json.loads((path / _MANIFEST).read_text(encoding="utf-8"))
        sums = {name: manifest["sha256"][name] for name in (_VARIABLES, _PROGRESS)}
        for name, digest in sums.items():
            if _digest(path / name) != digest:
                return f"{name} is not what was written"
    except OSError as error:
        return f"{Path(error.filename or path).name}: {error.strerror or error}"
    except (ValueError, KeyError, TypeError):
        return f"{_MANIFEST} is not what was written"
    return None


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _to_disk(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
