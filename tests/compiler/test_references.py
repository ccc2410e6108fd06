"""Names under `from`, `reuse` and `outputs`: declared ones, generated ones and `previous`."""

from __future__ import annotations

from pathlib import Path

import pytest
from helpers.blueprints import edges, error_codes, expand, write

import archbuilder
from archbuilder.diagnostics.errors import BlueprintError

CELL = """
inputs: {x: [4], y: [4]}
blocks:
  cell:
    inputs: [left, right]
    layers:
      - {Add: , from: [left, right], name: sum}
    outputs: {sum: sum, old: left}
layers:
"""
STAGES = """
inputs: {x: [4]}
blocks:
  stage:
    params: {units: 4}
    layers: [{Dense: $units, name: a}, {Dense: $units, name: b}]
    outputs: {a: a, b: b}
layers:
"""


def message(folder: Path, text: str) -> tuple[str, tuple[str, ...]]:
    """The only error of a blueprint, and its notes."""
    with pytest.raises(BlueprintError) as caught:
        archbuilder.load(write(folder, text)).graphs()
    (diagnostic,) = caught.value.diagnostics
    return diagnostic.message, diagnostic.notes


def test_outputs_of_previous_by_name(tmp_path: Path):
    """`previous.x` is an output of the step before, under `from` and under `outputs`."""
    text = CELL + "  - {cell: , from: [x, y]}\n  - {ReLU: , from: previous.old}\n"
    assert edges(expand(tmp_path, text))["re_lu0"] == ["x"]
    text = CELL + "  - {cell: , from: [x, y]}\noutputs: {old: previous.old, new: previous.sum}\n"
    outputs = [(name, str(ref)) for name, ref in expand(tmp_path, text).outputs]
    assert outputs == [("old", "x"), ("new", "cell0.sum")]


def test_outputs_of_the_previous_iteration(tmp_path: Path):
    """In a repeated step, every entry with `previous` means the iteration before."""
    text = CELL + "  - {cell: , from: [x, y]}\n"
    text += "  - {cell: , from: [previous.sum, previous.old], repeat: 2}\n"
    graph_edges = edges(expand(tmp_path, text + "outputs: previous.sum\n"))
    assert graph_edges["cell1.sum"] == ["cell0.sum", "x"]
    assert graph_edges["cell2.sum"] == ["cell1.sum", "cell0.sum"]


def test_previous_replaces_itself_rather_than_the_first_entry(tmp_path: Path):
    """The memory may also come first; by name, too."""
    text = "inputs: {x: [4], y: [4]}\nlayers: [{Add: , from: [y, previous], repeat: 2}]\n"
    assert edges(expand(tmp_path, text)) == {"add0": ["y", "x"], "add1": ["y", "add0"]}
    layer = "MultiHeadAttention: {num_heads: 1, key_dim: 2}"
    text = "inputs: {y: [3, 4], x: [3, 4]}\nlayers:\n"
    text += f"  - {{{layer}, from: {{query: x, value: previous}}, repeat: 2}}\n"
    assert edges(expand(tmp_path, text)) == {
        "multi_head_attention0": ["x", "y"],
        "multi_head_attention1": ["x", "multi_head_attention0"],
    }


def test_a_chosen_source_may_be_previous(tmp_path: Path):
    """Whether `from` names `previous` is decided in each iteration."""
    source = "\"$('x' if i == 0 else 'previous.b')\""
    text = STAGES + f"  - {{stage: , from: {source}, repeat: 2}}\noutputs: previous.b\n"
    assert edges(expand(tmp_path, text))["stage1.a"] == ["stage0.b"]


def test_generated_names_are_those_of_the_nodes(tmp_path: Path):
    """A step without a name has the name of its node, in loops as well."""
    text = (
        STAGES
        + """
  - for: {units: [3, 4, 5]}
    layers: [{stage: $units, from: "$('x' if i == 0 else 'previous.b')"}]
  - {Concatenate: , from: [stage1.a, stage2.b, stage$(2 - 2).b]}
"""
    )
    assert edges(expand(tmp_path, text))["concatenate0"] == ["stage1.a", "stage2.b", "stage0.b"]


def test_generated_names_of_layers_outputs_and_merges(tmp_path: Path):
    """Layers, merged branches, `reuse` and `outputs` follow the same rule."""
    text = """
inputs: {x: [4]}
layers:
  - {Dense: 4, repeat: 2}
  - {branches: [[{Dense: 4}], []], merge: Add}
  - {reuse: dense0, from: dense2}
  - {Multiply: , from: [add0, dense0_use0, dense1]}
outputs: {a: multiply0, b: dense1}
"""
    graph = expand(tmp_path, text)
    assert edges(graph)["multiply0"] == ["add0", "dense0_use0", "dense1"]
    assert next(each for each in graph.nodes if each.name == "dense0_use0").weight_owner == "dense0"
    assert [str(ref) for _, ref in graph.outputs] == ["multiply0", "dense1"]


def test_skipped_iterations_have_no_number(tmp_path: Path):
    """The numbers are those of `show`, which lists only what exists."""
    text = "inputs: {x: [4]}\nlayers:\n  - {Dense: $(i + 1), repeat: 3, when: $(i != 1)}\n"
    text += "  - {Add: , from: [dense0, dense1]}\n"
    graph = expand(tmp_path, text)
    assert edges(graph)["add0"] == ["dense0", "dense1"]
    assert error_codes(tmp_path, text.replace("dense1]", "dense2]")) == ["unknown-name 6:28"]


def test_a_block_with_a_number_keeps_its_name(tmp_path: Path):
    """`stage0` is the only call of a block of this name, so no call of `stage` gets it."""
    text = """
inputs: {x: [4]}
blocks: {stage: {layers: [ReLU]}, stage0: {layers: [{Dense: 3}]}, stage0_: {layers: [Softmax]}}
layers: [stage, stage0, stage0_, stage, {Add: , from: [stage1, stage2]}, {Dense: 1, from: stage0}]
outputs: [add0, dense0]
"""
    graph = expand(tmp_path, text)
    assert [node.name for node in graph.nodes] == [
        "stage1.re_lu0",
        "stage0_0.dense0",
        "stage0_1.softmax0",
        "stage2.re_lu0",
        "add0",
        "dense0",
    ]
    assert edges(graph)["dense0"] == ["stage0_0.dense0"]


def test_generated_names_belong_to_their_block(tmp_path: Path):
    """What is inside a block is its own business, as for declared names."""
    text = STAGES + "  - {stage: }\n  - {Dense: 3, from: stage0.dense0}\n"
    assert error_codes(tmp_path, text) == ["unknown-output 11:22"]
    text = (
        "inputs: {x: [4]}\nblocks: {b: {layers: [{Dense: 3, from: dense0}]}}\nlayers: [Dense: 4, b]"
    )
    assert error_codes(tmp_path, text) == ["unknown-name 4:40"]


@pytest.mark.parametrize("reference", ["stage", "stage7.b", "Stage.b", "stage_1"])
def test_unknown_number(tmp_path: Path, reference: str):
    """The message lists the numbers that there are."""
    text = STAGES + "  - {stage: , from: \"$('x' if i == 0 else 'previous.b')\", repeat: 3}\n"
    text += f"  - {{Dense: 3, from: {reference}}}\n"
    assert message(tmp_path, text) == (
        f"there is no earlier step '{reference}'",
        ("the steps without a 'name' have numbers: 'stage0' to 'stage2'",),
    )


def test_round_trip_of_generated_names(tmp_path: Path):
    """`expand` writes the names, and the text reads the same steps."""
    text = STAGES + "  - {stage: 4}\n  - {stage: 4, from: previous.b}\n"
    text += "  - {Add: , from: [stage0.a, stage1.b]}\n"
    blueprint = archbuilder.load(write(tmp_path, text))
    again = archbuilder.load(write(tmp_path, blueprint.expand(), "again.yaml"))
    (graph,), (graph_again,) = blueprint.graphs().values(), again.graphs().values()
    assert edges(graph) == edges(graph_again)
