"""Checkpoints appear whole, prove themselves, and never cost an older one."""

from __future__ import annotations

import errno
import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path

import ml_dtypes
import numpy as np
import pytest
from helpers.hostile_files import HOSTILE, Hostile

from archbuilder.data.position import TrainingPosition
from archbuilder.diagnostics.errors import RunError
from archbuilder.files.sandbox import SandboxPath
from archbuilder.runs.checkpoint_manager import CHECKPOINTS_DIR, Checkpoint, CheckpointManager

ROWS = ({"epoch": 1, "loss": 0.5},)


def checkpoint(
    batch: int = 0, *, weight: float = 1.0, dtype: type[np.generic] = np.float32
) -> Checkpoint:
    arrays = {"network.00000.dense": np.full((3, 2), weight, dtype)}
    return Checkpoint(TrainingPosition(1, batch), ROWS, arrays)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in (folder / CHECKPOINTS_DIR).iterdir())


def test_latest_checkpoint(tmp_path: Path):
    """Position, rows and arrays are those of the last save, and two are kept."""
    manager = CheckpointManager(SandboxPath(tmp_path))
    for batch in range(4):
        manager.save(checkpoint(batch, weight=batch))
    assert names(tmp_path) == ["epoch-00001-batch-0000002", "epoch-00001-batch-0000003"]
    latest = manager.latest(pytest.fail)
    assert latest is not None
    assert (latest.position, latest.history) == (TrainingPosition(1, 3), ROWS)
    assert (latest.arrays["network.00000.dense"] == 3).all()


def test_no_checkpoint(tmp_path: Path):
    """A new run has no checkpoint."""
    assert CheckpointManager(SandboxPath(tmp_path)).latest(pytest.fail) is None


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


@pytest.mark.parametrize("damage", [flip, cut, Path.unlink])
@pytest.mark.parametrize("file", ["variables.safetensors", "progress.json", "manifest.json"])
def test_corrupt_checkpoint_is_skipped(tmp_path: Path, damage: Callable[[Path], None], file: str):
    """The one before it is taken, and the user is told which was damaged."""
    manager = CheckpointManager(SandboxPath(tmp_path))
    manager.save(checkpoint(1))
    damage(manager.save(checkpoint(2)) / file)
    lines: list[str] = []
    latest = manager.latest(lines.append)
    assert latest is not None
    assert latest.position == TrainingPosition(1, 1)
    assert "skipped damaged checkpoint epoch-00001-batch-0000002: " in lines[0]


def test_corrupt_checkpoint_is_replaced(tmp_path: Path):
    """A run that comes to the same position again replaces what is damaged there."""
    manager = CheckpointManager(SandboxPath(tmp_path))
    path = manager.save(checkpoint(1))
    flip(path / "variables.safetensors")
    manager.save(checkpoint(1))
    latest = manager.latest(pytest.fail)
    assert latest is not None
    assert latest.position == TrainingPosition(1, 1)


@pytest.mark.parametrize("operation", ["fsync", "rename", "mkdir"])
def test_full_disk_keeps_the_previous_checkpoint(
    tmp_path: Path, operation: str, monkeypatch: pytest.MonkeyPatch
):
    """Whichever operation fails, the checkpoint before stays and nothing half-made counts."""
    manager = CheckpointManager(SandboxPath(tmp_path))
    manager.save(checkpoint(1))

    def fail(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, operation, fail)
        with pytest.raises(OSError, match="No space left"):
            manager.save(checkpoint(2))
    latest = manager.latest(pytest.fail)
    assert latest is not None
    assert latest.position == TrainingPosition(1, 1)
    manager.save(checkpoint(2))
    assert names(tmp_path) == ["epoch-00001-batch-0000001", "epoch-00001-batch-0000002"]


@pytest.mark.parametrize("weight", [np.nan, np.inf])
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, ml_dtypes.bfloat16])
def test_nonfinite_weights_are_not_saved(tmp_path: Path, weight: float, dtype: type[np.generic]):
    """A network that has diverged never replaces one that has not, in any floating dtype."""
    with pytest.raises(RunError, match="NaN or infinite"):
        CheckpointManager(SandboxPath(tmp_path)).save(checkpoint(weight=weight, dtype=dtype))
    assert not (tmp_path / CHECKPOINTS_DIR).exists()


def test_checkpoint_of_another_run_is_refused(tmp_path: Path):
    """What was trained in another way is not gone on from."""
    CheckpointManager(SandboxPath(tmp_path), "one").save(checkpoint())
    with pytest.raises(RunError, match="another blueprint or recipe"):
        CheckpointManager(SandboxPath(tmp_path), "two").latest(pytest.fail)


def test_manifest_checksums(tmp_path: Path):
    """Sums of both files, as sha256sum prints them."""
    path = CheckpointManager(SandboxPath(tmp_path)).save(checkpoint())
    sums = json.loads((path / "manifest.json").read_text())["sha256"]
    assert sorted(sums) == ["progress.json", "variables.safetensors"]
    assert all(len(digest) == 64 for digest in sums.values())


def seal(path: Path, name: str) -> None:
    """Bring a checkpoint to this name, with a manifest that fits what it has."""
    sums = {
        each: hashlib.sha256((path / each).read_bytes()).hexdigest()
        for each in ("variables.safetensors", "progress.json")
    }
    (path / "manifest.json").write_text(json.dumps({"sha256": sums}))
    path.rename(path.with_name(name))


def fault(manager: CheckpointManager) -> str:
    """What is told of the newest checkpoint, in whose place an older one is taken."""
    lines: list[str] = []
    checkpoint = manager.latest(lines.append)
    assert checkpoint is not None
    assert checkpoint.position == TrainingPosition(1, 1)
    (line,) = lines
    return line


@pytest.mark.parametrize("hostile", HOSTILE)
@pytest.mark.parametrize("file", ["variables.safetensors", "progress.json", "manifest.json"])
def test_special_files_are_not_read(tmp_path: Path, file: str, hostile: Hostile):
    """Links, pipes and devices count as damage, and nothing waits for them."""
    manager = CheckpointManager(SandboxPath(tmp_path / "run"))
    (tmp_path / "run").mkdir()
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "file").write_text("secret")
    manager.save(checkpoint(1))
    path = manager.save(checkpoint(2))
    (path / file).unlink()
    hostile(path / file, tmp_path / "other")
    assert f"skipped damaged checkpoint {path.name}: {file}: " in fault(manager)
    manager.save(checkpoint(2))
    assert manager.latest(pytest.fail) is not None
    assert (tmp_path / "other" / "file").read_text() == "secret"


def test_control_characters_in_a_safetensors_header(tmp_path: Path):
    """What safetensors quotes of a damaged header is escaped before it reaches a terminal."""
    manager = CheckpointManager(SandboxPath(tmp_path))
    manager.save(checkpoint(1))
    path = manager.save(checkpoint(2))
    file = path / "variables.safetensors"
    file.write_bytes(file.read_bytes().replace(b'"F32"', b'"F\x7f2"'))
    seal(path, path.name)
    assert "\x7f" not in fault(manager)
    assert "\\x7f" in fault(manager)


@pytest.mark.parametrize(
    "name", [CHECKPOINTS_DIR, f"{CHECKPOINTS_DIR}/epoch-00001-batch-0000001.part"]
)
def test_symlinked_checkpoint_directories(tmp_path: Path, name: str):
    """Nothing is written or removed where they lead."""
    (tmp_path / "run" / "checkpoints").mkdir(parents=True)
    (tmp_path / "other" / "epoch-00001-batch-0000001").mkdir(parents=True)
    manager = CheckpointManager(SandboxPath(tmp_path / "run"))
    if name == CHECKPOINTS_DIR:
        (tmp_path / "run" / "checkpoints").rmdir()
    (tmp_path / "run" / name).symlink_to(tmp_path / "other")
    if name == CHECKPOINTS_DIR:
        with pytest.raises(OSError, match="links are not followed"):
            manager.save(checkpoint(1))
        with pytest.raises(RunError, match="links are not followed"):
            manager.latest(pytest.fail)
    else:
        manager.save(checkpoint(1))
    assert [each.name for each in (tmp_path / "other").iterdir()] == ["epoch-00001-batch-0000001"]


@pytest.mark.parametrize(
    ("change", "name", "message"),
    [
        ({"batch": -5}, None, "the field 'batch' is -5, not an integer of at least 0"),
        ({"batch": 3}, None, "has another position"),
        ({"batch": 1.5}, None, "the field 'batch' is 1.5"),
        ({"epoch": 7}, "epoch-00007-batch-0000002", "its history has 1 epochs"),
        ({"epoch": "1"}, None, "the field 'epoch' is '1'"),
        ({"history": None}, None, "the field 'history' is missing"),
        ({"history": [[1]]}, None, "the field 'history[0]' is list, not an object"),
        ({"history": [{"epoch": 1, "loss": "low"}]}, None, "the field 'history[0].loss' is 'low'"),
        ({"history": [{"epoch": 2}]}, None, "the field 'history[0].epoch' is not 1"),
        ({"fingerprint": None}, None, "the field 'fingerprint' is missing"),
    ],
)
def test_invalid_progress(
    tmp_path: Path, change: dict[str, object], name: str | None, message: str
):
    """The sums of the checkpoint are right, and what it says is not."""
    manager = CheckpointManager(SandboxPath(tmp_path))
    manager.save(checkpoint(1))
    path = manager.save(checkpoint(2))
    progress = json.loads((path / "progress.json").read_text())
    (path / "progress.json").write_text(json.dumps({**progress, **change}))
    seal(path, name or path.name)
    assert message in fault(manager)


@pytest.mark.parametrize(
    "header",
    [
        b"[" * 1_000,
        b'{"a": {"dtype": "F8_E4M3", "shape": [8], "data_offsets": [0, 8]}}',
        b'{"a": {"dtype": "F32", "shape": [99], "data_offsets": [0, 8]}}',
    ],
)
def test_invalid_arrays(tmp_path: Path, header: bytes):
    """The sums of the checkpoint are right, and the file of arrays is damaged."""
    manager = CheckpointManager(SandboxPath(tmp_path))
    manager.save(checkpoint(1))
    path = manager.save(checkpoint(2))
    content = len(header).to_bytes(8, "little") + header + b"\0" * 8
    (path / "variables.safetensors").write_bytes(content)
    seal(path, path.name)
    assert "variables.safetensors cannot be read" in fault(manager)
