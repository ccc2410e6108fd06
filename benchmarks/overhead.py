"""What it costs to keep a run, to feed it, and to share it between two processes."""

from __future__ import annotations

import json
import statistics
import tempfile
from functools import partial
from pathlib import Path

import numpy as np

from archbuilder.data.columns import ArrayColumn, Column
from archbuilder.data.input_adapter import InputAdapter
from archbuilder.data.pipeline import FittedDataset, InputPipeline, train_dataset
from archbuilder.data.position import TrainingPosition
from archbuilder.data.sources.disk_columns import ColumnStore
from archbuilder.data.targets import Target
from benchmarks.measuring import compare
from benchmarks.training import Workload, epoch_seconds

SHARED = Workload("resnet:50", (64, 64, 3), 256, 64, 1000, {"image_size": 64})
KEPT = Workload("mobilenet_v2", (96, 96, 3), 512, 32, 1000, {"image_size": 96})
KEPT_EPOCHS = 6
FED = Workload("lenet5", (32, 32, 1), 60_000, 128)


def workers(rounds: int) -> None:
    """Two local processes against one on the same cores."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder)
        SHARED.prepare(path)
        turns = [
            (
                epoch_seconds(SHARED, path, f"two-{n}", "--workers", "2", distribute="auto"),
                epoch_seconds(SHARED, path, f"one-{n}"),
            )
            for n in range(rounds)
        ]
    two, one = (statistics.median(side) for side in zip(*turns, strict=True))
    print("| model | batch | 2 processes, examples/s | 1 process, examples/s | ratio |")
    print("|---|---:|---:|---:|---:|")
    rates = [SHARED.examples / side for side in (two, one)]
    print(
        f"| {SHARED.blueprint} | {SHARED.batch_size} | {rates[0]:,.1f} | {rates[1]:,.1f} |"
        f" {one / two:.2f} |"
    )


def checkpoints(rounds: int) -> None:
    """A run that is kept at the default interval against one that is kept at its end alone."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder)
        KEPT.prepare(path, epochs=KEPT_EPOCHS)
        recipe = path / "recipe.yaml"
        kept = recipe.read_text()
        turns = []
        for number in range(rounds):
            recipe.write_text(kept)
            often = _whole(path, f"often-{number}")
            recipe.write_text(f"{kept}  checkpoint_every_seconds: 86400\n")
            turns.append((often, _whole(path, f"end-{number}")))
    often, end = (statistics.median(side) for side in zip(*turns, strict=True))
    print("| model | every 30 s, s | at the end, s | overhead |")
    print("|---|---:|---:|---:|")
    print(f"| {KEPT.blueprint} | {often:.1f} | {end:.1f} | {often / end - 1:.1%} |")


def _whole(folder: Path, name: str) -> float:
    epoch_seconds(KEPT, folder, name)
    lines = (folder / name / "history.jsonl").read_text().splitlines()
    return sum(json.loads(line)["seconds"] for line in lines[1:])


def feeding(rounds: int) -> None:
    """The batches of an epoch from our pipeline against a bare loop over arrays in memory."""
    images, labels = FED.arrays()
    rows = np.arange(FED.examples)
    targets = {"": Target(ArrayColumn(labels), np.dtype(np.int64))}

    def epoch(column: Column) -> None:
        inputs = {"": InputPipeline(column, InputAdapter((), ()))}
        table = FittedDataset(inputs, targets, rows, named_inputs=False, named_outputs=False)
        batches = train_dataset(
            table, TrainingPosition(), batch_size=FED.batch_size, seed=0, epochs=1
        )
        for _ in batches:
            pass

    def theirs() -> None:
        order = np.random.default_rng(0).permutation(FED.examples)
        for at in range(0, FED.examples, FED.batch_size):
            chosen = order[at : at + FED.batch_size]
            _ = images[chosen], labels[chosen]

    on_disk = ColumnStore(memory_limit=0).create_writer("the images")
    on_disk.add(images)
    print("| examples | batches of | pipeline, s an epoch | bare loop, s an epoch | ratio |")
    print("|---|---:|---:|---:|---:|")
    for name, column in (("in memory", ArrayColumn(images)), ("on the disk", on_disk.to_column())):
        result = compare(partial(epoch, column), theirs, rounds=rounds)
        print(
            f"| {name} | {FED.batch_size} | {result.ours:.2f} | {result.theirs:.2f} |"
            f" {result.ratio:.2f} |"
        )
