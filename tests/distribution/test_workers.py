"""Several processes that train together, and what happens when one of them goes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import psutil
import pytest
from helpers.subprocesses import HUNG, in_workers, start_workers
from safetensors.numpy import load_file

from archbuilder.cli import main

TEXT = """
archbuilder: 1
name: net
params: {synchronized: true, checkpoint_seconds: 30}
inputs: {image: [8, 8]}
layers:
  - Flatten
  - Dense: 24
  - {BatchNormalization: {synchronized: $synchronized}}
  - ReLU
  - Dense: {units: 10, activation: softmax}
data: digits
training:
  loss: SparseCategoricalCrossentropy
  optimizer: Adam
  epochs: 3
  batch_size: 47
  seed: 5
  checkpoint_every_seconds: $checkpoint_seconds
"""
OFTEN = ("--set", "checkpoint_seconds=0")
"""Checkpoints after every epoch, for runs that are killed."""


@pytest.fixture(scope="module")
def blueprint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("blueprint") / "net.yaml"
    path.write_text(TEXT)
    return path


@pytest.fixture(scope="module")
def left_alone(blueprint: Path) -> Path:
    """A run of two processes that nothing happens to."""
    run = blueprint.parent / "alone"
    in_workers(2, [["train", blueprint, "--run-dir", run]])
    return run


@pytest.fixture(scope="module")
def unsynchronized(blueprint: Path) -> dict[str, Path]:
    """Runs without common statistics; `resumed` ends after an epoch, and is resumed."""
    runs = {each: blueprint.parent / each for each in ("whole", "resumed")}
    settings = ["--set", "synchronized=false"]
    in_workers(
        2,
        [
            ["train", blueprint, *settings, "--run-dir", runs["whole"]],
            ["train", blueprint, *settings, "--epochs", "1", "--run-dir", runs["resumed"]],
            ["train", "--resume", runs["resumed"], "--epochs", "3"],
        ],
    )
    return runs


@pytest.fixture
def started() -> Iterator[list[subprocess.Popen[str]]]:
    """Commands of a test, none of which outlives it."""
    processes: list[subprocess.Popen[str]] = []
    yield processes
    for process in processes:
        if process.poll() is None:
            for child in [*psutil.Process(process.pid).children(recursive=True), process]:
                child.kill()
        # Waits, and closes its pipes.
        process.communicate()


def start(processes: list[subprocess.Popen[str]], *arguments: str | Path) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-m", "archbuilder", *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        env={key: value for key, value in os.environ.items() if key != "TF_CONFIG"},
    )
    processes.append(process)
    return process


def wait_for_checkpoint(run: Path, process: subprocess.Popen[str]) -> None:
    while not any((run / "checkpoints").glob("epoch-*[0-9]")):
        assert process.poll() is None
        time.sleep(0.01)


def arrays(run: Path) -> dict[str, np.ndarray]:
    path = max((run / "checkpoints").glob("epoch-*[0-9]"))
    return load_file(path / "variables.safetensors")


def test_killed_worker(
    blueprint: Path,
    left_alone: Path,
    tmp_path: Path,
    started: list[subprocess.Popen[str]],
):
    """The run ends and says why; gone on with, it comes to the weights of one left alone."""
    broken = tmp_path / "broken"
    process = start(started, "train", blueprint, "--workers", "2", *OFTEN, "--run-dir", broken)
    wait_for_checkpoint(broken, process)
    workers = psutil.Process(process.pid).children()
    last = next(each for each in workers if '"index": 1' in each.environ()["TF_CONFIG"])
    last.send_signal(signal.SIGKILL)
    output, errors = process.communicate(timeout=HUNG)
    assert process.returncode not in (0, -signal.SIGKILL)
    assert "worker 1 of 2" in output
    assert "worker 2 of 2 ended by signal 9" in errors
    assert "Traceback" not in errors
    assert not any(each.is_running() for each in workers)

    assert "Resuming " in in_workers(2, [["train", "--resume", broken]])
    assert_same(broken, left_alone)


def test_sigterm_ends_all_workers(
    blueprint: Path, tmp_path: Path, started: list[subprocess.Popen[str]]
):
    """They stop at the same step and keep it; one process can go on with what two began."""
    run = tmp_path / "run"
    process = start(started, "train", blueprint, "--workers", "2", *OFTEN, "--run-dir", run)
    wait_for_checkpoint(run, process)
    process.terminate()
    _, errors = process.communicate(timeout=HUNG)
    assert process.returncode == 75
    assert f"archbuilder train --resume {run}" in errors
    assert json.loads((run / "run.json").read_text())["status"] == "stopped"
    assert main(["train", "--resume", str(run)]) == 0
    assert (run / "net.keras").is_file()


@pytest.mark.thorough
def test_ctrl_c_ends_all_workers(
    blueprint: Path, tmp_path: Path, started: list[subprocess.Popen[str]]
):
    """A terminal tells all of them, and the first says how the run goes on."""
    run = tmp_path / "run"
    process = start(
        started, "train", blueprint, "--epochs", "900", "--workers", "2", *OFTEN, "--run-dir", run
    )
    wait_for_checkpoint(run, process)
    os.killpg(process.pid, signal.SIGINT)
    _, errors = process.communicate(timeout=HUNG)
    assert process.returncode == 130
    assert errors.strip() == f"error: interrupted; resume with: archbuilder train --resume {run}"


@pytest.mark.thorough  # `test_local_workers.py` has a killed command, and SIGTERM is above
@pytest.mark.skipif(sys.platform != "linux", reason="Linux alone tells of the end of a parent")
def test_workers_do_not_outlive_the_command(
    blueprint: Path, tmp_path: Path, started: list[subprocess.Popen[str]]
):
    """Where it is killed they are told to stop, and keep what they have."""
    run = tmp_path / "run"
    process = start(started, "train", blueprint, "--workers", "2", *OFTEN, "--run-dir", run)
    wait_for_checkpoint(run, process)
    workers = psutil.Process(process.pid).children()
    process.kill()
    _, left = psutil.wait_procs(workers, timeout=HUNG)
    assert (len(workers), left) == (2, [])
    assert json.loads((run / "run.json").read_text())["status"] == "stopped"


@pytest.mark.thorough
def test_early_stop_of_all_workers(tmp_path: Path):
    """They stop at the same epoch with the weights of the best one; a resume says so."""
    blueprint, run = tmp_path / "net.yaml", tmp_path / "run"
    callbacks = (
        "  callbacks:\n"
        "    - ReduceLROnPlateau: {patience: 1, min_delta: 1e9}\n"
        "    - EarlyStopping: {patience: 2, min_delta: 1e9, restore_best_weights: true}\n"
    )
    blueprint.write_text(TEXT.replace("epochs: 3", "epochs: 9") + callbacks)
    # Both have to end: one that did not stop would wait for the other.
    output = in_workers(
        2, [["train", blueprint, "--run-dir", run], ["train", "--resume", run], ["evaluate", run]]
    )
    assert "from 0.001 to 0.0001: val_loss has not improved for 1 epoch" in output
    assert "has not improved for 2 epochs; weights of epoch 1 restored" in output
    assert "Run already stopped early, after 3 epochs" in output
    rows = [json.loads(line) for line in (run / "history.jsonl").read_text().splitlines()]
    assert len(rows) == 3
    record = json.loads((run / "run.json").read_text())
    assert record["validation_metrics"] == {"loss": rows[0]["val_loss"]}
    evaluated = float(output.split()[-1])
    assert evaluated == pytest.approx(rows[0]["val_loss"], rel=1e-4)


@pytest.mark.thorough
def test_worker_that_begins_the_next_command_first(blueprint: Path, tmp_path: Path):
    """It waits for the others, which still have something else to do."""
    train = ["train", blueprint, "--epochs", "1", "--run-dir", tmp_path / "run"]
    compile_network = ["compile", blueprint, "--output", tmp_path / "net.keras"]
    evaluate = ["evaluate", tmp_path / "run"]
    late = [train, *[compile_network] * 4, evaluate]
    workers = start_workers([late, [train, evaluate]])
    assert [each.wait() for each in workers] == [0, 0], "".join(each.log for each in workers)


@pytest.mark.thorough
def test_unsynchronized_batch_normalization(left_alone: Path, unsynchronized: dict[str, Path]):
    """Without `synchronized`, a batch normalisation sees its worker's part of a batch alone."""
    together, alone = arrays(left_alone), arrays(unsynchronized["whole"])
    kernel = next(name for name, array in together.items() if array.shape == (64, 24))
    assert 1e-3 < np.abs(together[kernel] - alone[kernel]).max() < 1


@pytest.mark.thorough
def test_resume_restores_statistics_of_all_workers(unsynchronized: dict[str, Path]):
    """It comes to the same weights and numbers, bit by bit, and validates with the same ones."""
    resumed, uninterrupted = (arrays(unsynchronized[each]) for each in ("resumed", "whole"))
    for name, array in resumed.items():
        np.testing.assert_array_equal(array, uninterrupted[name], err_msg=name)
    rows, others = (
        [json.loads(line) for line in (run / "history.jsonl").read_text().splitlines()]
        for run in (unsynchronized["resumed"], unsynchronized["whole"])
    )
    for row, uninterrupted_row in zip(rows, others, strict=True):
        assert {**row, "seconds": 0} == {**uninterrupted_row, "seconds": 0}


def assert_same(run: Path, second_run: Path) -> None:
    first, second = arrays(run), arrays(second_run)
    assert first.keys() == second.keys()
    for name, array in first.items():
        np.testing.assert_allclose(array, second[name], rtol=1e-6, atol=1e-7, err_msg=name)
