"""Examples per second of every source of data, from its files to batches, and peak memory."""

from __future__ import annotations

import gc
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from archbuilder import load
from archbuilder.blueprint import BlueprintRequest
from archbuilder.config.run_inputs import new_run_inputs
from archbuilder.config.split import SplitPlan
from archbuilder.data.file_access import DataFileOpener
from archbuilder.data.pipeline import AdaptedDataset, train_batches
from archbuilder.data.position import TrainingPosition
from archbuilder.data.sources import load_datasets
from archbuilder.data.split import split_rows
from archbuilder.data.targets import adapt_target
from archbuilder.trainer.datasets import adapt_inputs
from benchmarks.plain_sources import PLAIN_SOURCES
from benchmarks.source_files import BATCH_SIZE, SOURCES

MEMORY_SOURCES = ("npz", "npy", "csv", "csv with features", "parquet", "jsonl", "tfrecord")
"""Those of rows that can be larger than the memory."""
MEMORY_CODE = """\
import sys, threading, time
import benchmarks.sources as sources
peak = 0
def sample():
    global peak
    while True:
        status = open("/proc/self/status").read()
        peak = max(peak, int(status.split("RssAnon:")[1].split()[0]))
        time.sleep(0.01)
threading.Thread(target=sample, daemon=True).start()
sources.read_all(sources.batch_opener(sources.Path(sys.argv[1]))())
print(peak * 1024)
"""
"""Prints the peak of the memory that is not a mapped file, whose pages the system can drop."""


def batch_opener(blueprint: Path) -> Callable[..., tf.data.Dataset]:
    """Return the function that loads the data of a blueprint, and returns an epoch of batches."""
    checked = load(blueprint)
    ((graph_name, graph),) = checked.graphs().items()
    request = BlueprintRequest(checked.variant, {}, checked.limits, ())
    config = new_run_inputs(checked, request, None, None).config
    spec = config.training.objective.target_spec()
    ((output, loss),) = spec.losses.items()
    shape = checked.analyze()[graph_name].outputs[output]
    opener = DataFileOpener(blueprint.parent, spill_dir=blueprint.parent)

    def open_batches(*, shuffle: bool = True) -> tf.data.Dataset:
        dataset = load_datasets(config.data, config.training, opener).train
        (target,) = dataset.targets.values()
        inputs = adapt_inputs(dataset, graph, spec)
        adapted = AdaptedDataset(
            inputs,
            {output: adapt_target(target, output, shape, loss, ())},
            (dataset.split or split_rows(dataset, SplitPlan())).train,
            named_inputs=len(inputs) > 1,
            named_outputs=False,
        )
        start = TrainingPosition()
        return train_batches(
            adapted, start, batch_size=BATCH_SIZE, seed=0, epochs=1, shuffle=shuffle
        ).dataset()

    return open_batches


def read_all(batches: tf.data.Dataset) -> None:
    """Read all batches."""
    for _ in batches:
        pass


def main(rounds: int) -> None:
    """Print a table of the throughput, and one of the memory, with a row for each source."""
    print(
        "| source | examples | archbuilder, examples/s | plain, examples/s |"
        " CPU time: loading | batches | both |"
    )
    print("|---|---:|---:|---:|---:|---:|---:|")
    for name in SOURCES:
        print(_throughput_row(name, rounds), flush=True)
    print("\n| source | examples | MB | ten times the examples, MB | data, MB |")
    print("|---|---:|---:|---:|---:|")
    for name in MEMORY_SOURCES:
        print(_memory_row(name), flush=True)


def _throughput_row(name: str, rounds: int) -> str:
    case, plain = SOURCES[name], PLAIN_SOURCES[name]
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        case.write(folder, case.examples)
        open_batches = batch_opener(case.write_blueprint(folder))
        # This also warms up both.
        pairs = zip(_arrays(open_batches), _arrays(plain, folder), strict=True)
        comparable = _first_positions if case.is_text else np.asarray
        for pair in pairs:
            ours, expected = map(comparable, pair)
            np.testing.assert_allclose(ours, expected, rtol=1e-5, atol=case.tolerance)
        # In turns, so that the load of the machine affects both alike.
        turns = [(_measure(open_batches), _measure(plain, folder)) for _ in range(rounds)]
    # Of each side: seconds in all, and seconds of all cores to load and to read batches.
    ours, expected = np.median(turns, axis=0)
    rates = (f"{case.examples / side[0]:,.0f}" for side in (ours, expected))
    ratios = (*(ours[1:] / expected[1:]), ours[1:].sum() / expected[1:].sum())
    cells = [name, f"{case.examples:,}", *rates, *(f"{each:.2f}" for each in ratios)]
    return f"| {' | '.join(cells)} |"


def _arrays(open_batches: Callable[..., tf.data.Dataset], *arguments: Path) -> list[Any]:
    """Return all inputs and targets in the order of the files."""
    batches = [tf.nest.flatten(each) for each in open_batches(*arguments, shuffle=False)]
    return [np.concatenate(each) for each in zip(*batches, strict=True)]


def _first_positions(ids: NDArray[np.integer]) -> NDArray[np.integer]:
    """Replace the ids of words, which two tokenizers number differently, by their first places."""
    _, first, inverse = np.unique(ids, return_index=True, return_inverse=True)
    return first[inverse]


def _measure(open_batches: Callable[..., tf.data.Dataset], *arguments: Path) -> list[float]:
    gc.collect()
    start, start_cpu = time.perf_counter(), time.process_time()
    batches = open_batches(*arguments, shuffle=True)
    loaded_cpu = time.process_time()
    read_all(batches)
    end, end_cpu = time.perf_counter(), time.process_time()
    return [end - start, loaded_cpu - start_cpu, end_cpu - loaded_cpu]


def _memory_row(name: str) -> str:
    """Return the row for a source whose columns are not kept in memory (`cache: false`)."""
    case = SOURCES[name]
    peaks, size = [], 0
    for examples in (case.examples, 10 * case.examples):
        with tempfile.TemporaryDirectory() as temporary:
            folder = Path(temporary)
            case.write(folder, examples)
            size = sum(each.stat().st_size for each in folder.rglob("*") if each.is_file())
            blueprint = str(case.write_blueprint(folder, cache=False))
            output = subprocess.check_output([sys.executable, "-c", MEMORY_CODE, blueprint])
            peaks.append(int(output.split()[-1]))
    cells = (f"{each / 1e6:,.0f}" for each in (*peaks, size))
    return f"| {name} | {case.examples:,} | {' | '.join(cells)} |"
