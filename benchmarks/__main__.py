"""Runs every benchmark: `make bench`, or `python -m benchmarks --rounds 3 compile`."""

from __future__ import annotations

import argparse
import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import benchmarks.compile
import benchmarks.gan
import benchmarks.gpu
import benchmarks.memory
import benchmarks.scaling
import benchmarks.shares
import benchmarks.sources
import benchmarks.train
import benchmarks.validate
from benchmarks import overhead

BENCHMARKS = {
    "compile": benchmarks.compile.main,
    "memory": benchmarks.memory.main,
    "validate": benchmarks.validate.main,
    "scaling": benchmarks.scaling.main,
    "train": benchmarks.train.main,
    "gan": benchmarks.gan.main,
    "workers": overhead.workers,
    "shares": benchmarks.shares.main,
    "sources": benchmarks.sources.main,
    "checkpoints": overhead.checkpoints,
    "input-pipeline": overhead.input_pipeline,
    "gpu": benchmarks.gpu.main,
}


def main() -> None:
    """Print the tables of the selected benchmarks."""
    parser = argparse.ArgumentParser(prog="benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(BENCHMARKS)}")
    parser.add_argument("--rounds", type=int, default=7, help="measurements of each side")
    arguments = parser.parse_args()
    unknown = set(arguments.names) - set(BENCHMARKS)
    if unknown:
        parser.error(f"unknown benchmark: {', '.join(sorted(unknown))}")
    for name in arguments.names or BENCHMARKS:
        print(f"\n## {name}\n")
        BENCHMARKS[name](arguments.rounds)


if __name__ == "__main__":
    main()
