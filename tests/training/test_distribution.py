"""The same weights on any number of replicas and processes, for every objective."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from safetensors.numpy import load_file
from training.objectives import BLUEPRINTS, WITHOUT_CHANCE, write_data

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
COUNTED_OFTEN = {"supervised": {"loss", "sparse_categorical_accuracy"}}
"""Numbers in which an example counts more than once where replicas outnumber a last batch."""
UNLIKE = {
    "seconds",
    # Of several outputs, Keras gives the mean of the means of batches.
    *(
        f"{each}{name}"
        for each in ("", "val_")
        for name in ("masked_lm_loss", "next_sentence_loss")
    ),
}
PROGRAM = """
import json, sys
import tensorflow as tf
devices = [tf.config.LogicalDeviceConfiguration()] * int(sys.argv[1])
tf.config.set_logical_device_configuration(tf.config.list_physical_devices("CPU")[0], devices)
from archbuilder.cli import main
codes = [main(arguments) for arguments in json.loads(sys.argv[2])]
sys.exit(max(codes))
"""


def command(folder: Path, objective: str, way: str) -> list[str]:
    settings = [part for each in WITHOUT_CHANCE.get(objective, ()) for part in ("--set", each)]
    size = ["--batch-size", str(BATCH.get(objective, 15))]
    path, run = folder / f"{objective}.yaml", folder / f"{objective}-{way}"
    epochs = [] if objective == "ridge" else ["--epochs", "2" if objective == "masked" else "1"]
    return ["train", str(path), *settings, *size, *epochs, "--run", str(run)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Every objective trained on one device."""
    path = tmp_path_factory.mktemp("equal")
    write_data(path)
    for objective, text in BLUEPRINTS.items():
        (path / f"{objective}.yaml").write_text(text)
        assert main([*command(path, objective, "alone"), "--distribute", "none"]) == 0
    return path


@pytest.fixture(scope="module", params=[2, pytest.param(4, marks=pytest.mark.thorough)])
def mirrored(folder: Path, request: pytest.FixtureRequest) -> str:
    """Every objective trained by so many replicas."""
    way = f"mirrored-{request.param}"
    commands = [
        [*command(folder, objective, way), "--distribute", "mirrored"] for objective in BLUEPRINTS
    ]
    arguments = [sys.executable, "-c", PROGRAM, str(request.param), json.dumps(commands)]
    done = subprocess.run(arguments, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
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
    """The same weights to 1e-5 of the largest of each array, and the same numbers of the epoch."""
    run, alone = (folder / f"{objective}-{each}" for each in (way, "alone"))
    arrays = weights(run)
    for name, array in weights(alone).items():
        assert np.abs(arrays[name] - array).max() <= 1e-5 * max(np.abs(array).max(), 0.1), name
    rows, others = (
        [json.loads(line) for line in (each / "history.jsonl").read_text().splitlines()]
        for each in (run, alone)
    )
    for row, other in zip(rows, others, strict=True):
        for name in other.keys() - UNLIKE - COUNTED_OFTEN.get(objective, set()):
            assert row[name] == pytest.approx(other[name], rel=1e-3), name


@pytest.mark.parametrize("objective", BLUEPRINTS)
def test_replicas(folder: Path, mirrored: str, objective: str):
    """Two and four replicas that share each batch come to the weights of one."""
    assert_same(folder, objective, mirrored)


@pytest.mark.parametrize("objective", BLUEPRINTS)
def test_processes(folder: Path, objective: str):
    """So do two processes."""
    arguments = [*command(folder, objective, "workers"), "--workers", "2"]
    done = subprocess.run(
        [sys.executable, "-m", "archbuilder", *arguments],
        capture_output=True,
        text=True,
        check=False,
        env={key: value for key, value in os.environ.items() if key != "TF_CONFIG"},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "worker 1 of 2" in done.stdout
    assert_same(folder, objective, "workers")
