"""The command `archbuilder validate`, compared with importing Keras, in separate processes."""

from __future__ import annotations

from benchmarks.timing import medians, process_seconds


def main(rounds: int) -> None:
    """Print a row for each of several blueprints."""
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
        result = medians(pairs)
        print(f"| {name} | {result.archbuilder:.2f} | {result.baseline:.2f} | {result.ratio:.2f} |")
