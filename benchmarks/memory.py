"""Peak memory of compiling, in separate processes."""

from __future__ import annotations

from benchmarks.plain_models import MODELS
from benchmarks.timing import medians, peak_bytes

COMPILE_BLUEPRINT = "import archbuilder; model = archbuilder.load({name!r}).compile()"
BUILD_PLAIN_MODEL = "from benchmarks.plain_models import MODELS; model = MODELS[{name!r}]()"


def main(rounds: int) -> None:
    """Print a row for each model; memory varies little, so that three rounds are enough."""
    print("| model | archbuilder, MB | plain Keras, MB | ratio |")
    print("|---|---:|---:|---:|")
    for name in MODELS:
        pairs = [
            (
                peak_bytes(COMPILE_BLUEPRINT.format(name=name)) / 1e6,
                peak_bytes(BUILD_PLAIN_MODEL.format(name=name)) / 1e6,
            )
            for _ in range(min(rounds, 3))
        ]
        result = medians(pairs)
        print(f"| {name} | {result.archbuilder:.0f} | {result.baseline:.0f} | {result.ratio:.2f} |")
