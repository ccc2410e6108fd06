"""Steps with `else`: one of two alternatives."""

from __future__ import annotations

from pathlib import Path

import pytest
from helpers.blueprints import edges, error_codes, expand, write

import archbuilder
from archbuilder.limits import Limits

TEXT = """
params: {deep: true}
inputs: {x: [4]}
layers:
  - {Dense: 4, name: stem}
  - when: $deep
    Dense: 8
    name: features
    else:
      - {ReLU: , name: inner}
      - {Dense: 3}
  - {Add: , from: [features, features]}
"""


def test_else_takes_the_place_of_the_step(tmp_path: Path):
    """It has the input of the step, and its output gets the name."""
    assert edges(expand(tmp_path, TEXT)) == {
        "stem": ["x"],
        "features": ["stem"],
        "add0": ["features", "features"],
    }
    assert edges(expand(tmp_path, TEXT, deep=False)) == {
        "stem": ["x"],
        "inner": ["stem"],
        "dense0": ["inner"],
        "add0": ["dense0", "dense0"],
    }


def test_else_of_any_step(tmp_path: Path):
    """Branches, lists and parameters have alternatives; `[]` is the identity."""
    text = """
params: {n: 0}
inputs: {x: [4], y: [4]}
layers:
  - when: $(n == 0)
    branches: [[{Dense: 4}], []]
    merge: Add
    else:
      - when: $(n == 1)
        layers: [{Dense: 5}, ReLU]
        else: []
  - {Add: , from: [previous, y]}
"""
    expected = [["dense0", "add0", "add1"], ["dense0", "re_lu0", "add0"], ["add0"]]
    for n, names in enumerate(expected):
        assert list(edges(expand(tmp_path, text, n=n))) == names
    assert edges(expand(tmp_path, text, n=2)) == {"add0": ["x", "y"]}


def test_else_in_a_loop_reads_from_and_the_iteration_before(tmp_path: Path):
    """The first reads `from`, the others the iteration before, whichever it was."""
    text = """
inputs: {x: [4], y: [4]}
layers:
  - {Dense: 4, name: stem}
  - Dense: 4
    from: x
    repeat: 3
    when: $(i == 1)
    else: [ReLU]
"""
    assert edges(expand(tmp_path, text)) == {
        "re_lu0": ["x"],
        "dense0": ["re_lu0"],
        "re_lu1": ["dense0"],
    }


def test_what_is_left_out_explains_itself(tmp_path: Path):
    """A reference to a step of the other alternative says that `when` skipped it."""
    text = TEXT.replace("[features, features]", "[features, inner]")
    assert error_codes(tmp_path, text) == ["unknown-name 13:30"]
    with pytest.raises(archbuilder.BlueprintError) as error:
        archbuilder.load(write(tmp_path, text)).graphs()
    assert "'when' skipped the step" in error.value.diagnostics[0].notes[0]
    assert error_codes(tmp_path, text, deep=False) == []


def test_else_needs_when(tmp_path: Path):
    """Without `when` there is nothing to choose; the steps are checked in any case."""
    text = (
        "inputs: {x: [4]}\nlayers: [{Dense: 4, else: [{Dnse: 3}]}, {Dense: 4, when: true, else: 3}]"
    )
    assert error_codes(tmp_path, text) == [
        "invalid-structure 4:21",
        "unknown-layer 4:29",
        "invalid-structure 4:70",
    ]


def test_steps_of_else_count(tmp_path: Path):
    """The limit of steps holds for the alternative that is taken."""
    text = """
params: {few: true}
inputs: {x: [4]}
layers: [{ReLU: , when: $few, else: [{ReLU: , repeat: 50}]}]
"""
    blueprint = archbuilder.load(write(tmp_path, text), limits=Limits().replace(expanded_steps=20))
    assert len(blueprint.graphs()["net"].nodes) == 1
    with pytest.raises(archbuilder.BlueprintError):
        blueprint.graphs(few=False)
