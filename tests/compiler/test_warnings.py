"""Warnings: one for each cause, at the step that it is the fault of."""

from __future__ import annotations

from pathlib import Path

import pytest
from helpers.blueprints import write

import archbuilder


def warnings(folder: Path, text: str) -> list[str]:
    """The warnings of a blueprint, as 'code line:column'."""
    diagnostics = archbuilder.load(write(folder, text)).validate()
    assert {each.severity for each in diagnostics} <= {"warning"}
    return [f"{each.code} {each.span.line}:{each.span.column}" for each in diagnostics if each.span]


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        ("[Dense: 4, Add]", ["single-input 4:20"]),
        ("[{branches: [[{Dense: 4}]], merge: Multiply}]", ["single-input 4:44"]),
        ("[{Concatenate: , from: x}]", ["single-input 4:11"]),
        ("[{LSTM: 4}, Average]", ["single-input 4:21"]),
        ("[{LSTM: {units: 4, return_state: true}}, Add]", []),
        ("[{GRU: {units: 4, return_state: true}}, {Add: , from: gru0.1}]", ["single-input 4:50"]),
        ("[{ops.split: {indices_or_sections: 1, axis: -1}}, Add]", []),
        ("[{ops.abs: , repeat: 3}, Maximum]", ["single-input 4:34"]),
        ("[{branches: [[], []]}, Add]", []),
    ],
)  # fmt: skip
def test_merging_layers_with_one_input(tmp_path: Path, steps: str, expected: list[str]):
    """A step that may have several outputs is enough; whatever else there is, is one tensor."""
    assert warnings(tmp_path, f"inputs: {{x: [3, 4]}}\nlayers: {steps}\n") == expected


def test_loops_and_blocks_warn_once(tmp_path: Path):
    """Every iteration and every call has the same cause."""
    text = """
inputs: {x: [4]}
blocks: {b: {layers: [{Dense: 4}, {Add: , repeat: 2}]}}
layers: [{b: , repeat: 5}]
"""
    assert warnings(tmp_path, text) == ["single-input 4:36"]


def test_an_unused_merge_is_not_warned_about_twice(tmp_path: Path):
    """It is not part of the model, whatever its inputs are."""
    text = "inputs: {x: [4]}\nlayers: [{Add: , name: a}, {Dense: 1, from: x}]\n"
    assert warnings(tmp_path, text) == ["unused-step 4:11"]
