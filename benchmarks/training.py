"""Training by a recipe against a plain, well-written Keras `fit` of the same model and data."""

from __future__ import annotations

import contextlib
import io
import json
import statistics
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

import archbuilder
from archbuilder.cli import main
from archbuilder.tree import Plain
from benchmarks.measuring import seconds

Arrays = tuple[NDArray[np.float32], NDArray[np.int64]]
EPOCHS = 4
"""The epochs of each turn, of which the first one warms up."""
RECIPE = """
archbuilder: 1
training:
  loss: SparseCategoricalCrossentropy
  metrics: [SparseCategoricalAccuracy]
  optimizer: {{Adam: 1e-3}}
  epochs: {epochs}
  batch_size: {batch_size}
  validation: 0
  distribute: none
"""


@dataclass(frozen=True)
class Workload:
    """A blueprint of the library, and how many examples of which shape it is trained on."""

    blueprint: str
    shape: tuple[int, ...]
    examples: int
    batch_size: int
    classes: int = 10
    params: dict[str, Plain] = field(default_factory=dict)

    def arrays(self) -> Arrays:
        """Examples of chance."""
        numbers = np.random.default_rng(0)
        images = numbers.random((self.examples, *self.shape), np.float32)
        return images, numbers.integers(0, self.classes, self.examples)


SMALL = (
    Workload("mlp", (784,), 20_000, 32),
    Workload("lenet5", (32, 32, 1), 10_000, 32),
)
LARGE = (
    Workload("resnet:50", (64, 64, 3), 256, 32, 1000, {"image_size": 64}),
    Workload("mobilenet_v2", (96, 96, 3), 256, 32, 1000, {"image_size": 96}),
)


def report(rounds: int) -> None:
    """A row for each workload: medians of the examples of a second."""
    print("| model | batch | archbuilder, examples/s | plain Keras, examples/s | ratio |")
    print("|---|---:|---:|---:|---:|")
    for workload in (*SMALL, *LARGE):
        ours, theirs = _rates(workload, rounds)
        size = workload.batch_size
        print(
            f"| {workload.blueprint} | {size} | {ours:,.0f} | {theirs:,.0f} | {ours / theirs:.2f} |"
        )


def _rates(workload: Workload, rounds: int) -> tuple[float, float]:
    arrays = workload.arrays()
    with tempfile.TemporaryDirectory() as folder:
        np.savez(Path(folder) / "data.npz", x=arrays[0], y=arrays[1])
        recipe = RECIPE.format(epochs=EPOCHS, batch_size=workload.batch_size)
        (Path(folder) / "recipe.yaml").write_text(recipe)
        turns = [
            (_ours(workload, Path(folder), number), _theirs(workload, arrays))
            for number in range(rounds)
        ]
    ours, theirs = (statistics.median(side) for side in zip(*turns, strict=True))
    return workload.examples / ours, workload.examples / theirs


def _ours(workload: Workload, folder: Path, number: int) -> float:
    """The median seconds of an epoch."""
    run = folder / f"run-{number}"
    values = [f"--set={name}={value}" for name, value in workload.params.items()]
    with contextlib.redirect_stdout(io.StringIO()):
        code = main(
            [
                *("train", workload.blueprint, *values, "--recipe", str(folder / "recipe.yaml")),
                *("--data", str(folder / "data.npz"), "--run", str(run)),
            ]
        )
    if code:
        raise RuntimeError(f"the training of {workload.blueprint} failed")
    rows = [json.loads(line) for line in (run / "history.jsonl").read_text().splitlines()]
    return statistics.median(row["seconds"] for row in rows[1:])


def _theirs(workload: Workload, arrays: Arrays) -> float:
    """The same of plain Keras; XLA, which Keras would choose, is slower for these on a CPU."""
    model = archbuilder.load(workload.blueprint).compile(**workload.params)
    model.compile(
        optimizer=keras.optimizers.Adam(1e-3),
        loss=keras.losses.SparseCategoricalCrossentropy(),
        metrics=[keras.metrics.SparseCategoricalAccuracy()],
        jit_compile=bool(tf.config.list_physical_devices("GPU")),
    )
    examples = tf.data.Dataset.from_tensor_slices(arrays)
    batches = examples.shuffle(workload.examples, seed=0).batch(workload.batch_size)
    batches = batches.prefetch(tf.data.AUTOTUNE)
    return statistics.median(_epochs(lambda: model.fit(batches, verbose=0)))


def _epochs(epoch: Callable[[], object]) -> list[float]:
    return [seconds(epoch) for _ in range(EPOCHS)][1:]
