"""Run the XLA programs that `export` wrote: `python -m benchmarks.xla.run DIR`.

This needs JAX, which has the same compiler for GPUs as TensorFlow. Programs with an .npz file of
values are compared with the losses of TensorFlow; the others are timed.
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

from benchmarks.gpu_peaks import peak_of

jax.config.update("jax_enable_x64", val=True)  # TensorFlow counts steps in int64

STEPS = 20
ROUNDS = 5
_BOUND = 1e-3
"""Relative; a GPU adds in another order than a CPU."""


class Program:
    """A training step, compiled for the first device."""

    def __init__(self, path: Path) -> None:
        self.metadata = json.loads(path.read_text())
        compressed = path.with_suffix(".hlo.gz").read_bytes()
        stable = xla_client._xla.mlir.hlo_to_stablehlo(  # noqa: SLF001 - JAX has no public function
            gzip.decompress(compressed)
        )
        device = jax.devices()[0]
        self._step = device.client.compile_and_load(
            stable, xla_client.DeviceList((device,)), xla_client.CompileOptions()
        )
        self._becomes = {
            index: each["becomes"]
            for index, each in enumerate(self.metadata["parameters"])
            if each["becomes"] is not None
        }

    def initial_parameters(
        self, values: Mapping[str, NDArray[np.generic]] | None = None
    ) -> list[jax.Array]:
        """Return the parameters of the first step, on the device."""
        rng = np.random.default_rng(0)
        return [
            jax.device_put(_draw(rng, each) if values is None else values[str(index)])
            for index, each in enumerate(self.metadata["parameters"])
        ]

    def step(self, parameters: list[jax.Array]) -> list[jax.Array]:
        """Return the results of a step; `parameters` become those of the next one."""
        results = self._step.execute_sharded(parameters).disassemble_into_single_device_arrays()
        for index, result in self._becomes.items():
            parameters[index] = results[result][0]
        return [each[0] for each in results]


def _draw(rng: np.random.Generator, parameter: Mapping[str, Any]) -> NDArray[np.generic]:
    shape, dtype_name = parameter["shape"], parameter["dtype"]
    dtype = np.dtype(getattr(ml_dtypes, dtype_name, dtype_name))
    mean, deviation = parameter["mean"], parameter["deviation"]
    if dtype.kind in "iu":
        spread = deviation * 12**0.5 / 2
        drawn = rng.uniform(mean - spread, mean + spread, shape)
        return np.asarray(np.round(drawn).clip(0)).astype(dtype)
    drawn = rng.standard_normal(shape, np.float32) * deviation + mean
    return np.asarray(drawn).astype(dtype)


def check(path: Path) -> str:
    """Compare the losses with those of TensorFlow."""
    program = Program(path)
    with np.load(path.with_suffix(".npz")) as values:
        expected = values["losses"]
        parameters = program.initial_parameters(values)
    losses = np.array([float(program.step(parameters)[0]) for _ in expected])
    error = np.abs(losses / expected - 1).max()
    verdict = "agree with TensorFlow" if error < _BOUND else "DO NOT agree with TensorFlow"
    return f"{path.stem}: {len(expected)} losses {verdict}, largest relative error {error:.1e}"


def seconds(program: Program) -> float:
    """Return the median time of a step."""
    parameters = program.initial_parameters()
    durations = []
    for number in range(ROUNDS + 1):
        start = time.perf_counter()
        for _ in range(STEPS):
            results = program.step(parameters)
        results[0].block_until_ready()
        if number:
            durations.append((time.perf_counter() - start) / STEPS)
    if not np.isfinite(float(results[0])):
        print("the loss is not finite")
    return statistics.median(durations)


def main(arguments: Sequence[str]) -> None:
    """Print a line for each program in a directory."""
    device = jax.devices()[0]
    peak = peak_of(device.device_kind)
    print(device.device_kind, "jax", jax.__version__)
    for path in sorted(Path(arguments[0]).glob("*.json")):
        if path.with_suffix(".npz").exists():
            print(check(path), flush=True)
            continue
        program = Program(path)
        duration = seconds(program)
        rate = program.metadata["examples"] / duration
        line = f"{path.stem}: {duration * 1e3:.1f} ms per step, {rate:,.1f} examples/s"
        if peak is not None:
            line += f", {program.metadata['operations'] / duration / peak:.1%} of the peak"
        print(line, flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
