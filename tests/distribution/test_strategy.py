"""The same weights on any number of replicas and processes, for every objective."""

from __future__ import annotations

import json
import os
from collections import defaultdict
from collections.abc import Sequence
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
IN_REPLICAS = ("supervised", "gan", "simclr", "masked")
IN_WORKERS = ("supervised", "moco", "ridge")
"""In `make test`, each way to share a batch: uneven parts and common statistics, several updates,
rows of all replicas, and tokens that are drawn from the batch; rows that are shuffled between
workers, and batches in turns. The others differ from them in networks and losses."""


def without(objectives: Sequence[str]) -> tuple[str, ...]:
    return tuple(each for each in EVERYTHING if each not in objectives)


@pytest.fixture(
    scope="module",
    params=[IN_WORKERS, pytest.param(without(IN_WORKERS), marks=pytest.mark.thorough)],
    ids=["workers", "workers and others"],
)
def workers(
    tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> dict[str, Path]:
    """The runs of objectives that two processes have trained."""
    folder = tmp_path_factory.mktemp("workers")
    files = blueprints(tmp_path_factory)
    runs = {each: folder / each for each in request.param}
    commands = [command(files, each, run, several=each in SEVERAL) for each, run in runs.items()]
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
        assert np.abs(arrays[name] - array).max() <= 1e-5 * max(np.abs(array).max(), 0.1), (
            run,
            name,
        )
    rows, others = (
        [json.loads(line) for line in (each / "history.jsonl").read_text().splitlines()]
        for each in (run, alone)
    )
    for row, expected_row in zip(rows, others, strict=True):
        for name in expected_row.keys() - {"seconds"}:
            assert row[name] == pytest.approx(expected_row[name], rel=1e-3), (run, name)


@pytest.mark.parametrize(
    ("count", "objectives", "several"),
    [
        (2, IN_REPLICAS, SEVERAL),
        pytest.param(2, without(IN_REPLICAS), (), marks=pytest.mark.thorough),
        pytest.param(4, tuple(EVERYTHING), tuple(EVERYTHING), marks=pytest.mark.thorough),
    ],
    ids=["2", "2 others", "4"],
)
def test_replicas_train_the_same_weights(
    tmp_path: Path,
    tmp_path_factory: pytest.TempPathFactory,
    count: int,
    objectives: tuple[str, ...],
    several: tuple[str, ...],
):
    """Two and four replicas that share each batch come to the weights of one."""
    files = blueprints(tmp_path_factory)
    commands = [
        command(files, each, tmp_path / each, several=each in several) for each in objectives
    ]
    in_replicas(count, [[*each, "--distribute", "mirrored"] for each in commands])
    for objective in objectives:
        assert_same(tmp_path / objective, trained_alone(tmp_path_factory, objective))


def test_workers_train_the_same_weights(
    workers: dict[str, Path], tmp_path_factory: pytest.TempPathFactory
):
    """So do two processes."""
    for objective, run in workers.items():
        assert_same(run, trained_alone(tmp_path_factory, objective))


def test_each_worker_reads_its_share(workers: dict[str, Path]):
    """Half of the rows of every dataset, and none that the other one reads."""
    folder = next(iter(workers.values())).parent
    rows: list[dict[str, set[int]]] = [defaultdict(set), defaultdict(set)]
    for index, rows_of_worker in enumerate(rows):
        for line in (folder / f"rows-{index}").read_text().splitlines():
            inputs, dataset, numbers = json.loads(line)
            # Masked language models alone read `text`. The next sentence may be from any example,
            # so that they read the batch.
            if inputs != ["text"]:
                rows_of_worker[dataset] |= {*numbers}
    assert rows[0].keys() == rows[1].keys()
    assert len(rows[0]) >= 2 * len(workers.keys() - {"masked"})
    for dataset, first in rows[0].items():
        second = rows[1][dataset]
        assert not first & second
        # Workers take batches of `ridge` in turns, rather than parts of each.
        assert abs(len(first) - len(second)) <= max(BATCH["ridge"], 0.1 * len(second)), dataset
