"""The same weights on any number of replicas and processes, for every objective."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import defaultdict
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from helpers.one_device import BATCH, EVERYTHING, blueprints, command, trained_alone
from helpers.subprocesses import in_replicas, in_workers
from numpy.typing import NDArray
from safetensors.numpy import load_file

from archbuilder.data.batch_share import BatchShare
from archbuilder.data.pipeline import AdaptedDataset

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
    in_workers(2, commands, partial(record_rows, folder))
    return runs


def record_rows(folder: Path) -> None:
    """Write the rows that this worker reads to a file, with the number of their dataset."""
    index = json.loads(os.environ["TF_CONFIG"])["task"]["index"]
    gather, datasets = AdaptedDataset.gather, []

    def recorded(self: AdaptedDataset, share: BatchShare) -> tuple[object, ...]:
        # Both workers trace their datasets in one order.
        datasets.append(self)
        key = [*self.inputs], len(datasets)

        def record(values: NDArray[np.int64]) -> NDArray[np.int64]:
            with (folder / f"rows-{index}").open("a") as file:
                file.write(json.dumps([*key, values.tolist()]) + "\n")
            return values

        with tf.control_dependencies([tf.numpy_function(record, [share.rows], tf.int64)]):
            return gather(self, share)

    AdaptedDataset.gather = recorded  # type: ignore[method-assign]


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


def test_each_worker_reads_its_share(folder: Path, workers: Path):
    """Half of the rows of every dataset, and none that the other one reads."""
    del workers  # it reads the rows
    rows: list[dict[str, set[int]]] = [defaultdict(set), defaultdict(set)]
    for index, rows_of_worker in enumerate(rows):
        for line in (folder / f"rows-{index}").read_text().splitlines():
            inputs, dataset, numbers = json.loads(line)
            # Masked language models alone read `text`. The next sentence may be from any example,
            # so that they read the batch.
            if inputs != ["text"]:
                rows_of_worker[dataset] |= {*numbers}
    assert rows[0].keys() == rows[1].keys()
    assert len(rows[0]) >= 2 * len(EVERYTHING) - 2
    for dataset, first in rows[0].items():
        second = rows[1][dataset]
        assert not first & second
        # Workers take batches of `ridge` in turns, rather than parts of each.
        assert abs(len(first) - len(second)) <= max(BATCH["ridge"], 0.1 * len(second)), dataset


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
