"""A run whose disk is full says so, saves nothing broken, and goes on when there is room."""

from __future__ import annotations

import json
import resource
import signal
from pathlib import Path

import pytest
from helpers.objectives import SUPERVISED
from helpers.subprocesses import CommandProcess
from trainer.test_execution import assert_same, trained, with_key

from archbuilder.cli import main

TEXT = with_key(SUPERVISED, "checkpoint_every_seconds: 0")


def _small_files() -> None:
    """Files of this process end at some kilobytes, as on a full disk."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))


def test_full_disk_during_training(tmp_path: Path, capfd: pytest.CaptureFixture[str]):
    """Trained without a checkpoint, the model cannot be saved; later everything is as it should."""
    uninterrupted = trained(tmp_path, TEXT, "whole", "--epochs", "2")
    run = tmp_path / "run"
    command = ["train", str(tmp_path / "whole.yaml"), "--run-dir", str(run), "--epochs", "2"]
    process = CommandProcess([command], prepare=_small_files)
    assert process.wait() == 1
    assert "cannot write a checkpoint" in process.output
    assert "net.keras': File too large" in process.errors
    assert "Saved " not in process.output
    assert not (run / "net.keras").exists()
    assert json.loads((run / "run.json").read_text())["status"] == "failed"
    capfd.readouterr()
    assert main(["train", "--resume", str(run)]) == 0
    assert "Saved " in capfd.readouterr().out
    assert_same(run, uninterrupted)
