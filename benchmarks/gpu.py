"""ResNet-50 and GPT-2 124M in mixed bfloat16 on a GPU, with the utilization of its peak.

Each multiply-add of a forward pass counts as six operations: two for the forward pass and four for
the gradients. Attention's products along the sequence are not counted.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

import archbuilder
from benchmarks.gpu_peaks import peak_of
from benchmarks.timing import medians, seconds

EPOCHS = 4


@dataclass(frozen=True)
class Job:
    """A blueprint with its data. Multiply-adds are counted for one of the `units` of an example."""

    blueprint: str
    examples: int
    batch_size: int
    units: int
    training: str
    data: str


RESNET = Job(
    "resnet:50",
    4096,
    256,
    1,
    "loss: SparseCategoricalCrossentropy\n  optimizer: {SGD: {learning_rate: 0.1, momentum: 0.9}}",
    "{npz: {file: data.npz, divide_by: 255}}",
)
GPT2 = Job(
    "gpt2:124M",
    1024,
    16,
    1024,
    "objective: causal_lm\n  optimizer: {AdamW: 3e-4}",
    "{text: {file: data.txt, tokenizer: characters, sequence_length: 1024}}",
)


def main(rounds: int) -> None:
    """Print a row for each model, or a line if there is no GPU."""
    devices = tf.config.list_physical_devices("GPU")
    if not devices:
        print("No GPU was found: nothing was measured.")
        return
    name = tf.config.experimental.get_device_details(devices[0]).get("device_name", "a GPU")
    peak = peak_of(name)
    print(f"{name}\n")
    print("| model | archbuilder, examples/s | plain Keras, examples/s | ratio | of the peak |")
    print("|---|---:|---:|---:|---:|")
    for job in (RESNET, GPT2):
        result = medians([(_archbuilder_seconds(job), _keras_seconds(job)) for _ in range(rounds)])
        archbuilder_rate = job.examples / result.archbuilder
        keras_rate = job.examples / result.baseline
        (analysis,) = archbuilder.load(job.blueprint).analyze().values()
        operations = 6 * analysis.multiply_adds * job.units * archbuilder_rate
        utilization = "unknown" if peak is None else f"{operations / peak:.1%}"
        print(
            f"| {job.blueprint} | {archbuilder_rate:,.1f} | {keras_rate:,.1f} |"
            f" {archbuilder_rate / keras_rate:.2f} | {utilization} |"
        )


def _archbuilder_seconds(job: Job) -> float:
    """Return the median seconds of an epoch of a run without the first, in a separate process."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        rng = np.random.default_rng(0)
        if job is RESNET:
            images = rng.integers(0, 256, (job.examples, 224, 224, 3), np.uint8)
            np.savez(folder / "data.npz", x=images, y=rng.integers(0, 1000, job.examples))
        else:
            letters = rng.integers(97, 123, job.examples * 1024 + 1, np.uint8)
            (folder / "data.txt").write_bytes(letters.tobytes())
        (folder / "recipe.yaml").write_text(
            f"archbuilder: 1\ndata: {job.data}\ntraining:\n  {job.training}\n"
            f"  dtype_policy: mixed_bfloat16\n  batch_size: {job.batch_size}\n"
            f"  epochs: {EPOCHS}\n  validation_split: 0\n"
        )
        command = [
            "train",
            job.blueprint,
            "--recipe",
            str(folder / "recipe.yaml"),
            "--run-dir",
            str(folder / "run"),
        ]
        arguments = [sys.executable, "-m", "archbuilder", *command]
        subprocess.run(arguments, check=True, capture_output=True)
        lines = (folder / "run" / "history.jsonl").read_text().splitlines()
    return statistics.median(json.loads(line)["seconds"] for line in lines[1:])


def _keras_seconds(job: Job) -> float:
    """Return the same for plain Keras with its defaults."""
    keras.mixed_precision.set_global_policy("mixed_bfloat16")
    model = archbuilder.load(job.blueprint).compile()
    keras.mixed_precision.set_global_policy("float32")
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=job is GPT2)
    rng = np.random.default_rng(0)
    if job is RESNET:
        images = rng.integers(0, 256, (job.examples, 224, 224, 3), np.uint8)
        arrays = (images, rng.integers(0, 1000, job.examples))
        model.compile(optimizer=keras.optimizers.SGD(0.1, momentum=0.9), loss=loss)
    else:
        tokens = rng.integers(5, 31, (job.examples, 1025), np.int32)
        arrays = (tokens[:, :-1], tokens[:, 1:])
        model.compile(optimizer=keras.optimizers.AdamW(3e-4), loss=loss)
    with tf.device("CPU:0"):
        examples = tf.data.Dataset.from_tensor_slices(arrays)
    batches = examples.shuffle(job.examples, seed=0).batch(job.batch_size)
    if job is RESNET:
        batches = batches.map(lambda x, y: (tf.cast(x, tf.float32) / 255, y), tf.data.AUTOTUNE)
    batches = batches.prefetch(tf.data.AUTOTUNE)
    return statistics.median(
        [seconds(lambda: model.fit(batches, verbose=0)) for _ in range(EPOCHS)][1:]
    )
