"""Data that goes away while a network is trained on it."""

from __future__ import annotations

import json
import time
from pathlib import Path

import numpy as np
import pytest
from helpers.subprocesses import start
from PIL import Image

from archbuilder.cli import main

NET = """
archbuilder: 1
name: net
inputs: {image: [8, 8, 1]}
layers:
  - Flatten
  - Dense: {units: 2, activation: softmax}
data: {SOURCE}
training:
  {loss: SparseCategoricalCrossentropy, epochs: EPOCHS, batch_size: 4, checkpoint_every_seconds: 0}
"""
SOURCES = {
    "images": "images: pets",
    "npy": "npy: {inputs: x.npy, targets: y.npy}",
    "npz": "npz: {file: d.npz, cache: false}",
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    numbers = np.random.default_rng(0)
    x, y = numbers.integers(0, 255, (40, 8, 8), np.uint8), np.arange(40) % 2
    np.save(tmp_path / "x.npy", x)
    np.save(tmp_path / "y.npy", y)
    np.savez(tmp_path / "d.npz", x=x, y=y)
    for number, image in enumerate(x):
        path = tmp_path / "pets" / f"kind-{number % 2}" / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(path)
    return tmp_path


def epochs(run: Path) -> int:
    history = run / "history.jsonl"
    return len(history.read_text().splitlines()) if history.exists() else 0


def remove(folder: Path, source: str) -> None:
    if source == "images":
        for path in (folder / "pets" / "kind-0").iterdir():
            path.unlink()
    elif source == "npy":
        # A file that is only unlinked can still be read.
        (folder / "x.npy").write_bytes(b"")
    else:
        (folder / "d.npz").unlink()


@pytest.mark.slow
@pytest.mark.parametrize("source", SOURCES)
def test_removed_data_file_stops_a_resumable_run(folder: Path, source: str, capsys):
    """It stops with the name of the file; what was kept is there, and goes on when the data is.

    What has no order of its own, as a compressed archive, is read before the training begins, and
    may go away.
    """
    net, run = folder / "net.yaml", folder / "run"
    text = NET.replace("SOURCE", SOURCES[source])
    net.write_text(text.replace("EPOCHS", "100000" if source != "npz" else "60"))
    backup = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    process = start("train", net, "--run-dir", run)
    while epochs(run) < 2:
        assert process.is_alive, process.log
        time.sleep(0.05)
    remove(folder, source)
    code = process.wait()
    status = json.loads((run / "run.json").read_text())["status"]
    if source == "npz":
        assert (code, status) == (0, "finished")
        return
    assert (code, status) == (1, "failed")
    named = "kind-0/" if source == "images" else "x.npy' was truncated while it was in use"
    assert named in process.log
    assert "Traceback" not in process.log
    reached = epochs(run)
    for path, content in backup.items():
        path.write_bytes(content)
    assert main(["train", "--resume", str(run), "--epochs", str(reached + 1)]) == 0
    assert epochs(run) == reached + 1
    assert "Resuming " in capsys.readouterr().out
