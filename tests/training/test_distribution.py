"""The same weights on any number of replicas and processes, for every objective."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from safetensors.numpy import load_file
from training.objectives import BLUEPRINTS, WITHOUT_CHANCE, write_data
from training.running import in_replicas, in_workers

from archbuilder.cli import main

BATCH = {
    "supervised": 41,
    "ridge": 71,
    "adversarial": 66,
    "simclr": 70,
    "moco": 70,
    "causal": 26,
    "masked": 9,
}
"""Sizes that neither two nor four replicas share evenly, some of them at the end alone.

The last batch of `supervised` has fewer examples than there are replicas.
"""
STEPS = """
archbuilder: 1
name: net
inputs: {tokens: {shape: [6], dtype: int32}}
layers:
  - Embedding: {input_dim: 5, output_dim: 3, mask_zero: true}
  - SimpleRNN: {units: 8, return_sequences: true}
  - Dense: {units: 3, activation: softmax}
data: {npz: {file: steps.npz}}
training:
  loss: SparseCategoricalCrossentropy
  optimizer: {SGD: 0.5}
  metrics: [SparseCategoricalAccuracy]
"""
EVERYTHING = {**BLUEPRINTS, "steps": STEPS}
"""The objectives, and a target for every step of sequences of different lengths."""


def command(folder: Path, objective: str, way: str) -> list[str]:
    settings = [part for each in WITHOUT_CHANCE.get(objective, ()) for part in ("--set", each)]
    size = ["--batch-size", str(BATCH.get(objective, 15))]
    path, run = folder / f"{objective}.yaml", folder / f"{objective}-{way}"
    epochs = [] if objective == "ridge" else ["--epochs", "2" if objective == "masked" else "1"]
    return ["train", str(path), *settings, *size, *epochs, "--run", str(run)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A blueprint for every objective, and its data."""
    path = tmp_path_factory.mktemp("equal")
    write_data(path)
    numbers = np.random.default_rng(0)
    tokens = numbers.integers(1, 5, (50, 6))
    tokens[np.arange(6) >= numbers.integers(1, 7, (50, 1))] = 0
    np.savez(path / "steps.npz", x=tokens, y=tokens % 3)
    for objective, text in EVERYTHING.items():
        (path / f"{objective}.yaml").write_text(text)
    return path


@pytest.fixture(scope="module", params=[2, pytest.param(4, marks=pytest.mark.thorough)])
def mirrored(folder: Path, request: pytest.FixtureRequest) -> str:
    """Every objective trained by so many replicas."""
    way = f"mirrored-{request.param}"
    in_replicas(
        request.param,
        [[*command(folder, each, way), "--distribute", "mirrored"] for each in EVERYTHING],
    )
    return way


@pytest.fixture(scope="module")
def workers(folder: Path) -> str:
    """Every objective trained by two processes."""
    way = "workers"
    in_workers(2, [command(folder, objective, way) for objective in EVERYTHING])
    return way


def weights(run: Path) -> dict[str, NDArray[np.generic]]:
    if not (run / "checkpoints").is_dir():
        import keras

        model = keras.saving.load_model(run / "net.keras")
        return {str(n): np.asarray(each) for n, each in enumerate(model.weights)}
    arrays = load_file(max((run / "checkpoints").iterdir()) / "variables.safetensors")
    return {
        name: array
        for name, array in arrays.items()
        if name.startswith("network") and array.dtype.kind == "f"
    }


def assert_same(folder: Path, objective: str, way: str) -> None:
    """The same as on one device: weights to 1e-5 of the largest of each array, and numbers."""
    if not (folder / f"{objective}-alone").exists():
        assert main([*command(folder, objective, "alone"), "--distribute", "none"]) == 0
    run, alone = (folder / f"{objective}-{each}" for each in (way, "alone"))
    arrays = weights(run)
    for name, array in weights(alone).items():
        assert np.abs(arrays[name] - array).max() <= 1e-5 * max(np.abs(array).max(), 0.1), name
    rows, others = (
        [json.loads(line) for line in (each / "history.jsonl").read_text().splitlines()]
        for each in (run, alone)
    )
    for row, other in zip(rows, others, strict=True):
        for name in other.keys() - {"seconds"}:
            assert row[name] == pytest.approx(other[name], rel=1e-3), name


@pytest.mark.parametrize("objective", EVERYTHING)
def test_replicas(folder: Path, mirrored: str, objective: str):
    """Two and four replicas that share each batch come to the weights of one."""
    assert_same(folder, objective, mirrored)


@pytest.mark.parametrize("objective", EVERYTHING)
def test_processes(folder: Path, workers: str, objective: str):
    """So do two processes."""
    assert_same(folder, objective, workers)


def test_the_command(folder: Path, monkeypatch: pytest.MonkeyPatch):
    """`--workers` starts the processes, and the first of them says who it is."""
    monkeypatch.delenv("TF_CONFIG", raising=False)
    arguments = [*command(folder, "supervised", "command"), "--workers", "2"]
    done = subprocess.run(
        [sys.executable, "-m", "archbuilder", *arguments],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "worker 1 of 2" in done.stdout
    assert_same(folder, "supervised", "command")
