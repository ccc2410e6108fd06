"""Measure two sides in turns, so that the load of the machine affects both alike."""

from __future__ import annotations

import gc
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Comparison:
    """Medians of archbuilder and of a baseline, in the same unit."""

    archbuilder: float
    baseline: float

    @property
    def ratio(self) -> float:
        """Below 1 if archbuilder takes less."""
        return self.archbuilder / self.baseline


def seconds(run: Callable[[], object]) -> float:
    """Return the duration of one call; collect garbage before the clock starts."""
    gc.collect()
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def compare(
    archbuilder: Callable[[], object], baseline: Callable[[], object], *, rounds: int
) -> Comparison:
    """Return median times of two calls that take turns; the first turn of each warms up."""
    pairs = [(seconds(archbuilder), seconds(baseline)) for _ in range(rounds + 1)][1:]
    return medians(pairs)


def medians(pairs: list[tuple[float, float]]) -> Comparison:
    """Return the medians of measured pairs of archbuilder and the baseline."""
    archbuilder, baseline = (statistics.median(side) for side in zip(*pairs, strict=True))
    return Comparison(archbuilder, baseline)


def process_seconds(*arguments: str) -> float:
    """Return the duration of a process of this Python."""
    return seconds(lambda: subprocess.run([sys.executable, *arguments], check=True,
                                          capture_output=True))  # fmt: skip


def peak_bytes(code: str) -> int:
    """Return the peak memory of a Python process that runs `code`.

    It is read from /proc: the value of `getrusage` starts at the size of the parent process.
    """
    report = "print(open('/proc/self/status').read().split('VmHWM:')[1].split()[0])"
    output = subprocess.check_output(
        [sys.executable, "-c", f"{code}\n{report}"], text=True, stderr=subprocess.DEVNULL
    )
    return int(output.split()[-1]) * 1024
