"""A loss that is NaN ends the run with the step of the objective that it comes from."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from helpers.subprocesses import CommandProcess

from archbuilder.cli import main

BLUEPRINT = """archbuilder: 1
name: net
networks:
  net: {inputs: {x: [3]}, layers: [{Dense: 2}]}
data: {npz: {file: data.npz, inputs: {x: x}, targets: {rest: rest}}}
training:
  objective:
    inputs: [x, rest]
    layers:
      - {net: , from: x, name: other}
      - {formula: "mean(other ** 2, axis=-1)", name: size}
      - {formula: log(-1 - size), name: seen}
      - {formula: log(rest), name: scale}
      - {formula: VALUE, name: total}
    metrics: {seen: seen}
    minimize: total
  epochs: 1
  batch_size: 5
  shuffle: false
"""
BAD_ROW = 34


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    rest = np.where(np.arange(60) == BAD_ROW, -1.0, 1.0)
    np.savez("data.npz", x=np.ones((60, 3), np.float32), rest=rest)
    return tmp_path


def write(value: str = "size * scale", settings: str = "") -> None:
    """Write the blueprint with a loss and more settings."""
    Path("net.yaml").write_text(BLUEPRINT.replace("VALUE", value) + settings)


def test_first_step_of_a_loss_that_is_nan(capfd: pytest.CaptureFixture[str]):
    """It is the one in the batch that did it, also if weights are NaN when the run stops.

    A metric that is NaN all the time does not count.
    """
    write()
    assert main(["train", "net.yaml", "--run-dir", "run"]) == 1
    message = "nan at step 7 (epoch 1, batch 7), first in 'scale' (ops.log, net.yaml:13:19);"
    assert message in capfd.readouterr().err


def test_gradient_that_is_nan(capfd: pytest.CaptureFixture[str]):
    """The weights are NaN before the loss is."""
    write("'size + sum(sqrt(0 * other), axis=-1)'")
    assert main(["train", "net.yaml", "--run-dir", "run"]) == 1
    message = "nan at step 2 (epoch 1, batch 2), first in the weights of 'net', as after a gradient"
    assert message in capfd.readouterr().err


@pytest.mark.thorough
@pytest.mark.parametrize("settings", ["jit_compile: true", "gradient_accumulation_steps: 2"])
def test_nan_with_other_settings(capfd: pytest.CaptureFixture[str], settings: str):
    """Compiled, and in a part of a batch."""
    write(settings=f"  {settings}\n")
    assert main(["train", "net.yaml", "--run-dir", "run"]) == 1
    assert "(epoch 1, batch 7), first in 'scale' (ops.log" in capfd.readouterr().err


@pytest.mark.thorough
def test_nan_on_another_replica():
    """The bad row is the last one of its batch."""
    write(settings="  distribute: mirrored\n")
    process = CommandProcess([["train", "net.yaml", "--run-dir", "run"]], devices=2)
    assert process.wait() == 1
    assert "(epoch 1, batch 7), first in 'scale' (ops.log" in process.log
