"""How compiling grows with the number of steps, and where plain Keras ends."""

from __future__ import annotations

import tempfile
from pathlib import Path

import keras

import archbuilder
from benchmarks.measuring import seconds
from benchmarks.plain_models import chain

BLUEPRINT = """\
archbuilder: 1
name: chain
inputs: {{x: [8]}}
layers:
  - Dense: 8
    repeat: {steps}
"""


def report(rounds: int) -> None:
    """A row for each length, the best of up to three rounds."""
    print("| steps | expand, ms a step | compile, ms a step | plain Keras, ms a step |")
    print("|---:|---:|---:|---:|")
    with tempfile.TemporaryDirectory() as folder:
        for steps in (100, 1_000, 10_000):
            path = Path(folder) / f"chain{steps}.yaml"
            path.write_text(BLUEPRINT.format(steps=steps))
            turns = 1 if steps == 10_000 else min(rounds, 3)
            expanding = min(_expand(path) for _ in range(turns))
            compiling = min(_compile(path) for _ in range(turns))
            each = [f"{time / steps * 1e3:.2f}" for time in (expanding, compiling)]
            print(f"| {steps:,} | {each[0]} | {each[1]} | {_plain(steps)} |")


def _expand(path: Path) -> float:
    return seconds(lambda: archbuilder.load(path).graphs())


def _compile(path: Path) -> float:
    keras.utils.clear_session()
    return seconds(lambda: archbuilder.load(path).compile())


def _plain(steps: int) -> str:
    keras.utils.clear_session()
    try:
        return f"{seconds(lambda: chain(steps)) / steps * 1e3:.2f}"
    except RecursionError:
        return "RecursionError"
