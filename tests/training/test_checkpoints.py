"""Checkpoints appear whole, prove themselves, and never cost an older one."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from archbuilder.errors import RunError
from archbuilder.training.checkpoints import FOLDER, Checkpoint, Checkpoints, Position

ROWS = ({"epoch": 1, "loss": 0.5},)


def checkpoint(batch: int = 0, *, weight: float = 1.0) -> Checkpoint:
    arrays = {"network.00000.dense": np.full((3, 2), weight, np.float32)}
    return Checkpoint(Position(1, batch), ROWS, arrays)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in (folder / FOLDER).iterdir())


def test_the_newest_comes_back(tmp_path: Path):
    """Position, rows and arrays are those of the last commit, and two are kept."""
    kept = Checkpoints(tmp_path)
    for batch in range(4):
        kept.commit(checkpoint(batch, weight=batch))
    assert names(tmp_path) == ["epoch-00001-batch-0000002", "epoch-00001-batch-0000003"]
    found = kept.newest(pytest.fail)
    assert found is not None
    assert (found.position, found.rows) == (Position(1, 3), ROWS)
    assert (found.arrays["network.00000.dense"] == 3).all()


def test_none_is_there(tmp_path: Path):
    """A new run has no checkpoint."""
    assert Checkpoints(tmp_path).newest(pytest.fail) is None


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


@pytest.mark.parametrize("damage", [flip, cut, Path.unlink])
@pytest.mark.parametrize("file", ["variables.safetensors", "progress.json", "manifest.json"])
def test_a_damaged_one_is_left_out(tmp_path: Path, damage: Callable[[Path], None], file: str):
    """The one before it is taken, and the user is told which was damaged."""
    kept = Checkpoints(tmp_path)
    kept.commit(checkpoint(1))
    damage(kept.commit(checkpoint(2)) / file)
    lines: list[str] = []
    found = kept.newest(lines.append)
    assert found is not None
    assert found.position == Position(1, 1)
    assert "epoch-00001-batch-0000002 is damaged" in lines[0]


def test_a_damaged_one_is_written_anew(tmp_path: Path):
    """A run that comes to the same position again replaces what is damaged there."""
    kept = Checkpoints(tmp_path)
    path = kept.commit(checkpoint(1))
    flip(path / "variables.safetensors")
    kept.commit(checkpoint(1))
    found = kept.newest(pytest.fail)
    assert found is not None
    assert found.position == Position(1, 1)


@pytest.mark.parametrize("operation", ["fsync", "rename", "mkdir"])
def test_a_full_disk_costs_no_older_one(
    tmp_path: Path, operation: str, monkeypatch: pytest.MonkeyPatch
):
    """Whichever operation fails, the checkpoint before stays and nothing half-made counts."""
    kept = Checkpoints(tmp_path)
    kept.commit(checkpoint(1))

    def fail(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os if operation == "fsync" else Path, operation, fail)
        with pytest.raises(OSError, match="No space left"):
            kept.commit(checkpoint(2))
    found = kept.newest(pytest.fail)
    assert found is not None
    assert found.position == Position(1, 1)
    kept.commit(checkpoint(2))
    assert names(tmp_path) == ["epoch-00001-batch-0000001", "epoch-00001-batch-0000002"]


def test_weights_that_are_none_are_not_kept(tmp_path: Path):
    """A network that has diverged never replaces one that has not."""
    with pytest.raises(RunError, match="not finite"):
        Checkpoints(tmp_path).commit(checkpoint(weight=np.nan))
    assert not (tmp_path / FOLDER).exists()


def test_another_run_is_refused(tmp_path: Path):
    """What was trained in another way is not gone on from."""
    Checkpoints(tmp_path, "one").commit(checkpoint())
    with pytest.raises(RunError, match="another blueprint or recipe"):
        Checkpoints(tmp_path, "two").newest(pytest.fail)


def test_the_manifest_tells_what_is_there(tmp_path: Path):
    """Sums of both files, as sha256sum prints them."""
    path = Checkpoints(tmp_path).commit(checkpoint())
    sums = json.loads((path / "manifest.json").read_text())["sha256"]
    assert sorted(sums) == ["progress.json", "variables.safetensors"]
    assert all(len(digest) == 64 for digest in sums.values())
