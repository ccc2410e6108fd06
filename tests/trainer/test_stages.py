"""Stages of a run: what Keras computes with one `compile` and `fit` after another."""

from __future__ import annotations

import csv
import json
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import keras
import numpy as np
import pytest
from helpers.objectives import STEPWISE, write_data
from helpers.subprocesses import in_replicas
from trainer.test_execution import assert_same, rows, trained
from trainer.test_initial_weights import (
    BACKBONE,
    NET,
    by_name,
    network,
    save,
    saved_weights,
    write_examples,
)

import archbuilder
from archbuilder.cli import main

STAGES = """
    - {epochs: 1, frozen: [backbone.*]}
    - epochs: 1
      optimizer: {SGD: {learning_rate: {ExponentialDecay: {initial_learning_rate: 0.1,
        decay_steps: 100%, decay_rate: 0.5}}, momentum: 0.9}}
"""
TEXT = NET.replace("SGD: 0.0", "Adam: 0.01").replace(
    "  epochs: 1\n", f"  weights: start.keras\n  stages: {STAGES}"
)


def keras_trained(folder: Path) -> keras.Model:
    """Return the network after both stages in plain Keras, with ten steps each."""
    x, y = write_examples(folder)
    model = network()
    loss = "sparse_categorical_crossentropy"
    for name in BACKBONE:
        model.get_layer(name).trainable = False
    model.compile(keras.optimizers.Adam(0.01), loss)
    model.fit(x, y, batch_size=16, shuffle=False, verbose=0)
    for name in BACKBONE:
        model.get_layer(name).trainable = True
    rate = keras.optimizers.schedules.ExponentialDecay(0.1, 10, 0.5)
    model.compile(keras.optimizers.SGD(rate, momentum=0.9), loss)
    model.fit(x, y, batch_size=16, shuffle=False, verbose=0)
    return model


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a directory with data, the weights to start from, and a run of two stages."""
    folder = tmp_path_factory.mktemp("stages")
    write_examples(folder)
    save(network(), folder / "start.keras")
    trained(
        folder, TEXT.replace("training:\n", "training:\n  checkpoint_every_seconds: 0\n"), "run"
    )
    return folder


def test_stages_equal_keras(folder: Path):
    """Each stage has its frozen layers and its optimizer; a percentage is of its own steps."""
    expected = by_name(keras_trained(folder))
    for name, array in saved_weights(folder / "run").items():
        np.testing.assert_allclose(array, expected[name], atol=2e-6, err_msg=name)
    history = rows(folder / "run")
    assert [(each["epoch"], each["stage"]) for each in history] == [(1, 1), (2, 2)]
    recipe = json.loads((folder / "run" / "run.json").read_text())["recipe"]["training"]
    assert recipe["epochs"] == 2
    assert recipe["stages"][0] == {"epochs": 1, "frozen": ["backbone.*"]}


def without_last_checkpoint(run: Path, name: str) -> Path:
    """Return a copy of a run as it is when it is killed before its last checkpoint."""
    copy = shutil.copytree(run, run.with_name(name))
    shutil.rmtree(max((copy / "checkpoints").iterdir()))
    (copy / "net.keras").unlink()
    return copy


def test_resume_in_the_second_stage(folder: Path, capsys: pytest.CaptureFixture[str]):
    """The rest of the second stage is the same, bit by bit."""
    parts = without_last_checkpoint(folder / "run", "parts")
    assert [each.name for each in (parts / "checkpoints").iterdir()] == [
        "epoch-00001-batch-0000009"
    ]
    capsys.readouterr()
    assert main(["train", "--resume", str(parts)]) == 0
    output = capsys.readouterr().out
    assert "Stage 2 of 2: epochs 2 to 2" in output
    assert "Stage 1" not in output
    assert_same(folder / "run", parts)


@pytest.mark.thorough
def test_resume_between_stages_and_for_longer(folder: Path, capsys: pytest.CaptureFixture[str]):
    """A checkpoint at the end of a stage leads to the next one; more epochs lengthen the last."""
    seldom = trained(
        folder, TEXT.replace("steps_per_exec", "jit_compile: false\n  steps_per_exec"), "seldom"
    )
    parts = without_last_checkpoint(seldom, "between")
    assert [each.name for each in (parts / "checkpoints").iterdir()] == [
        "epoch-00001-batch-0000000"
    ]
    capsys.readouterr()
    assert main(["train", "--resume", str(parts)]) == 0
    assert "Stage 1 of 2: epochs 1 to 1, which are over\n" in capsys.readouterr().out
    assert_same(seldom, parts)
    assert main(["train", "--resume", str(parts), "--epochs", "3"]) == 0
    assert [each["stage"] for each in rows(parts)] == [1, 2, 2]
    assert "now spans 3 epochs instead of 2" in capsys.readouterr().out
    assert main(["evaluate", str(parts), "--data", str(folder / "data.npz")]) == 0
    assert main(["train", "--resume", str(parts), "--epochs", "1"]) == 2
    assert "the stages before the last one have 1 epoch," in capsys.readouterr().err


FIRST_STAGE = NET.replace("validation_split: 0", "validation_split: 0.25").replace(
    "SGD: 0.0", "Adam: {learning_rate: 0.02, use_ema: true, ema_momentum: 0.5}"
)
BEST = FIRST_STAGE.replace(
    "  epochs: 1\n",
    """  save_best: val_loss
  stages:
    - epochs: 6
      callbacks: [{EarlyStopping: {monitor: loss, mode: max, patience: 4}}]
    - {epochs: 2, optimizer: {head: {SGD: 0.9}, "*": {SGD: 0.8}}}
    - {epochs: 1, frozen: head, optimizer: {SGD: {learning_rate: 0.9, use_ema: true}}}
""",
)


@pytest.mark.thorough
def test_best_epoch_of_all_stages(tmp_path: Path):
    """Stages that callbacks end early are followed by the next; the best epoch is one of all."""
    write_examples(tmp_path)
    run = trained(tmp_path, BEST, "run")
    history = rows(run)
    assert [(each["epoch"], each["stage"]) for each in history] == [
        *((1, 1), (2, 1), (3, 1), (4, 1), (5, 1)),
        *((6, 2), (7, 2)),
        (8, 3),
    ]
    best = min(history, key=lambda row: row["val_loss"])
    assert best["stage"] == 1
    assert json.loads((run / "run.json").read_text())["best_epoch"]["epoch"] == best["epoch"]
    # The weights of that epoch, with averages in place of the weights, are those of a run alone.
    alone = trained(tmp_path, FIRST_STAGE, "alone", "--epochs", str(int(best["epoch"])))
    expected = saved_weights(alone)
    for name, array in saved_weights(run, "net.best").items():
        np.testing.assert_array_equal(array, expected[name], err_msg=name)
    rates = [each.get("learning_rate_head") for each in history]
    assert rates == [*[None] * 5, pytest.approx(0.9), pytest.approx(0.9), None]
    with (run / "history.csv").open() as file:
        assert [each["learning_rate_*"] for each in csv.DictReader(file)] == [
            *["nan"] * 5,
            *(str(np.float32(0.8).item()),) * 2,
            "nan",
        ]
    parts = without_last_checkpoint(run, "parts")
    assert main(["train", "--resume", str(parts)]) == 0
    assert_same(run, parts)
    for name, array in saved_weights(parts, "net.best").items():
        np.testing.assert_array_equal(array, expected[name], err_msg=name)


@pytest.mark.thorough
@pytest.mark.parametrize("objective", ["gan", "causal"])
def test_other_objectives(tmp_path: Path, objective: str):
    """Networks of other objectives train in stages; what is frozen in all of them stays."""
    write_data(tmp_path)
    layer, name = ("generator.dense0", "generator") if objective == "gan" else ("embedding0", "net")
    stages = f"stages: [{{epochs: 1}}, {{epochs: 1, frozen: {layer}}}]"
    text = re.sub(r"  epochs: \d+\n", "", STEPWISE[objective])
    short = trained(tmp_path, text, "short", "--epochs", "1")
    run = trained(tmp_path, text.replace("training:\n", f"training:\n  {stages}\n", 1), "run")
    arrays, others = saved_weights(run, name), saved_weights(short, name)
    unchanged = {key for key in arrays if np.array_equal(arrays[key], others[key])}
    assert {key.partition("/")[0] for key in unchanged} == {layer.split(".")[-1]}


@pytest.mark.thorough
def test_killed_in_the_second_stage(folder: Path):
    """A process that is killed leaves a run that comes to the same weights."""
    text = TEXT.replace("- epochs: 1\n", "- epochs: 150\n")
    uninterrupted = trained(folder, text, "uninterrupted")
    path = folder / "killed.yaml"
    path.write_text(text.replace("training:\n", "training:\n  checkpoint_every_seconds: 0.2\n"))
    run = folder / "killed"
    command = [sys.executable, "-m", "archbuilder", "train", str(path), "--run-dir", str(run)]
    with subprocess.Popen(command) as process:
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline and not any(
            each.name > "epoch-00003" for each in run.glob("checkpoints/epoch-*-batch-???????")
        ):
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL
    assert main(["train", "--resume", str(run)]) == 0
    assert_same(uninterrupted, run)


@pytest.mark.thorough
def test_replicas(folder: Path):
    """Three replicas learn the same in both stages, also the statistics of whole batches."""
    text = TEXT.replace("- BatchNormalization", "- BatchNormalization: {synchronized: true}")
    path = folder / "replicas.yaml"
    path.write_text(text.replace("distribute: none", "distribute: mirrored"))
    in_replicas(3, [["train", str(path), "--run-dir", str(folder / "replicas")]])
    expected = saved_weights(trained(folder, text, "one-device"))
    for name, array in saved_weights(folder / "replicas").items():
        np.testing.assert_allclose(array, expected[name], atol=1e-5, err_msg=name)


def test_python(folder: Path):
    """The result of a run in Python has the history of all stages."""
    result = archbuilder.resume(folder / "run")
    assert [each["stage"] for each in result.history] == [1, 2]
