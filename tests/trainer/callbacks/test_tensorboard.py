"""Logs, pictures and bars of a run."""

from __future__ import annotations

import os
import pty
import select
import sys
from functools import partial
from pathlib import Path

import pytest
import tensorflow as tf
from helpers.objectives import RIDGE, SUPERVISED
from helpers.subprocesses import CommandProcess, start
from trainer.test_execution import rows, trained

from archbuilder.cli import main
from archbuilder.trainer.callbacks.progress_bar import format_bar


def logged(run: Path, split: str) -> list[tuple[int, str, float]]:
    """What TensorBoard would read: epochs, names and numbers."""
    values = []
    for file in sorted((run / "tensorboard" / split).iterdir()):
        for record in tf.data.TFRecordDataset([str(file)]):
            event = tf.compat.v1.Event.FromString(record.numpy())
            values += [
                (event.step, value.tag, float(tf.make_ndarray(value.tensor)))
                for value in event.summary.value
            ]
    return values


def test_tensorboard_logs_and_curves(tmp_path: Path):
    """Every epoch is logged once, also where the run goes on, and drawn at the end."""
    run = trained(tmp_path, SUPERVISED, "run", "--epochs", "1")
    assert main(["train", "--resume", str(run), "--epochs", "3"]) == 0
    for split, prefix in (("train", ""), ("validation", "val_")):
        values = logged(run, split)
        assert [step for step, name, _ in values if name == "loss"] == [1, 2, 3]
        for step, name, value in values:
            assert value == pytest.approx(rows(run)[step - 1][prefix + name], rel=1e-6)
    picture = tf.io.decode_png((run / "curves.png").read_bytes())
    height, width, _ = picture.shape
    assert (height, width) == (400, 1000), "two numbers side by side"
    assert len(tf.unique(tf.reshape(tf.cast(picture[..., 0], tf.int32), [-1])).y) > 10


def test_curves_without_epochs(tmp_path: Path):
    """Ridge has one row of numbers, and a picture of it."""
    run = trained(tmp_path, RIDGE, "run")
    assert (run / "curves.png").is_file()
    assert not (run / "tensorboard").exists()


def test_progress_bar():
    """It tells the epoch, the share and the time."""
    assert (
        format_bar(3, 12, 0.25, 42.3) == "Epoch  3/12  [######                  ]   25%  ETA 0:42"
    )
    assert format_bar(1, 1, 1, 7322).endswith("100%  ETA 2:02:02")


def command(tmp_path: Path) -> list[str]:
    path = tmp_path / "net.yaml"
    path.write_text(SUPERVISED.replace("training:", "training:\n  checkpoint_every_seconds: 0"))
    return ["train", str(path), "--run-dir", str(tmp_path / "run"), "--epochs", "2"]


def speak_to(terminal: str) -> None:
    """Make a terminal the input and both outputs of this process."""
    opened = os.open(terminal, os.O_RDWR)
    for number in range(3):
        os.dup2(opened, number)
    # The streams of the process were made for files.
    sys.stdout, sys.stderr = (open(number, "w", closefd=False) for number in (1, 2))  # noqa: SIM115


def test_progress_on_a_terminal(tmp_path: Path):
    """The bar goes away before each line that stays."""
    reader, writer = pty.openpty()
    process = CommandProcess(
        [command(tmp_path)],
        environment={"TERM": "xterm"},
        prepare=partial(speak_to, os.ttyname(writer)),
    )
    output = b""
    while process.is_alive or select.select([reader], [], [], 0)[0]:
        if select.select([reader], [], [], 0.1)[0]:
            output += os.read(reader, 4096)
    os.close(reader)
    os.close(writer)
    text = output.decode()
    assert process.wait() == 0, process.log + text
    assert "\r\x1b[KEpoch 1/2  [" in text
    assert "ETA " in text
    for line in ("Epoch 1/2 - ", "Epoch 2/2 - ", "Saved "):
        assert f"\n{line}" in text or f"\x1b[K{line}" in text


def test_progress_without_a_terminal(tmp_path: Path):
    """In a file there are plain lines alone."""
    process = start(*command(tmp_path))
    assert process.wait() == 0
    assert "Saved " in process.output
    assert "\r" not in process.log
    assert "ETA" not in process.log
