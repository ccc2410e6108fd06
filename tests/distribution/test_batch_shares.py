"""Each worker prepares only its share of a batch, and the shares together are the batch."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from helpers.objectives import STEPWISE, write_data

from archbuilder.cli import main
from archbuilder.data.pipeline import BatchPipeline
from archbuilder.diagnostics.errors import RunError
from archbuilder.distribution.strategy import DeviceSetup, slice_for_replicas

NUM_BATCHES = 2
AUGMENTED = """
archbuilder: 1
name: net
inputs: {image: [null, null, 1]}
layers:
  - GlobalAveragePooling2D
  - Dense: {units: 10, activation: softmax}
data: digits
training:
  loss: SparseCategoricalCrossentropy
  augment:
    - RandomFlip: horizontal
    - RandomCrop: {height: 6, width: 6}
    - RandomErasing: {scale: [0.1, 0.3]}
"""
RECIPES = {
    **STEPWISE,
    "augmented": AUGMENTED,
    "noisy": f"{AUGMENTED}    - GaussianNoise: 0.1\n",
    # A rotation of a share differs from that of the batch by the rounding of sines and cosines.
    **{each: STEPWISE[each].replace("RandomRotation", "RandomZoom") for each in ("simclr", "moco")},
}
"""A recipe for each objective, with layers that take a share of a batch and one that does not."""


def pipelines(folder: Path, objective: str, patch: pytest.MonkeyPatch) -> list[BatchPipeline]:
    """The batches of the validation and of the training of a recipe."""
    collected: list[BatchPipeline] = []

    def distribute(_: DeviceSetup, batches: BatchPipeline) -> tf.data.Dataset:
        collected.append(batches)
        if len(collected) == 2:
            raise RunError("there is no need to train")
        return batches.dataset()

    patch.setattr(DeviceSetup, "distribute_batches", distribute)
    write_data(folder)
    path = folder / "net.yaml"
    path.write_text(RECIPES[objective])
    size = "70" if objective in ("simclr", "moco") else "13"
    run = folder / "run"
    assert main(["train", str(path), "--batch-size", size, "--run-dir", str(run)]) == 1
    return collected


def joined(pipeline: BatchPipeline, workers: int) -> list[list[np.ndarray]]:
    """The first batches, put together from what each worker prepares for its only replica."""
    # In one pipeline for all workers, which is traced once.
    slices = tf.data.Dataset.range(workers).flat_map(
        lambda worker: slice_for_replicas(pipeline, worker, workers, workers).take(NUM_BATCHES)
    )
    shares = [
        tf.nest.flatten(share) if not is_duplicate else None for share, is_duplicate in slices
    ]
    count = len(shares) // workers
    return [
        [
            np.concatenate(arrays)
            for arrays in zip(*filter(None, shares[number::count]), strict=True)
        ]
        for number in range(count)
    ]


def check(pipeline: BatchPipeline, workers: int) -> None:
    batches = [tf.nest.flatten(each) for each in pipeline.dataset().take(NUM_BATCHES)]
    for batch, arrays in zip(batches, joined(pipeline, workers), strict=True):
        for expected, array in zip(batch, arrays, strict=True):
            np.testing.assert_array_equal(array, expected)


WORKERS = {"gan": 16, "simclr": 16, "masked": 4, "augmented": 3, "noisy": 2}
"""Numbers of workers that share a batch; the first have no example for each of them."""


@pytest.mark.parametrize("objective", WORKERS)
def test_shares_are_the_batch(objective: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Bit by bit, with all that is drawn for it by chance."""
    _, train = pipelines(tmp_path, objective, monkeypatch)
    check(train, WORKERS[objective])


@pytest.mark.thorough
@pytest.mark.parametrize("objective", RECIPES)
def test_any_number_of_workers(objective: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """For training and validation of every objective."""
    for pipeline in pipelines(tmp_path, objective, monkeypatch):
        for workers in (1, 2, 3, 4, 16):
            check(pipeline, workers)
