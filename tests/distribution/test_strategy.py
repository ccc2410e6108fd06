"""The same weights on any number of replicas and processes, for every objective."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from helpers.one_device import EVERYTHING, blueprints, command, trained_alone
from helpers.subprocesses import in_replicas, in_workers
from numpy.typing import NDArray
from safetensors.numpy import load_file

SEVERAL = ("supervised",)
"""Those that take several steps at once, which takes replicas long to trace."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the runs of this module are put."""
    return tmp_path_factory.mktemp("equal")


@pytest.fixture(scope="module", params=[2, pytest.param(4, marks=pytest.mark.thorough)])
def mirrored(
    folder: Path, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Path:
    """Every objective trained by so many replicas."""
    runs = folder / f"mirrored-{request.param}"
    files = blueprints(tmp_path_factory)
    several = SEVERAL if request.param == 2 else EVERYTHING
    commands = [command(files, each, runs / each, several=each in several) for each in EVERYTHING]
    in_replicas(request.param, [[*each, "--distribute", "mirrored"] for each in commands])
    return runs


@pytest.fixture(scope="module")
def workers(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Every objective trained by two processes."""
    runs = folder / "workers"
    files = blueprints(tmp_path_factory)
    commands = [command(files, each, runs / each, several=each in SEVERAL) for each in EVERYTHING]
    in_workers(2, commands)
    return runs


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


def assert_same(run: Path, alone: Path) -> None:
    """The same as on one device: weights to 1e-5 of the largest of each array, and numbers."""
    arrays = weights(run)
    for name, array in weights(alone).items():
        assert np.abs(arrays[name] - array).max() <= 1e-5 * max(np.abs(array).max(), 0.1), name
    rows, others = (
        [json.loads(line) for line in (each / "history.jsonl").read_text().splitlines()]
        for each in (run, alone)
    )
    for row, expected_row in zip(rows, others, strict=True):
        for name in expected_row.keys() - {"seconds"}:
            assert row[name] == pytest.approx(expected_row[name], rel=1e-3), name


@pytest.mark.parametrize("objective", EVERYTHING)
def test_replicas_train_the_same_weights(
    mirrored: Path, tmp_path_factory: pytest.TempPathFactory, objective: str
):
    """Two and four replicas that share each batch come to the weights of one."""
    assert_same(mirrored / objective, trained_alone(tmp_path_factory, objective))


@pytest.mark.parametrize("objective", EVERYTHING)
def test_workers_train_the_same_weights(
    workers: Path, tmp_path_factory: pytest.TempPathFactory, objective: str
):
    """So do two processes."""
    assert_same(workers / objective, trained_alone(tmp_path_factory, objective))


def test_workers_option(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
):
    """`--workers` starts the processes, and the first of them says who it is."""
    monkeypatch.delenv("TF_CONFIG", raising=False)
    arguments = command(blueprints(tmp_path_factory), "supervised", tmp_path / "run")
    done = subprocess.run(
        [sys.executable, "-m", "archbuilder", *arguments, "--workers", "2"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "worker 1 of 2" in done.stdout
    assert_same(tmp_path / "run", trained_alone(tmp_path_factory, "supervised"))
