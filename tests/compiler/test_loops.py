"""The indices of `repeat` and `for` under their own names, in nested loops."""

from __future__ import annotations

from pathlib import Path

from helpers.blueprints import arguments, edges, error_codes, expand, write

import archbuilder
from archbuilder.limits import Limits
from tests.helpers.processor_time import at_most

NESTED = """
inputs: {x: [4]}
layers:
  - repeat: {times: 2, index: outer}
    layers:
      - for: {n: [10, 20, 30], index: middle}
        layers:
          - Dense: $(1000 * (outer + 1) + 100 * middle + n + i)
            repeat: 2
            name: d$(outer)_$(middle)_$i
"""


def test_nested_loops_read_the_indices_of_all(tmp_path: Path):
    """`index` names an index; the innermost loop still has `$i`."""
    units = {node.name: arguments(node)["units"] for node in expand(tmp_path, NESTED).nodes}
    assert units == {
        f"d{outer}_{middle}_{inner}": 1000 * (outer + 1) + 100 * middle + n + inner
        for outer in range(2)
        for middle, n in enumerate([10, 20, 30])
        for inner in range(2)
    }


def test_for_and_repeat_of_one_step_have_an_index_each(tmp_path: Path):
    """`times` may read the variables and the index of the `for` beside it."""
    text = """
inputs: {x: [4]}
layers:
  - for: {depth: [1, 2], index: stage}
    repeat: {times: $(depth + stage), index: n}
    Dense: $(10 * (stage + 1) + n)
"""
    units = [arguments(node)["units"] for node in expand(tmp_path, text).nodes]
    assert units == [10, 20, 21, 22]


def test_an_index_replaces_i(tmp_path: Path):
    """So `$i` in a loop with an `index` is that of the loop around it, or unknown."""
    text = """
inputs: {x: [4]}
layers:
  - repeat: 2
    layers: [{Dense: $(i + 1), repeat: {times: 2, index: n}}]
"""
    units = [arguments(node)["units"] for node in expand(tmp_path, text).nodes]
    assert units == [1, 1, 2, 2]
    text = "inputs: {x: [4]}\nlayers: [{Dense: $(i + 1), repeat: {times: 2, index: n}}]\n"
    assert error_codes(tmp_path, text) == ["unknown-parameter 4:20"]


def test_times_without_an_index(tmp_path: Path):
    """The index is then `$i`, as for a bare number."""
    text = "inputs: {x: [4]}\nlayers: [{Dense: $(i + 1), repeat: {times: 2}}]\n"
    assert edges(expand(tmp_path, text)) == {"dense0": ["x"], "dense1": ["dense0"]}


def test_steps_are_counted_before_they_are_expanded(tmp_path: Path):
    """Loops that read their indices or not: the limit is found at once."""
    for value in ("1", "$(a + b + 1)"):
        text = f"""
inputs: {{x: [4]}}
layers:
  - repeat: {{times: 9000, index: a}}
    layers: [{{Dense: {value}, repeat: {{times: 9000, index: b}}}}]
"""
        with at_most(seconds=2):
            assert error_codes(tmp_path, text) == ["limit-exceeded 6:5"]


def test_round_trip(tmp_path: Path):
    """The writer of blueprints has no loops; the text gives the same graph."""
    blueprint = archbuilder.load(write(tmp_path, NESTED), limits=Limits())
    again = archbuilder.load(write(tmp_path, blueprint.expand(), "again.yaml"))
    assert edges(again.graphs()["net"]) == edges(blueprint.graphs()["net"])


def test_a_long_default_is_read_once(tmp_path: Path):
    """A block that has it may be called thousands of times."""
    text = f"""
blocks:
  scale:
    params: {{table: {{type: array, default: {list(range(10_000))}}}, index: 0}}
    layers: [{{ops.multiply: {{x2: "$(table[index])"}}}}]
inputs: {{x: [4]}}
layers: [{{scale: {{index: $i}}, repeat: 2000}}]
"""
    blueprint = archbuilder.load(write(tmp_path, text))
    with at_most(seconds=2):
        (graph,) = blueprint.graphs().values()
    assert [arguments(node)["x2"] for node in graph.nodes] == list(range(2000))
