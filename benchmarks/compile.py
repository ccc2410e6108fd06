"""Compile a blueprint, compared with building the same model by hand, weights included."""

from __future__ import annotations

import keras

import archbuilder
from benchmarks.plain_models import MODELS
from benchmarks.timing import compare


def main(rounds: int) -> None:
    """Print a row for each model."""
    print("| model | archbuilder, s | plain Keras, s | ratio |")
    print("|---|---:|---:|---:|")
    for name, build in MODELS.items():

        def compile_blueprint(name: str = name) -> None:
            keras.utils.clear_session()
            archbuilder.load(name).compile()

        def build_plain_model(build: object = build) -> None:
            keras.utils.clear_session()
            build()

        result = compare(compile_blueprint, build_plain_model, rounds=rounds)
        print(f"| {name} | {result.archbuilder:.2f} | {result.baseline:.2f} | {result.ratio:.2f} |")
