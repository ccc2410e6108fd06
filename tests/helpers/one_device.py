"""A run of every objective on one device, which several modules compare others with."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from helpers.objectives import BLUEPRINTS, DROPOUT_OFF, write_data
from helpers.shared_fixtures import common_folder, make_once

from archbuilder.cli import main

BATCH = {
    "supervised": 41,
    "ridge": 71,
    "gan": 33,
    "simclr": 70,
    "moco": 70,
    "causal": 26,
    "masked": 13,
}
"""Sizes that neither two nor four replicas share evenly, some of them at the end alone.

The last batch of `supervised` has fewer examples than there are replicas. The last batch of the
validation set is smaller than the others, too.
"""

SEVERAL = "-several"
"""The name of a blueprint that takes several steps at once, as it does by default, ends so."""


STEPS = """
archbuilder: 1
name: net
inputs: {tokens: {shape: [6], dtype: int32}}
layers:
  - Embedding: {input_dim: 5, output_dim: 3, mask_zero: true}
  - SimpleRNN: {units: 8, return_sequences: true}
  - Dense: {units: 3, activation: softmax}
data: {npz: {file: steps.npz}}
training:
  loss: SparseCategoricalCrossentropy
  optimizer: {SGD: 0.5}
  metrics: [SparseCategoricalAccuracy]
"""
EVERYTHING = {**BLUEPRINTS, "steps": STEPS}
"""The objectives, and a target for every step of sequences of different lengths."""


def command(folder: Path, objective: str, run: Path, *, several: bool = False) -> list[str]:
    """Return what trains an objective in the folder of a run, in single steps or in several."""
    settings = [argument for each in DROPOUT_OFF.get(objective, ()) for argument in ("--set", each)]
    size = ["--batch-size", str(BATCH.get(objective, 15))]
    epochs = [] if objective == "ridge" else ["--epochs", "2" if objective == "masked" else "1"]
    path = str(folder / f"{objective}{SEVERAL if several else ''}.yaml")
    return ["train", path, *settings, *size, *epochs, "--run-dir", str(run)]


def blueprints(factory: pytest.TempPathFactory) -> Path:
    """Return the folder with a blueprint for every objective, and its data."""
    return make_once(common_folder(factory) / "objectives", _write)


def trained_alone(factory: pytest.TempPathFactory, objective: str) -> Path:
    """Return the folder of a run, which lies beside the blueprints."""
    folder = blueprints(factory)

    def train(run: Path) -> None:
        assert main([*command(folder, objective, run), "--distribute", "none"]) == 0

    return make_once(folder / objective, train)


def _write(folder: Path) -> None:
    folder.mkdir()
    write_data(folder)
    numbers = np.random.default_rng(0)
    tokens = numbers.integers(1, 5, (50, 6))
    tokens[np.arange(6) >= numbers.integers(1, 7, (50, 1))] = 0
    np.savez(folder / "steps.npz", x=tokens, y=tokens % 3)
    for objective, text in EVERYTHING.items():
        (folder / f"{objective}.yaml").write_text(text)
        several = text.replace("steps_per_execution: 1", "steps_per_execution: auto")
        (folder / f"{objective}{SEVERAL}.yaml").write_text(several)
