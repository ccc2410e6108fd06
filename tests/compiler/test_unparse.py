"""The text of a graph is a blueprint of the same graph."""

from __future__ import annotations

from pathlib import Path

import pytest
from helpers.blueprints import write

import archbuilder


def assert_reads_back(path: Path) -> None:
    """Reading the text of an expanded blueprint and expanding it again changes nothing."""
    text = archbuilder.load(path).expand()
    again = path.with_name("again.yaml")
    again.write_text(text)
    blueprint = archbuilder.load(again)
    assert blueprint.expand() == text
    originals, graphs = archbuilder.load(path).graphs(), blueprint.graphs()
    assert list(graphs) == list(originals)
    for name, graph in graphs.items():
        assert [node.name for node in graph.nodes] == [n.name for n in originals[name].nodes]
        assert [name for name, _ in graph.outputs] == [name for name, _ in originals[name].outputs]


@pytest.mark.parametrize("name", ["true", "null", "no", "12", "1.5", "0.1", "00", "a.1", "y"])
def test_step_names_are_quoted(tmp_path: Path, name: str):
    """A name may be a number or a keyword; it is quoted wherever it stands."""
    text = f"""
inputs: {{x: [4]}}
layers:
  - {{Dense: 4, name: "{name}"}}
  - {{reuse: "{name}"}}
  - {{Add: , from: ["{name}", previous]}}
outputs: {{sum: previous, first: "{name}"}}
"""
    assert_reads_back(write(tmp_path, text))


@pytest.mark.parametrize("name", ["null", "true", "on"])
@pytest.mark.parametrize("head", ['name: "{}"', "networks:\n  one:", 'networks:\n  "{}":'])
def test_names_are_quoted(tmp_path: Path, name: str, head: str):
    """So are the names of blueprints, networks, inputs and outputs."""
    text = f"""
    inputs: {{{{"{name}": [4], other: [4]}}}}
    layers: [{{{{Add: , from: ["{name}", other], name: a}}}}]
    outputs: {{{{"{name}": a}}}}
"""
    if not head.startswith("networks"):
        text = text.replace("\n    ", "\n")
    assert_reads_back(write(tmp_path, f"archbuilder: 1\n{head}{text}".format(name)))


@pytest.mark.parametrize("stem", ["9" + "a" * 80, "a" * 80, "9", "-"])
def test_networks_named_like_files(tmp_path: Path, stem: str):
    """Whatever the file is called, the name that its network gets is a valid one."""
    text = "archbuilder: 1\ninputs: {x: [4]}\nlayers: [{Dense: 4}]"
    assert_reads_back(write(tmp_path, text, f"{stem}.yaml"))


def test_steps_without_inputs(tmp_path: Path):
    """They have no `from`; the next step has one."""
    text = """
inputs: {x: [4]}
layers:
  - {Parameter: {shape: [4], initializer: {Constant: 2}}, name: a}
  - {Constant: [[true, false]], name: b}
  - {reuse: a, name: c}
  - {ops.where: , from: [b, x, c]}
  - Flatten
"""
    assert_reads_back(write(tmp_path, text))
