"""Compiling a blueprint against building the same model by hand, weights included."""

from __future__ import annotations

import keras

import archbuilder
from benchmarks.measuring import compare
from benchmarks.plain_models import MODELS


def report(rounds: int) -> None:
    """A row for each model."""
    print("| model | archbuilder, s | plain Keras, s | ratio |")
    print("|---|---:|---:|---:|")
    for name, build in MODELS.items():

        def ours(name: str = name) -> None:
            keras.utils.clear_session()
            archbuilder.load(name).compile()

        def theirs(build: object = build) -> None:
            keras.utils.clear_session()
            build()

        result = compare(ours, theirs, rounds=rounds)
        print(f"| {name} | {result.ours:.2f} | {result.theirs:.2f} | {result.ratio:.2f} |")
