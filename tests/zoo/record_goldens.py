"""Writes what the references give for small forms to `recorded/`, for tests without PyTorch.

    python tests/zoo/record_goldens.py [FAMILY ...]

It needs the environment that `make parity` makes.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from zoo.parity import RECORDED, referred
from zoo.reference_specs import FAMILIES


def record(family: str) -> None:
    """Ask the references of a family, and write down what they give."""
    outputs = {
        name: [
            each.astype("float64").round(7).tolist()
            for each in comparison.expected(comparison.run())
        ]
        for name, comparison in referred(FAMILIES[family].small)
    }
    if outputs:
        path = RECORDED / f"{family}.json"
        path.write_text(json.dumps(outputs, indent=None) + "\n", encoding="utf-8")


if __name__ == "__main__":
    for chosen in sys.argv[1:] or FAMILIES:
        record(chosen)
