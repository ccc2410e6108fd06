"""Runs the XLA programs that `writing` wrote: `python -m benchmarks.programs.running FOLDER`.

It needs JAX, which has the same compiler for GPUs as TensorFlow. What has values beside it is
compared with the losses that TensorFlow had; the others are timed.
"""

from __future__ import annotations

import gzip
import json
import statistics
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
import ml_dtypes
import numpy as np
from jax._src.lib import xla_client
from numpy.typing import NDArray

from benchmarks.peaks import peak_of

jax.config.update("jax_enable_x64", val=True)  # TensorFlow counts in int64

STEPS = 20
ROUNDS = 5
_BOUND = 1e-3
"""Relative: a GPU adds up in another order."""


class Program:
    """A step, compiled for the first device."""

    def __init__(self, path: Path) -> None:
        self.about = json.loads(path.read_text())
        compressed = path.with_suffix(".hlo.gz").read_bytes()
        stable = xla_client._xla.mlir.hlo_to_stablehlo(  # noqa: SLF001 - JAX has no public way
            gzip.decompress(compressed)
        )
        device = jax.devices()[0]
        self._step = device.client.compile_and_load(
            stable, xla_client.DeviceList((device,)), xla_client.CompileOptions()
        )
        self._becomes = {
            place: each["becomes"]
            for place, each in enumerate(self.about["parameters"])
            if each["becomes"] is not None
        }

    def begin(self, values: Mapping[str, NDArray[np.generic]] | None = None) -> list[jax.Array]:
        """The parameters of the first step, on the device."""
        numbers = np.random.default_rng(0)
        return [
            jax.device_put(_drawn(numbers, each) if values is None else values[str(place)])
            for place, each in enumerate(self.about["parameters"])
        ]

    def step(self, given: list[jax.Array]) -> list[jax.Array]:
        """What the step gives; `given` becomes what the next one is given."""
        found = self._step.execute_sharded(given).disassemble_into_single_device_arrays()
        for place, result in self._becomes.items():
            given[place] = found[result][0]
        return [each[0] for each in found]


def _drawn(numbers: np.random.Generator, about: Mapping[str, Any]) -> NDArray[np.generic]:
    shape, dtype = about["shape"], np.dtype(getattr(ml_dtypes, about["dtype"], about["dtype"]))
    mean, deviation = about["mean"], about["deviation"]
    if dtype.kind in "iu":
        spread = deviation * 12**0.5 / 2
        drawn = numbers.uniform(mean - spread, mean + spread, shape)
        return np.asarray(np.round(drawn).clip(0)).astype(dtype)
    drawn = numbers.standard_normal(shape, np.float32) * deviation + mean
    return np.asarray(drawn).astype(dtype)


def check(path: Path) -> str:
    """Whether the losses are those of TensorFlow."""
    program = Program(path)
    with np.load(path.with_suffix(".npz")) as values:
        wanted = values["losses"]
        given = program.begin(values)
    losses = np.array([float(program.step(given)[0]) for _ in wanted])
    away = np.abs(losses / wanted - 1).max()
    verdict = "as with TensorFlow" if away < _BOUND else "NOT as with TensorFlow"
    return f"{path.stem}: losses of {len(wanted)} steps {verdict}, at most {away:.1e} away"


def seconds(program: Program) -> float:
    """The median time of a step."""
    given = program.begin()
    taken = []
    for number in range(ROUNDS + 1):
        start = time.perf_counter()
        for _ in range(STEPS):
            found = program.step(given)
        found[0].block_until_ready()
        if number:
            taken.append((time.perf_counter() - start) / STEPS)
    if not np.isfinite(float(found[0])):
        print("the loss is no number")
    return statistics.median(taken)


def main(arguments: Sequence[str]) -> None:
    """Print a line for each program in a folder."""
    device = jax.devices()[0]
    peak = peak_of(device.device_kind)
    print(device.device_kind, "jax", jax.__version__)
    for path in sorted(Path(arguments[0]).glob("*.json")):
        if path.with_suffix(".npz").exists():
            print(check(path), flush=True)
            continue
        program = Program(path)
        taken = seconds(program)
        told = f"{taken * 1e3:.1f} ms a step, {program.about['examples'] / taken:,.1f} examples/s"
        if peak is not None:
            told += f", {program.about['operations'] / taken / peak:.1%} of the peak"
        print(f"{path.stem}: {told}", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
