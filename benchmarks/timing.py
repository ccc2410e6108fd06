"""Takes times side by side, so that what else the machine does falls on both."""

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
    """Medians of ours and theirs, in the unit that was measured."""

    ours: float
    theirs: float

    @property
    def ratio(self) -> float:
        """Below 1 where ours takes less."""
        return self.ours / self.theirs


def seconds(run: Callable[[], object]) -> float:
    """How long one call takes, its garbage collected before the clock starts."""
    gc.collect()
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def compare(ours: Callable[[], object], theirs: Callable[[], object], *, rounds: int) -> Comparison:
    """Median times of two calls that take turns; the first turn of each warms up."""
    pairs = [(seconds(ours), seconds(theirs)) for _ in range(rounds + 1)][1:]
    return Comparison(
        statistics.median(ours for ours, _ in pairs),
        statistics.median(theirs for _, theirs in pairs),
    )


def process_seconds(*arguments: str) -> float:
    """How long a process of this Python takes."""
    return seconds(lambda: subprocess.run([sys.executable, *arguments], check=True,
                                          capture_output=True))  # fmt: skip


def peak_bytes(code: str) -> int:
    """The most memory that a Python process takes for `code`.

    Read from /proc, because what `getrusage` tells begins with the size of the parent process.
    """
    report = "print(open('/proc/self/status').read().split('VmHWM:')[1].split()[0])"
    output = subprocess.check_output(
        [sys.executable, "-c", f"{code}\n{report}"], text=True, stderr=subprocess.DEVNULL
    )
    return int(output.split()[-1]) * 1024
