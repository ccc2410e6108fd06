"""ResNet-50 and GPT-2 124M in mixed bfloat16 on a GPU, with the share of its peak that is reached.

Six operations are counted for each multiply-add of a forward pass: two for it, and twice as many
for the gradients. Attention's products with the length of the text are not counted.
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
from benchmarks.measuring import seconds
from benchmarks.peaks import peak_of

EPOCHS = 4


@dataclass(frozen=True)
class Job:
    """A blueprint with its data. Multiply-adds are counted for one of an example's `units`."""

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
    "{npz: {file: data.npz, scale: 255}}",
)
GPT2 = Job(
    "gpt2:124M",
    1024,
    16,
    1024,
    "objective: causal_lm\n  optimizer: {AdamW: 3e-4}",
    "{text: {file: data.txt, tokens: characters, length: 1024}}",
)


def report(rounds: int) -> None:
    """A row for each model, or a line where there is no GPU."""
    devices = tf.config.list_physical_devices("GPU")
    if not devices:
        print("There is no GPU here: nothing was measured.")
        return
    name = tf.config.experimental.get_device_details(devices[0]).get("device_name", "a GPU")
    peak = peak_of(name)
    print(f"{name}\n")
    print("| model | archbuilder, examples/s | plain Keras, examples/s | ratio | of the peak |")
    print("|---|---:|---:|---:|---:|")
    for job in (RESNET, GPT2):
        turns = [(_ours(job), _theirs(job)) for _ in range(rounds)]
        ours, theirs = (job.examples / statistics.median(side) for side in zip(*turns, strict=True))
        (analysis,) = archbuilder.load(job.blueprint).analyze().values()
        rate = 6 * analysis.multiply_adds * job.units * ours
        share = "unknown" if peak is None else f"{rate / peak:.1%}"
        print(f"| {job.blueprint} | {ours:,.1f} | {theirs:,.1f} | {ours / theirs:.2f} | {share} |")


def _write(job: Job, folder: Path) -> None:
    numbers = np.random.default_rng(0)
    if job is RESNET:
        images = numbers.integers(0, 256, (job.examples, 224, 224, 3), np.uint8)
        np.savez(folder / "data.npz", x=images, y=numbers.integers(0, 1000, job.examples))
    else:
        letters = numbers.integers(97, 123, job.examples * 1024 + 1, np.uint8)
        (folder / "data.txt").write_bytes(letters.tobytes())
    (folder / "recipe.yaml").write_text(
        f"archbuilder: 1\ndata: {job.data}\ntraining:\n  {job.training}\n"
        f"  dtype_policy: mixed_bfloat16\n  batch_size: {job.batch_size}\n  epochs: {EPOCHS}\n"
        "  validation_split: 0\n"
    )


def _ours(job: Job) -> float:
    """The median seconds of the epochs of a run but the first, in a process of its own."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        _write(job, folder)
        command = [
            *("train", job.blueprint, "--recipe", str(folder / "recipe.yaml")),
            *("--run", str(folder / "run")),
        ]
        arguments = [sys.executable, "-m", "archbuilder", *command]
        subprocess.run(arguments, check=True, capture_output=True)
        lines = (folder / "run" / "history.jsonl").read_text().splitlines()
    return statistics.median(json.loads(line)["seconds"] for line in lines[1:])


def _theirs(job: Job) -> float:
    """The same of plain Keras with its own choices."""
    keras.mixed_precision.set_global_policy("mixed_bfloat16")
    model = archbuilder.load(job.blueprint).compile()
    keras.mixed_precision.set_global_policy("float32")
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=job is GPT2)
    numbers = np.random.default_rng(0)
    if job is RESNET:
        images = numbers.integers(0, 256, (job.examples, 224, 224, 3), np.uint8)
        arrays = (images, numbers.integers(0, 1000, job.examples))
        model.compile(optimizer=keras.optimizers.SGD(0.1, momentum=0.9), loss=loss)
    else:
        tokens = numbers.integers(5, 31, (job.examples, 1025), np.int32)
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
