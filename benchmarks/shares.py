"""What each process of a training reads and decodes, with 1, 2 and 4 processes."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from archbuilder.distribution.cluster_spec import TF_CONFIG_VAR, tf_config_json
from archbuilder.launch.local_workers import free_ports

PROCESSES = (1, 2, 4)
IMAGES, SIDE, EPOCHS = 512, 512, 3
BLUEPRINT = """\
archbuilder: 1
name: net
inputs: {image: [128, 128, 3]}
layers:
  - GlobalAveragePooling2D
  - Dense: {units: 2, activation: softmax}
data: {images: {directory: images, size: [128, 128], cache: false}}
training:
  loss: SparseCategoricalCrossentropy
  augment: [{RandomFlip: horizontal}]
  epochs: EPOCHS
  batch_size: 64
  validation_split: 0
"""
WORKER = """\
import json, sys, threading
from PIL import Image
opened, lock, original = [0, 0], threading.Lock(), Image.open
def counted(file, *arguments, **options):
    with lock:
        opened[0] += 1
        opened[1] += file.getbuffer().nbytes
    return original(file, *arguments, **options)
Image.open = counted
from archbuilder.cli import main
code = main(sys.argv[2:])
with open(sys.argv[1], "w") as output:
    json.dump(opened, output)
sys.exit(code)
"""
"""A program that runs a command, and counts the images that it opens and their bytes."""


@dataclass(frozen=True)
class _Usage:
    """What the processes of a training read and decode in an epoch, and how long it takes."""

    images: tuple[float, ...]
    megabytes: tuple[float, ...]
    seconds: float


def main(rounds: int) -> None:
    """Print a row for each number of processes, each of which has a core of its own if it can."""
    print("| processes | images decoded by each | MB read by each | images/s | ratio |")
    print("|---:|---:|---:|---:|---:|")
    with tempfile.TemporaryDirectory() as folder:
        _write_images(Path(folder))
        runs = [
            {count: _train(Path(folder), count, f"{number}-{count}") for count in PROCESSES}
            for number in range(rounds)
        ]
    one_process = statistics.median(run[1].seconds for run in runs)
    for count in PROCESSES:
        usages = [run[count] for run in runs]
        seconds = statistics.median(each.seconds for each in usages)
        print(
            f"| {count} | {_span(usages[0].images, 0)} | {_span(usages[0].megabytes, 1)} |"
            f" {IMAGES / seconds:,.0f} | {one_process / seconds:.2f} |"
        )


def _span(values: tuple[float, ...], digits: int) -> str:
    low, high = (f"{each:,.{digits}f}" for each in (min(values), max(values)))
    return low if low == high else f"{low} to {high}"


def _write_images(folder: Path) -> None:
    rng = np.random.default_rng(0)
    for number in range(IMAGES):
        path = folder / "images" / str(number % 2) / f"{number}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        # Small noise, enlarged: compressed to about the size of a photograph.
        pixels = Image.fromarray(rng.integers(0, 256, (SIDE // 8, SIDE // 8, 3), np.uint8))
        pixels.resize((SIDE, SIDE), Image.Resampling.BICUBIC).save(path, quality=90)
    (folder / "net.yaml").write_text(BLUEPRINT.replace("EPOCHS", str(EPOCHS)))


def _train(folder: Path, count: int, name: str) -> _Usage:
    """Train with so many processes, and return what they use per epoch."""
    addresses = tuple(f"127.0.0.1:{port}" for port in free_ports(count))
    cores = sorted(os.sched_getaffinity(0))
    command = ["train", str(folder / "net.yaml"), "--run-dir", str(folder / name)]
    processes = []
    for index in range(count):
        environment = {**os.environ, "TF_NUM_INTEROP_THREADS": "1", "TF_NUM_INTRAOP_THREADS": "1"}
        if count > 1:
            environment[TF_CONFIG_VAR] = tf_config_json(addresses, index)
        report = str(folder / f"{name}-{index}.json")
        process = subprocess.Popen(
            [sys.executable, "-c", WORKER, report, *command],
            env=environment,
            stdout=subprocess.DEVNULL,
        )
        os.sched_setaffinity(process.pid, {cores[index % len(cores)]})
        processes.append(process)
    codes = [process.wait() for process in processes]
    if any(codes):
        raise SystemExit("a training failed")
    reports = [json.loads((folder / f"{name}-{n}.json").read_text()) for n in range(count)]
    # The first epoch contains the tracing of the step.
    lines = (folder / name / "history.jsonl").read_text().splitlines()[1:]
    return _Usage(
        tuple(images / EPOCHS for images, _ in reports),
        tuple(size / EPOCHS / 1e6 for _, size in reports),
        statistics.median(json.loads(line)["seconds"] for line in lines),
    )
