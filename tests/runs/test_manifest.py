"""What the folder of a run tells of how it was begun, gone on with, and failed."""

from __future__ import annotations

import errno
import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from helpers.objectives import GAN, SUPERVISED
from trainer.test_execution import LINE, trained, with_key

from archbuilder.cli import main
from archbuilder.config.objectives import RidgeConfig
from archbuilder.config.sources import DataConfig, Digits
from archbuilder.config.training import TrainingConfig
from archbuilder.diagnostics.errors import RunError, RunInterruptedError
from archbuilder.runs.manifest import RunManifest, RunProvenance
from archbuilder.runs.run_dir import RunDir
from archbuilder.trainer.callbacks.nan_batch_dump import dump_nan_batch


def record(run: Path) -> dict[str, object]:
    content: dict[str, object] = json.loads((run / "run.json").read_text())
    return content


def test_resume_keeps_the_first_command(tmp_path: Path):
    """The first command and time stay; later ones are added."""
    run = trained(tmp_path, SUPERVISED, "run", "--epochs", "1")
    first = record(run)
    for epochs in ("2", "3"):
        assert main(["train", "--resume", str(run), "--epochs", epochs]) == 0
    last = record(run)
    assert (last["started"], last["command"]) == (first["started"], first["command"])
    resumed = last["resumes"]
    assert isinstance(resumed, list)
    assert [each["command"][-1] for each in resumed] == ["2", "3"]
    assert first["resumes"] == []


def test_changed_data_is_refused(tmp_path: Path, capfd: pytest.CaptureFixture[str]):
    """A run goes on with the data that it began with, and is told so every time."""
    data = tmp_path / "line.csv"
    text = "number,target\n" + "".join(f"{number},0.5\n" for number in range(1, 9))
    data.write_text(text)
    run = trained(tmp_path, LINE, "run", "--epochs", "1")
    go_on = ["train", "--resume", str(run), "--epochs", "2"]
    for changed in (text.replace("8,0.5\n", ""), text.replace("3,0.5", "3,0.6")):
        data.write_text(changed)
        for _ in range(2):
            assert main(go_on) == 1
            assert "the data has changed since the run started" in capfd.readouterr().err
    data.write_text(text)
    assert main(go_on) == 0


def test_resume_without_checkpoint(tmp_path: Path, capfd: pytest.CaptureFixture[str]):
    """It cannot go on from anywhere."""
    run = trained(tmp_path, SUPERVISED, "run", "--epochs", "1")
    assert "No checkpoint" not in capfd.readouterr().out
    shutil.rmtree(run / "checkpoints")
    assert main(["train", "--resume", str(run), "--epochs", "1"]) == 0
    assert "No checkpoint: starting from scratch" in capfd.readouterr().out


@pytest.mark.parametrize("existing", [False, True])
def test_failed_start_leaves_no_directory(tmp_path: Path, existing: bool):
    """A wrong path of the data, found when the folder is there already."""
    path, run = tmp_path / "net.yaml", tmp_path / "runs" / "one"
    path.write_text(LINE)
    if existing:
        run.mkdir(parents=True)
    assert main(["train", str(path), "--run-dir", str(run)]) in (1, 2)
    assert not run.exists()


def test_failed_first_step_leaves_no_directory(tmp_path: Path, capfd: pytest.CaptureFixture[str]):
    """The network can be built, but Keras does not compute it."""
    path, run = tmp_path / "net.yaml", tmp_path / "run"
    path.write_text(SUPERVISED.replace("{L2: 1e-3}", "OrthogonalRegularizer"))
    assert main(["train", str(path), "--run-dir", str(run)]) in (1, 2)
    assert "OrthogonalRegularizer" in capfd.readouterr().err
    assert not run.exists()


@pytest.mark.parametrize("free_bytes", [0, 1, 2])
def test_full_disk_at_start_leaves_no_directory(
    tmp_path: Path,
    free_bytes: int,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
):
    """Whichever file of the run is the first that there is no room for."""
    path, run = tmp_path / "net.yaml", tmp_path / "run"
    path.write_text(SUPERVISED)
    left = iter(range(free_bytes))

    def fsync(_descriptor: int) -> None:
        if next(left, None) is None:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", fsync)
    assert main(["train", str(path), "--run-dir", str(run)]) == 1
    assert "No space left on device" in capfd.readouterr().err
    assert not run.exists()


def test_nan_batch_is_saved(tmp_path: Path, capfd: pytest.CaptureFixture[str]):
    """It holds the number that was too large, and its target."""
    lines = "".join(f"{number},0.5\n" for number in (*range(1, 9), "3e30"))
    (tmp_path / "line.csv").write_text(f"number,target\n{lines}")
    path, run = tmp_path / "net.yaml", tmp_path / "run"
    path.write_text(with_key(LINE, "steps_per_execution: 2").replace("SGD: 0.1", "SGD: 1e-3"))
    assert main(["train", str(path), "--run-dir", str(run)]) == 1
    assert f"see the batch in {str(run / 'nan_batch.npz')!r}" in capfd.readouterr().err
    with np.load(run / "nan_batch.npz") as arrays:
        assert set(arrays) == {"inputs", "targets"}
        assert np.float32(3e30) in arrays["inputs"]
        assert len(arrays["inputs"]) == len(arrays["targets"])


def test_nan_batch_of_a_gan(tmp_path: Path, capfd: pytest.CaptureFixture[str]):
    """Those of an objective are its columns, and what each update draws."""
    path, run = tmp_path / "net.yaml", tmp_path / "run"
    path.write_text(GAN.replace("1e-3", "1e38").replace("2e-3", "1e38"))
    assert main(["train", str(path), "--run-dir", str(run)]) == 1
    assert "(epoch 1, batch 1), first in 'real_score' (discriminator" in capfd.readouterr().err
    with np.load(run / "nan_batch.npz") as arrays:
        draws = {f"draws.{a}/{b}" for a in ("discriminator", "generator") for b in ("noise", "t")}
        assert set(arrays) == {"columns/image", *draws}


def test_nan_batch_of_bfloat16(tmp_path: Path):
    """It is written as float32, which numpy has."""
    dump_nan_batch(RunDir(tmp_path), (tf.constant([0.5, np.inf], tf.bfloat16), tf.constant([1])))
    with np.load(tmp_path / "nan_batch.npz") as arrays:
        assert (arrays["inputs"].dtype, arrays["targets"].dtype) == (np.float32, np.int32)
        assert arrays["inputs"].tolist() == [0.5, np.inf]


@pytest.fixture
def manifest(tmp_path: Path) -> RunManifest:
    """The manifest of a run that has just started."""
    training = TrainingConfig(RidgeConfig({}))
    return RunManifest(RunDir(tmp_path), DataConfig(Digits()), training, RunProvenance(), "a CPU")


@pytest.mark.parametrize(
    ("error", "status", "reason"),
    [
        (RunError("no data"), "failed", "no data"),
        (RunInterruptedError("SIGTERM"), "stopped", "SIGTERM"),
        (KeyboardInterrupt(), "interrupted", None),
        (ZeroDivisionError("division by zero"), "failed", "ZeroDivisionError: division by zero"),
        (MemoryError(), "failed", "MemoryError: "),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, BaseException) else None,
)
def test_exceptions_are_recorded(
    tmp_path: Path, manifest: RunManifest, error: BaseException, status: str, reason: str | None
):
    """Every exception is recorded, also one that archbuilder does not know."""
    with pytest.raises(type(error)), manifest.track_status():
        raise error
    content = record(tmp_path)
    assert (content["status"], content.get("reason")) == (status, reason)


@pytest.mark.parametrize("error", [RunError("no data"), KeyboardInterrupt(), ZeroDivisionError()])
def test_full_disk_does_not_hide_the_exception(
    manifest: RunManifest, error: BaseException, monkeypatch: pytest.MonkeyPatch
):
    """The exception that ended the run is raised, not the one of the disk."""

    def fail(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(type(error)) as raised, manifest.track_status():
        raise error
    assert raised.value is error
