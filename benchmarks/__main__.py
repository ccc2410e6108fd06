"""Runs every benchmark: `make bench`, or `python -m benchmarks --rounds 3 compile`."""

from __future__ import annotations

import argparse
import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from benchmarks import accelerated, compiling, memory, running, scaling, training, validating

BENCHMARKS = {
    "compile": compiling.report,
    "memory": memory.report,
    "validate": validating.report,
    "scaling": scaling.report,
    "training": training.report,
    "workers": running.workers,
    "checkpoints": running.checkpoints,
    "feeding": running.feeding,
    "gpu": accelerated.report,
}


def main() -> None:
    """Print the tables that were asked for."""
    parser = argparse.ArgumentParser(prog="benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(BENCHMARKS)}")
    parser.add_argument("--rounds", type=int, default=7, help="turns that each side takes")
    arguments = parser.parse_args()
    unknown = set(arguments.names) - set(BENCHMARKS)
    if unknown:
        parser.error(f"there is no benchmark {', '.join(sorted(unknown))}")
    for name in arguments.names or BENCHMARKS:
        print(f"\n## {name}\n")
        BENCHMARKS[name](arguments.rounds)


if __name__ == "__main__":
    main()
