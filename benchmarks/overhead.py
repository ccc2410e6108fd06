"""Overhead of checkpoints, of the input pipeline and of two worker processes."""

from __future__ import annotations

import json
import statistics
import tempfile
from functools import partial
from pathlib import Path

import numpy as np

from archbuilder.data.columns import ArrayColumn, Column
from archbuilder.data.input_adapter import InputAdapter
from archbuilder.data.pipeline import AdaptedColumn, AdaptedDataset, train_batches
from archbuilder.data.position import TrainingPosition
from archbuilder.data.sources.disk_columns import ColumnStore
from archbuilder.data.targets import Target
from benchmarks.timing import compare
from benchmarks.train import Workload, epoch_seconds

WORKERS = Workload("resnet:50", (64, 64, 3), 256, 64, 1000, {"image_size": 64})
CHECKPOINTED = Workload("mobilenet_v2", (96, 96, 3), 512, 32, 1000, {"image_size": 96})
CHECKPOINTED_EPOCHS = 6
PIPELINED = Workload("lenet5", (32, 32, 1), 60_000, 128)


def workers(rounds: int) -> None:
    """Compare two local processes with one on the same cores."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder)
        WORKERS.prepare(path)
        pairs = [
            (
                epoch_seconds(WORKERS, path, f"two-{n}", "--workers", "2", distribute="auto"),
                epoch_seconds(WORKERS, path, f"one-{n}"),
            )
            for n in range(rounds)
        ]
    two_processes, one_process = (statistics.median(side) for side in zip(*pairs, strict=True))
    print("| model | batch | 2 processes, examples/s | 1 process, examples/s | ratio |")
    print("|---|---:|---:|---:|---:|")
    rates = [WORKERS.examples / side for side in (two_processes, one_process)]
    print(
        f"| {WORKERS.blueprint} | {WORKERS.batch_size} | {rates[0]:,.1f} | {rates[1]:,.1f} |"
        f" {one_process / two_processes:.2f} |"
    )


def checkpoints(rounds: int) -> None:
    """Compare checkpoints at the default interval with one checkpoint at the end of the run."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder)
        CHECKPOINTED.prepare(path, epochs=CHECKPOINTED_EPOCHS)
        recipe = path / "recipe.yaml"
        text = recipe.read_text()
        pairs = []
        for number in range(rounds):
            recipe.write_text(text)
            default = _run_seconds(path, f"default-{number}")
            recipe.write_text(f"{text}  checkpoint_every_seconds: 86400\n")
            pairs.append((default, _run_seconds(path, f"end-{number}")))
    default, end = (statistics.median(side) for side in zip(*pairs, strict=True))
    print("| model | every 30 s, s | at the end, s | overhead |")
    print("|---|---:|---:|---:|")
    print(f"| {CHECKPOINTED.blueprint} | {default:.1f} | {end:.1f} | {default / end - 1:.1%} |")


def _run_seconds(folder: Path, name: str) -> float:
    epoch_seconds(CHECKPOINTED, folder, name)
    lines = (folder / name / "history.jsonl").read_text().splitlines()
    return sum(json.loads(line)["seconds"] for line in lines[1:])


def input_pipeline(rounds: int) -> None:
    """Compare the batches of an epoch with a bare loop over arrays in memory."""
    images, labels = PIPELINED.arrays()
    rows = np.arange(PIPELINED.examples)
    targets = {"": Target(ArrayColumn(labels), np.dtype(np.int64))}

    def iterate_pipeline(column: Column) -> None:
        inputs = {"": AdaptedColumn(column, InputAdapter((), ()))}
        table = AdaptedDataset(inputs, targets, rows, named_inputs=False, named_outputs=False)
        batches = train_batches(
            table, TrainingPosition(), batch_size=PIPELINED.batch_size, seed=0, epochs=1
        )
        for _ in batches.dataset():
            pass

    def iterate_arrays() -> None:
        order = np.random.default_rng(0).permutation(PIPELINED.examples)
        for start in range(0, PIPELINED.examples, PIPELINED.batch_size):
            batch = order[start : start + PIPELINED.batch_size]
            _ = images[batch], labels[batch]

    on_disk = ColumnStore(memory_limit=0).create_writer("the images")
    on_disk.add(images)
    print("| examples | batches of | pipeline, s an epoch | bare loop, s an epoch | ratio |")
    print("|---|---:|---:|---:|---:|")
    for name, column in (("in memory", ArrayColumn(images)), ("on the disk", on_disk.to_column())):
        result = compare(partial(iterate_pipeline, column), iterate_arrays, rounds=rounds)
        print(
            f"| {name} | {PIPELINED.batch_size} | {result.archbuilder:.2f} |"
            f" {result.baseline:.2f} | {result.ratio:.2f} |"
        )
