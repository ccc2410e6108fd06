"""Compares blueprints with PyTorch: what to compare, and how.

Run as a program, it writes what PyTorch gives for the small forms to `torch_outputs.json`, so that
tests can compare without PyTorch:

    python tests/library/torch_proof.py
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import keras
import numpy as np

import archbuilder

HERE: Final = Path(__file__).parent
RECORDED: Final = HERE / "torch_outputs.json"
PYTHON: Final = Path(sys.prefix) / "proofs" / "bin" / "python"
"""The environment with PyTorch, which `make proofs` puts beside ours."""

if __name__ == "__main__":
    sys.path.insert(0, str(HERE.parent))

from library.weights import fill, in_order, without_softmax  # noqa: E402 - needs the path


@dataclass(frozen=True)
class Case:
    """A blueprint with parameters, and the options that make the reference the same network."""

    blueprint: str
    params: Mapping[str, object]
    options: Mapping[str, object]

    @property
    def reference(self) -> str:
        """The function of `torch_networks.py`."""
        return self.blueprint.partition(":")[0]


_ENCODER: Final = {"vocabulary": 11, "depth": 2, "width": 16, "hidden": 24, "heads": 4}
_V1_0: Final = {"version": "1_0", "padding": 1}
_V1_1: Final = {"version": "1_1", "padding": 0}
SMALL: Final[Mapping[str, Case]] = {
    "squeezenet 1.0": Case("squeezenet:1.0", {"image_size": 67, "classes": 7}, _V1_0),
    "squeezenet 1.1": Case("squeezenet:1.1", {"image_size": 67, "classes": 7}, _V1_1),
    "googlenet": Case("googlenet", {"image_size": 64, "classes": 7}, {"auxiliary": False}),
    "googlenet with heads": Case(
        "googlenet", {"image_size": 128, "classes": 7, "auxiliary": True}, {"auxiliary": True}
    ),
    "unet": Case("unet", {"image_size": 44, "filters": 4, "depth": 2}, {"depth": 2, "padding": 0}),
    "unet same": Case(
        "unet:same", {"image_size": 8, "filters": 4, "depth": 2}, {"depth": 2, "padding": 1}
    ),
    "transformer": Case("transformer_encoder", _ENCODER, {"depth": 2, "heads": 4}),
}
FULL: Final[Mapping[str, Case]] = {
    "squeezenet 1.0": Case("squeezenet:1.0", {}, _V1_0),
    "squeezenet 1.0, conv10 of table 1": Case(
        "squeezenet:1.0", {"final_padding": 0}, {"version": "1_0", "padding": 0}
    ),
    "squeezenet 1.1": Case("squeezenet:1.1", {}, _V1_1),
    "googlenet": Case("googlenet", {}, {"auxiliary": False}),
    "googlenet training": Case("googlenet:training", {}, {"auxiliary": True}),
    "unet": Case("unet", {}, {"depth": 4, "padding": 0}),
    "unet same": Case("unet:same", {}, {"depth": 4, "padding": 1}),
    "transformer base": Case("transformer_encoder:base", {}, {"depth": 6, "heads": 8}),
    "transformer big": Case("transformer_encoder:big", {}, {"depth": 6, "heads": 16}),
}


@dataclass(frozen=True)
class Ours:
    """A compiled blueprint with random weights, an input for it, and what it makes of that."""

    weights: list[np.ndarray]
    given: np.ndarray
    outputs: list[np.ndarray]


def run_ours(case: Case) -> Ours:
    """The outputs of the blueprint, before its softmax."""
    blueprint = archbuilder.load(case.blueprint)
    model = blueprint.compile(**case.params)
    (graph,) = blueprint.graphs(**case.params).values()
    weights = in_order(model, graph)
    fill(weights)
    given = _input(model)
    made = without_softmax(model)(given)
    outputs = [made[name] for name, _ in graph.outputs] if isinstance(made, dict) else [made]
    return Ours([np.asarray(each) for each in weights], given, [np.asarray(o) for o in outputs])


def _input(model: keras.Model) -> np.ndarray:
    generator = np.random.default_rng(11)
    (tensor,) = model.inputs
    shape = [1, *(6 if size is None else size for size in tensor.shape[1:])]
    if tensor.dtype == "int32":
        return generator.integers(0, 11, shape, dtype=np.int32)
    return generator.standard_normal(shape, dtype=np.float32)


def run_torch(case: Case, ours: Ours) -> list[np.ndarray]:
    """The outputs of the reference, with the same weights and input."""
    named = {f"weight{index}": weight for index, weight in enumerate(ours.weights)}
    with tempfile.TemporaryDirectory() as folder:
        given, outputs = Path(folder, "given.npz"), Path(folder, "outputs.npz")
        np.savez(
            given,
            name=case.reference,
            options=json.dumps(case.options),
            input=ours.given,
            count=len(named),
            **named,
        )
        subprocess.run([PYTHON, HERE / "torch_networks.py", given, outputs], check=True)
        with np.load(outputs) as loaded:
            return [loaded[name] for name in loaded.files]


def read_recorded(name: str) -> list[np.ndarray]:
    """What PyTorch gave for a small form."""
    return [np.asarray(each, "float32") for each in json.loads(RECORDED.read_text())[name]]


def record() -> None:
    """Write what PyTorch gives for all small forms."""
    recorded = {}
    for name, case in SMALL.items():
        outputs = run_torch(case, run_ours(case))
        recorded[name] = [np.round(each.astype("float64"), 7).tolist() for each in outputs]
    RECORDED.write_text(json.dumps(recorded, indent=None) + "\n")


if __name__ == "__main__":
    record()
