"""Time per step of compiling long chains of layers, and where plain Keras fails."""

from __future__ import annotations

import tempfile
from pathlib import Path

import keras

import archbuilder
from benchmarks.plain_models import chain
from benchmarks.timing import seconds

BLUEPRINT = """\
archbuilder: 1
name: chain
inputs: {{x: [8]}}
layers:
  - Dense: 8
    repeat: {steps}
"""


def main(rounds: int) -> None:
    """Print a row for each length: the best of up to three rounds."""
    print("| steps | expand, ms a step | compile, ms a step | plain Keras, ms a step |")
    print("|---:|---:|---:|---:|")
    with tempfile.TemporaryDirectory() as folder:
        for steps in (100, 1_000, 10_000):
            path = Path(folder) / f"chain{steps}.yaml"
            path.write_text(BLUEPRINT.format(steps=steps))
            repetitions = 1 if steps == 10_000 else min(rounds, 3)
            expand = min(_expand_seconds(path) for _ in range(repetitions)) / steps * 1e3
            compile_ = min(_compile_seconds(path) for _ in range(repetitions)) / steps * 1e3
            print(f"| {steps:,} | {expand:.2f} | {compile_:.2f} | {_keras_milliseconds(steps)} |")


def _expand_seconds(path: Path) -> float:
    return seconds(lambda: archbuilder.load(path).graphs())


def _compile_seconds(path: Path) -> float:
    keras.utils.clear_session()
    return seconds(lambda: archbuilder.load(path).compile())


def _keras_milliseconds(steps: int) -> str:
    keras.utils.clear_session()
    try:
        return f"{seconds(lambda: chain(steps)) / steps * 1e3:.2f}"
    except RecursionError:
        return "RecursionError"
