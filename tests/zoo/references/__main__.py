"""Runs a reference on what one file holds, and writes its outputs to another.

    python references MODULE OPTIONS ASKED.npz ANSWERED.npz

It runs in an environment of its own, which `make parity` makes, without TensorFlow and archbuilder.
`MODULE` is a file of this folder with a function `outputs(weights, inputs, **options)`: the weights
in the order in which the blueprint reads, and its input, or several by name. Images have their
channels last in the files, as Keras has them, and first inside, as PyTorch has them.
"""

from __future__ import annotations

import importlib
import json
import sys

import numpy as np
import torch
from torch import Tensor
from torch_weights import Weights


def main(module: str, options: str, asked: str, answered: str) -> None:
    """Ask one reference."""
    with np.load(asked) as arrays:
        weights = [arrays[name] for name in arrays.files if name.startswith("weight:")]
        inputs = {
            name.partition(":")[2]: _from_keras(torch.from_numpy(arrays[name]))
            for name in arrays.files
            if name.startswith("input:")
        }
    taken = Weights(weights)
    value = next(iter(inputs.values())) if len(inputs) == 1 else inputs
    with torch.inference_mode():
        outputs = importlib.import_module(module).outputs(taken, value, **json.loads(options))
    taken.check_empty()
    np.savez(answered, *(_to_keras(each).numpy() for each in outputs))


def _from_keras(value: Tensor) -> Tensor:
    return value.permute(0, 3, 1, 2) if value.ndim == 4 else value


def _to_keras(value: Tensor) -> Tensor:
    return value.permute(0, 2, 3, 1) if value.ndim == 4 else value


if __name__ == "__main__":
    main(*sys.argv[1:])
