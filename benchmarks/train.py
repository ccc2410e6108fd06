"""The command `archbuilder train`, compared with a well-written Keras `fit` of the same model."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

import archbuilder
from archbuilder.plain_data import PlainData
from benchmarks.timing import medians, seconds

Arrays = tuple[NDArray[np.generic], NDArray[np.int64]]
EPOCHS = 4
"""Epochs of each measurement; the first one warms up."""
RECIPE = """
archbuilder: 1
training:
  loss: SparseCategoricalCrossentropy
  metrics: [SparseCategoricalAccuracy]
  optimizer: {{Adam: 1e-3}}
  epochs: {epochs}
  batch_size: {batch_size}
  validation_split: 0
"""


@dataclass(frozen=True)
class Workload:
    """A blueprint of the library, with the shape and number of the examples to train on."""

    blueprint: str
    shape: tuple[int, ...]
    examples: int
    batch_size: int
    classes: int = 10
    params: dict[str, PlainData] = field(default_factory=dict)

    def arrays(self) -> Arrays:
        """Return random images and labels."""
        rng = np.random.default_rng(0)
        images = rng.random((self.examples, *self.shape), np.float32)
        return images, rng.integers(0, self.classes, self.examples)

    def prepare(self, folder: Path, *, epochs: int = EPOCHS) -> None:
        """Write the data and the recipe."""
        images, labels = self.arrays()
        np.savez(folder / "data.npz", x=images, y=labels)
        text = RECIPE.format(epochs=epochs, batch_size=self.batch_size)
        (folder / "recipe.yaml").write_text(text)


SMALL = (
    Workload("mlp:lenet-300-100", (784,), 20_000, 32),
    Workload("lenet5", (32, 32, 1), 10_000, 32),
)
LARGE = (
    Workload("resnet:50", (64, 64, 3), 256, 32, 1000, {"image_size": 64}),
    Workload("mobilenet_v2", (96, 96, 3), 256, 32, 1000, {"image_size": 96}),
)


def main(rounds: int) -> None:
    """Print a row for each workload: median examples per second."""
    print("| model | batch | archbuilder, examples/s | plain Keras, examples/s | ratio |")
    print("|---|---:|---:|---:|---:|")
    for workload in (*SMALL, *LARGE):
        with tempfile.TemporaryDirectory() as folder:
            workload.prepare(Path(folder))
            pairs = [
                (epoch_seconds(workload, Path(folder), f"run-{number}"), _keras_seconds(workload))
                for number in range(rounds)
            ]
        result = medians(pairs)
        archbuilder_rate = workload.examples / result.archbuilder
        keras_rate = workload.examples / result.baseline
        print(
            f"| {workload.blueprint} | {workload.batch_size} | {archbuilder_rate:,.0f} |"
            f" {keras_rate:,.0f} | {archbuilder_rate / keras_rate:.2f} |"
        )


def epoch_seconds(
    workload: Workload, folder: Path, name: str, *options: str, distribute: str = "none"
) -> float:
    """Return the median seconds of an epoch of a command without the first."""
    values = [f"--set={key}={value}" for key, value in workload.params.items()]
    command = [
        "train",
        workload.blueprint,
        *values,
        "--recipe",
        str(folder / "recipe.yaml"),
        "--data",
        str(folder / "data.npz"),
        "--run-dir",
        str(folder / name),
        "--distribute",
        distribute,
        *options,
    ]
    arguments = [sys.executable, "-m", "archbuilder", *command]
    subprocess.run(arguments, check=True, capture_output=True)
    lines = (folder / name / "history.jsonl").read_text().splitlines()
    return statistics.median(json.loads(line)["seconds"] for line in lines[1:])


def _keras_seconds(workload: Workload) -> float:
    """Return the same for plain Keras.

    XLA, which Keras uses by default, is slower for these models on a CPU.
    """
    model = archbuilder.load(workload.blueprint).compile(**workload.params)
    model.compile(
        optimizer=keras.optimizers.Adam(1e-3),
        loss=keras.losses.SparseCategoricalCrossentropy(),
        metrics=[keras.metrics.SparseCategoricalAccuracy()],
        jit_compile=bool(tf.config.list_physical_devices("GPU")),
    )
    examples = tf.data.Dataset.from_tensor_slices(workload.arrays())
    batches = examples.shuffle(workload.examples, seed=0).batch(workload.batch_size)
    batches = batches.prefetch(tf.data.AUTOTUNE)
    return statistics.median(
        [seconds(lambda: model.fit(batches, verbose=0)) for _ in range(EPOCHS)][1:]
    )
