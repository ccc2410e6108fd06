"""A run that was broken off at any moment goes on as if nothing had happened."""

from __future__ import annotations

import json
import multiprocessing
import shutil
import sys
import time
from multiprocessing.process import BaseProcess
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from archbuilder.cli import main

TEXT = """
archbuilder: 1
name: net
inputs: {image: [8, 8]}
layers:
  - Flatten
  - Dense: 24
  - BatchNormalization
  - ReLU
  - Dropout: 0.3
  - Dense: {units: 10, activation: softmax}
data: digits
training:
  loss: SparseCategoricalCrossentropy
  optimizer: {Adam: {learning_rate: {CosineDecay: {initial_learning_rate: 0.01, decay_steps: 120}}}}
  metrics: [SparseCategoricalAccuracy]
  epochs: 4
  batch_size: 48
  seed: 5
  distribute: none
  checkpoint_seconds: 0
"""
KILLS = 20
PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload(["archbuilder.cli", "archbuilder.training"])


def start(*arguments: str | Path) -> BaseProcess:
    """The command in a process of its own."""
    process = PROCESSES.Process(target=_command, args=([str(each) for each in arguments],))
    process.start()
    return process


def _command(arguments: list[str]) -> None:
    sys.exit(main(arguments))


def finish(*arguments: str | Path) -> int | None:
    """The exit code of the command."""
    process = start(*arguments)
    process.join(timeout=120)
    return process.exitcode


@pytest.fixture(scope="module")
def blueprint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A network with everything that has a state: dropout, batch statistics, a schedule."""
    path = tmp_path_factory.mktemp("blueprint") / "net.yaml"
    path.write_text(TEXT)
    return path


@pytest.fixture(scope="module")
def uninterrupted(blueprint: Path) -> Path:
    """The folder of a run that nothing has happened to."""
    folder = blueprint.parent / "uninterrupted"
    assert finish("train", blueprint, "--run", folder) == 0
    return folder


def assert_same(run: Path, other: Path) -> None:
    """Both runs have come to the same numbers, bit by bit."""
    newest = max((run / "checkpoints").iterdir()).name
    arrays, others = (
        load_file(folder / "checkpoints" / newest / "variables.safetensors")
        for folder in (run, other)
    )
    assert arrays.keys() == others.keys()
    for name, array in arrays.items():
        np.testing.assert_array_equal(array, others[name], err_msg=name)
    assert rows(run) == rows(other)
    assert (run / "net.keras").is_file()


def rows(run: Path) -> list[dict[str, float]]:
    """The history of a run without the times."""
    lines = (run / "history.jsonl").read_text().splitlines()
    return [{k: v for k, v in json.loads(line).items() if k != "seconds"} for line in lines]


def wait_for(path: Path, process: BaseProcess) -> None:
    """Until a path is there; fails if the process ends before."""
    while not path.exists():
        assert process.is_alive()
        time.sleep(0.01)


def test_kill_at_random_moments(blueprint: Path, uninterrupted: Path, tmp_path: Path):
    """Killed twenty times, the run comes to the weights of one that was left alone."""
    moments = np.random.default_rng(8)
    run = tmp_path / "run"
    process = start("train", blueprint, "--run", run)
    wait_for(run / "run.json", process)
    for _ in range(KILLS):
        time.sleep(moments.uniform(0, 4))
        process.kill()
        process.join()
        process = start("train", "--resume", run)
    process.join(timeout=300)
    assert process.exitcode == 0
    assert_same(run, uninterrupted)


def test_sigterm_keeps_the_step(blueprint: Path, uninterrupted: Path, tmp_path: Path):
    """The run ends with the code for 'try again', says so, and goes on to the same weights."""
    run = tmp_path / "run"
    process = start("train", blueprint, "--run", run)
    wait_for(run / "checkpoints" / "epoch-00000-batch-0000001", process)
    process.terminate()
    process.join(timeout=60)
    assert process.exitcode == 75
    assert json.loads((run / "run.json").read_text())["status"] == "stopped"
    assert finish("train", "--resume", run) == 0
    assert_same(run, uninterrupted)


def test_more_epochs(blueprint: Path, uninterrupted: Path, tmp_path: Path):
    """A run that is over goes on for more epochs as if it had been meant to."""
    run = tmp_path / "run"
    assert finish("train", blueprint, "--run", run, "--epochs", "2") == 0
    assert finish("train", "--resume", run, "--epochs", "4") == 0
    assert_same(run, uninterrupted)


def test_two_runs_in_one_folder(blueprint: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]):
    """The second one is refused while the first is at work."""
    run = tmp_path / "run"
    process = start("train", blueprint, "--run", run)
    wait_for(run / "run.json", process)
    assert main(["train", "--resume", str(run)]) == 2
    assert "another run is in" in capfd.readouterr().err
    process.kill()
    process.join()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--resume", "nowhere"], "is not the folder of a run"),
        (["--resume", "RUN", "--seed", "3"], "the seed that it began with"),
        (["--resume", "RUN", "--data", "digits"], "its data"),
        (["net.yaml", "--resume", "RUN"], "its blueprint"),
        ([], "no BLUEPRINT"),
    ],
)
def test_what_a_run_that_goes_on_does_not_take(
    uninterrupted: Path, arguments: list[str], message: str, capfd: pytest.CaptureFixture[str]
):
    """Each wrong command line is told what is wrong."""
    given = [str(uninterrupted) if each == "RUN" else each for each in arguments]
    assert main(["train", *given]) == 2
    assert message in capfd.readouterr().err


def test_an_edited_blueprint_is_refused(uninterrupted: Path, tmp_path: Path):
    """A run does not go on with another network than it began with."""
    run = tmp_path / "run"
    shutil.copytree(uninterrupted, run)
    text = (run / "blueprint.yaml").read_text()
    (run / "blueprint.yaml").write_text(text.replace("units: 24", "units: 25"))
    assert finish("train", "--resume", run) == 1


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"recipe": 3}', '{"recipe": {"training": {}}}'])
def test_a_damaged_record_is_told(uninterrupted: Path, tmp_path: Path, text: str):
    """Whatever stands in the record, the user is told and no traceback is shown."""
    run = tmp_path / "run"
    shutil.copytree(uninterrupted, run)
    (run / "run.json").write_text(text)
    assert main(["train", "--resume", str(run)]) == 2
