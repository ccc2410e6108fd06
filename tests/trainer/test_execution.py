"""How steps are carried out changes how fast a run is, and nothing else."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from helpers.objectives import STEPWISE, SUPERVISED, write_data
from numpy.typing import NDArray
from safetensors.numpy import load_file

from archbuilder.cli import main

ROWS = ["0.5"] * 8
LINE = """
archbuilder: 1
name: net
inputs: {number: [1]}
layers: [{Dense: 1}]
data: {csv: line.csv}
training:
  loss: MeanSquaredError
  optimizer: {SGD: 0.1}
  epochs: 2
  batch_size: 2
  validation_split: 0
  checkpoint_every_seconds: 1000
"""


def trained(folder: Path, text: str, name: str, *arguments: str) -> Path:
    """The folder of a run of a blueprint."""
    path, run = folder / f"{name}.yaml", folder / name
    path.write_text(text)
    assert main(["train", str(path), "--run-dir", str(run), *arguments]) == 0
    return run


def with_key(text: str, key: str) -> str:
    """A blueprint whose `training` has one more key."""
    return text.replace("training:\n", f"training:\n  {key}\n")


def weights(run: Path) -> dict[str, NDArray[np.generic]]:
    """What the newest checkpoint of a run has."""
    return load_file(max((run / "checkpoints").iterdir()) / "variables.safetensors")


def rows(run: Path) -> list[dict[str, float]]:
    lines = (run / "history.jsonl").read_text().splitlines()
    return [{k: v for k, v in json.loads(line).items() if k != "seconds"} for line in lines]


def assert_same(run: Path, second_run: Path) -> None:
    """Both runs have come to the same numbers, bit by bit."""
    arrays, others = weights(run), weights(second_run)
    assert arrays.keys() == others.keys()
    for name, array in arrays.items():
        np.testing.assert_array_equal(array, others[name], err_msg=name)
    assert rows(run) == rows(second_run)


@pytest.mark.parametrize(
    "objective", ["supervised", pytest.param("moco", marks=pytest.mark.thorough)]
)
def test_steps_per_execution(tmp_path: Path, objective: str, capfd: pytest.CaptureFixture[str]):
    """Whether an epoch has a multiple of them or not, and also where a run goes on."""
    write_data(tmp_path)
    single = STEPWISE[objective]
    several = single.replace("steps_per_execution: 1", "steps_per_execution: 8")
    alone = trained(tmp_path, single, "single", "--epochs", "2")
    together = trained(tmp_path, several, "several", "--epochs", "1")
    assert main(["train", "--resume", str(together), "--epochs", "2"]) == 0
    assert "steps_per_execution=8, XLA off" in capfd.readouterr().out
    assert_same(alone, together)


def test_jit_compile(tmp_path: Path, capfd: pytest.CaptureFixture[str]):
    """A compiled step comes to nearly the same weights."""
    plain = trained(tmp_path, SUPERVISED, "plain", "--epochs", "1")
    text = SUPERVISED.replace(
        "steps_per_execution: 1", "steps_per_execution: 3\n  jit_compile: true"
    )
    compiled = trained(tmp_path, text, "compiled", "--epochs", "1")
    assert "steps_per_execution=3, XLA on" in capfd.readouterr().out
    arrays, others = weights(plain), weights(compiled)
    for name, array in arrays.items():
        np.testing.assert_allclose(others[name], array, rtol=1e-3, atol=1e-5, err_msg=name)


@pytest.mark.parametrize("count", [1, 3])
def test_first_nan_step_is_named(tmp_path: Path, count: int, capfd: pytest.CaptureFixture[str]):
    """A number that is too large has a loss that is infinite, whenever one looks."""
    numbers = [*ROWS, "3e30"]
    lines = "".join(f"{number},0.5\n" for number in numbers)
    (tmp_path / "line.csv").write_text(f"number,target\n{lines}")
    path = tmp_path / "net.yaml"
    path.write_text(with_key(LINE, f"steps_per_execution: {count}"))
    messages = {}
    for seed in (1, 2, 3):
        run = tmp_path / f"run-{seed}"
        assert main(["train", str(path), "--run-dir", str(run), "--seed", str(seed)]) == 1
        messages[seed] = capfd.readouterr().err
    assert all("the loss became inf at step" in each for each in messages.values())
    steps = {each.split("at step ")[1].split(" ")[0] for each in messages.values()}
    assert len(steps) > 1, "the example is in another batch with every seed"
