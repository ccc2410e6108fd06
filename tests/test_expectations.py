"""What a blueprint promises under `expect` is held against what Keras makes of it."""

from __future__ import annotations

from pathlib import Path

import pytest
from helpers.blueprints import write

import archbuilder
from archbuilder import BlueprintError

TEXT = """
params: {units: 3}
variants: {wide: {units: 5}}
inputs: {x: [4]}
layers: [{Dense: $units}, BatchNormalization]
expect:
"""
TWO = """
inputs: {x: [4]}
layers:
  - {Dense: 2, name: a}
  - {Dense: 3, name: b, from: x}
outputs: {left: a, right: b}
expect:
"""


def broken(folder: Path, text: str, **params: object) -> list[str]:
    """The messages of the promises that are not kept."""
    blueprint = archbuilder.load(write(folder, text))
    try:
        blueprint.analyze(**params)
    except BlueprintError as error:
        return [each.message for each in error.diagnostics if each.code == "expectation-failed"]
    return []


def test_met_expectations_report_nothing(tmp_path: Path) -> None:
    """All four kinds of them."""
    promise = "  default: {parameters: 27, trainable: 21, multiply_adds: 12, output: [null, 3]}"
    assert broken(tmp_path, TEXT + promise) == []


@pytest.mark.parametrize(
    ("promise", "message"),
    [
        ("parameters: 28", "'default' should have 28 parameters, but has 27"),
        ("trainable: 27", "'default' should have 27 trainable parameters, but has 21"),
        ("multiply_adds: 1", "'default' should have 1 multiply-adds, but has"),
        ("output: [null, 4]", "should be [null, 4], but is [null, 3]"),
        ("output: [3]", "should be [3], but is [null, 3]"),
    ],
)
def test_failed_expectations_are_reported(tmp_path: Path, promise: str, message: str) -> None:
    """With what is promised and what is."""
    (reported,) = broken(tmp_path, f"{TEXT}  default: {{{promise}}}")
    assert message in reported


def test_expectations_hold_for_their_variant(tmp_path: Path) -> None:
    """Not for others, and not with parameters that a person chose."""
    text = TEXT + "  wide: {parameters: 1}"
    assert broken(tmp_path, text) == []
    assert len(broken(tmp_path, text, variant="wide")) == 1
    assert broken(tmp_path, text, variant="wide", units=4) == []


def test_expected_outputs_by_name(tmp_path: Path) -> None:
    """A name that is none is told, and so is a shape without a name."""
    correct = TWO + "  default: {output: {left: [null, 2], right: [null, 3]}}"
    assert broken(tmp_path, correct) == []
    (message,) = broken(tmp_path, TWO + "  default: {output: {left: [null, 2], rihgt: [null, 3]}}")
    assert "no output 'rihgt'; the outputs are left, right" in message
    (message,) = broken(tmp_path, TWO + "  default: {output: [null, 2]}")
    assert "a mapping from names to shapes: left, right" in message


def test_expected_outputs_of_several_networks(tmp_path: Path) -> None:
    """A network with one output stands under its name, the outputs of others under theirs."""
    text = """
networks:
  encoder:
    inputs: {x: [4]}
    layers:
      - {Dense: 2, name: mean}
      - {Dense: 3, name: variance, from: x}
    outputs: [mean, variance]
  decoder:
    inputs: {z: [2]}
    layers: [Dense: 4]
expect:
"""
    shapes = "encoder.mean: [null, {mean}], encoder.variance: [null, 3], decoder: [null, 4]"
    correct = f"  default: {{output: {{{shapes.format(mean=2)}}}}}"
    assert broken(tmp_path, text + correct) == []
    (message,) = broken(tmp_path, f"{text}  default: {{output: {{{shapes.format(mean=3)}}}}}")
    assert "should be [null, 3], but is [null, 2]" in message
    (message,) = broken(tmp_path, text + "  default: {output: {encoder: [null, 2]}}")
    names = "encoder.mean, encoder.variance, decoder"
    assert f"no output 'encoder'; the outputs are {names}" in message
