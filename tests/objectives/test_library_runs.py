"""Every objective of the library keeps the promises of a run: precision, resume, replicas."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from distribution.test_strategy import assert_same
from helpers.objective_library import EXAMPLES, write_arrays
from helpers.shared_fixtures import common_folder, make_once
from helpers.subprocesses import Command, finish, in_replicas, in_workers
from runs.test_resume import assert_same as assert_identical
from runs.test_resume import kill_and_go_on

from archbuilder import zoo
from archbuilder.cli import main

ROWS, BATCH, STEPS = 54, 11, 4
"""Training has 4 steps with 43 examples, the last of which neither two nor four replicas share
evenly; objectives of the whole batch leave it out."""


def stands_for_others(name: str) -> list[object]:
    """All objectives, of which one stands for the others in `make test`.

    It is `moco` for copies, a memory, views and rows of all replicas, and `wgan_gp` for several
    updates, random numbers and gradients. `distribution/test_strategy.py` has others on replicas
    and workers.
    """
    return [
        pytest.param(each, marks=() if each == name else pytest.mark.thorough) for each in EXAMPLES
    ]


SETTINGS = f"""\
  optimizer: {{SGD: {{learning_rate: 0.02, momentum: 0.9}}}}
  epochs: 2
  batch_size: {BATCH}
  steps_per_execution: 1
"""


def test_every_objective_has_an_example():
    """None is in the library without a run here."""
    assert {*EXAMPLES} == {*zoo.objective_names()}


def write(folder: Path, name: str, settings: str = "") -> Path:
    """Write the blueprint of an objective with more settings, and return its path."""
    write_arrays(folder, ROWS)
    path = folder / f"{name}.yaml"
    path.write_text(EXAMPLES[name].blueprint(name, SETTINGS + settings))
    return path


def trained_alone(factory: pytest.TempPathFactory, name: str) -> Path:
    """Return the directory of a run of an objective, beside its blueprint."""

    def train(folder: Path) -> None:
        folder.mkdir()
        path = write(folder, name)
        run = folder / "run"
        assert main(["train", str(path), "--run-dir", str(run), "--distribute", "none"]) == 0

    return make_once(common_folder(factory) / f"library-{name}", train) / "run"


def losses(run: Path) -> list[dict[str, float]]:
    """Return the losses and metrics of each epoch."""
    rows = [json.loads(line) for line in (run / "history.jsonl").read_text().splitlines()]
    return [{key: row[key] for key in row if key not in ("epoch", "seconds")} for row in rows]


@pytest.mark.parametrize("name", stands_for_others("wgan_gp"))
def test_bfloat16_trains_like_float32(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, name: str
):
    """Losses are finite, and close to those of float32."""
    path = write(tmp_path, name, "  dtype_policy: mixed_bfloat16\n")
    assert main(["train", str(path), "--run-dir", str(tmp_path / "run")]) == 0
    expected_rows = losses(trained_alone(tmp_path_factory, name))
    for row, expected in zip(losses(tmp_path / "run"), expected_rows, strict=True):
        assert all(map(math.isfinite, row.values()))
        assert row.keys() == expected.keys()
        # One example more or less changes the accuracy of so few by much.
        for key in row.keys() - {"accuracy", "val_accuracy"}:
            assert row[key] == pytest.approx(expected[key], rel=0.03, abs=0.03), key


@pytest.mark.parametrize("name", stands_for_others("wgan_gp"))
def test_xla_trains_the_same_weights(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, name: str
):
    """So does a step that XLA compiles."""
    path = write(tmp_path, name, "  jit_compile: true\n")
    assert main(["train", str(path), "--run-dir", str(tmp_path / "run")]) == 0
    assert_same(tmp_path / "run", trained_alone(tmp_path_factory, name))


@pytest.mark.parametrize("name", stands_for_others("moco"))
def test_kill_and_resume(tmp_path: Path, name: str):
    """Random numbers, copies, memories and the optimizer of each update continue as they were."""
    path = write(tmp_path, name, "  distribute: none\n  checkpoint_every_seconds: 0\n")
    assert finish("train", path, "--run-dir", tmp_path / "whole") == 0
    kill_and_go_on(path, tmp_path / "run", kills=2, of_epoch=STEPS, last=STEPS)
    networks = [each.stem for each in (tmp_path / "whole").glob("*.keras")]
    assert_identical(tmp_path / "run", tmp_path / "whole", *networks)


def in_four_replicas(_count: int, commands: Sequence[Command]) -> str:
    """Carry out commands with four virtual devices."""
    return in_replicas(4, commands)


@pytest.mark.thorough
@pytest.mark.parametrize("name", EXAMPLES)
@pytest.mark.parametrize("carry_out", [in_replicas, in_four_replicas, in_workers])
def test_replicas_and_workers_train_the_same_weights(
    tmp_path: Path,
    tmp_path_factory: pytest.TempPathFactory,
    name: str,
    carry_out: Callable[[int, Sequence[Command]], str],
):
    """Two and four replicas, and two processes, come to the weights of one device."""
    strategy = "multi_worker" if carry_out is in_workers else "mirrored"
    path, run = write(tmp_path, name), tmp_path / "run"
    carry_out(2, [["train", str(path), "--run-dir", str(run), "--distribute", strategy]])
    assert_same(run, trained_alone(tmp_path_factory, name))
