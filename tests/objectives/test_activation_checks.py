"""Activations that do not match what an objective makes of an output have a warning."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from archbuilder.cli import main

BLUEPRINT = """archbuilder: 1
name: net
networks:
  generator:
    inputs: {noise: [8]}
    layers: [{Dense: {units: 64, activation: tanh}}, {Reshape: [8, 8]}]
  critic:
    inputs: {image: [8, 8]}
    layers: [Flatten, {Dense: {units: 10, activation: softmax}}, {Reshape: [10]}]
  net: {inputs: {image: [8, 8]}, layers: [Flatten, {Dense: 10}, {Reshape: [10]}]}
data: digits
training:
  objective:
    inputs: [image, label]
    layers:
      - {Normal: {input_of: generator}, name: noise}
      - {generator: , name: fake}
      - {critic: , from: fake, name: fake_score}
      - {critic: , from: image, name: score}
      - {net: , from: image, name: logits}
      - {formula: "mean(softmax(score, axis=-1) * fake_score, axis=-1)", name: doubled}
      - losses.SparseCategoricalCrossentropy: {from_logits: auto}
        from: [label, score]
        name: auto
      - {losses.SparseCategoricalCrossentropy: , from: [label, score], name: exact}
      - losses.SparseCategoricalCrossentropy: {from_logits: true}
        from: [label, score]
        name: twice
      - {losses.SparseCategoricalCrossentropy: , from: [label, logits], name: clipped}
    minimize: [doubled, auto, exact, twice, clipped]
  epochs: 1
  batch_size: 512
"""
WARNINGS = {
    18: "'critic' gets images from -1 on in 'fake' (tanh), and from 0 on in 'image'; scale them",
    21: "'doubled.softmax0' (ops.softmax) is of 'score', which is a softmax",
    26: "the output 'output' of 'score' has a softmax activation, which the loss",
    29: "the output 'output' of 'logits' has no activation, but the loss",
}
"""The warnings by their lines."""


def test_activations(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
):
    """Also before layers that only move values, where `from_logits: auto` sees them too."""
    monkeypatch.chdir(tmp_path)
    Path("net.yaml").write_text(BLUEPRINT)
    assert main(["train", "net.yaml", "--run-dir", "run"]) == 0
    log = capfd.readouterr()
    warnings = [line for line in (log.out + log.err).splitlines() if "warning" in line]
    for warning, (line, text) in zip(warnings, WARNINGS.items(), strict=True):
        assert warning.startswith(f"warning: {text}")
        assert f"(net.yaml:{line}:" in warning
    row = json.loads(Path("run", "history.jsonl").read_text())
    assert row["val_auto"] == row["val_exact"] != row["val_twice"]
