"""`archbuilder validate` as a process against importing Keras alone."""

from __future__ import annotations

import statistics

from benchmarks.measuring import Comparison, process_seconds


def report(rounds: int) -> None:
    """A row for each of a few blueprints."""
    print("| blueprint | archbuilder validate, s | import keras, s | ratio |")
    print("|---|---:|---:|---:|")
    for name in ("vgg", "resnet", "googlenet"):
        pairs = [
            (
                process_seconds("-m", "archbuilder", "validate", name),
                process_seconds("-c", "import keras"),
            )
            for _ in range(rounds)
        ]
        result = Comparison(
            statistics.median(ours for ours, _ in pairs),
            statistics.median(theirs for _, theirs in pairs),
        )
        print(f"| {name} | {result.ours:.2f} | {result.theirs:.2f} | {result.ratio:.2f} |")
