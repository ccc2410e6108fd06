"""The most memory that compiling takes, in processes of their own."""

from __future__ import annotations

import statistics

from benchmarks.measuring import Comparison, peak_bytes
from benchmarks.plain_models import MODELS

OURS = "import archbuilder; model = archbuilder.load({name!r}).compile()"
THEIRS = "from benchmarks.plain_models import MODELS; model = MODELS[{name!r}]()"


def report(rounds: int) -> None:
    """A row for each model; memory is measured fewer times, as it varies less."""
    print("| model | archbuilder, MB | plain Keras, MB | ratio |")
    print("|---|---:|---:|---:|")
    for name in MODELS:
        peaks = [
            (peak_bytes(OURS.format(name=name)), peak_bytes(THEIRS.format(name=name)))
            for _ in range(min(rounds, 3))
        ]
        result = Comparison(
            statistics.median(ours for ours, _ in peaks) / 1e6,
            statistics.median(theirs for _, theirs in peaks) / 1e6,
        )
        print(f"| {name} | {result.ours:.0f} | {result.theirs:.0f} | {result.ratio:.2f} |")
