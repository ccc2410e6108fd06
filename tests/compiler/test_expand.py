"""What the steps of a blueprint become: nodes, names and wiring."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from helpers.blueprints import arguments, edges, error_codes, expand, write

import archbuilder
from archbuilder.compiler.batch_axis import find_batch_axes
from archbuilder.compiler.ir import TensorRef, array_files
from archbuilder.diagnostics.errors import BlueprintError
from archbuilder.diagnostics.render import render
from archbuilder.limits import Limits


def test_steps_are_sequential(tmp_path: Path):
    """A step reads the one before it, the first step the input; the last is the output."""
    graph = expand(tmp_path, "inputs: {x: [4]}\nlayers: [Flatten, {Dense: 3}, ReLU]")
    assert edges(graph) == {"flatten0": ["x"], "dense0": ["flatten0"], "re_lu0": ["dense0"]}
    assert [(name, str(ref)) for name, ref in graph.outputs] == [("output", "re_lu0")]
    assert arguments(graph.nodes[1]) == {"units": 3}


def test_repeat_makes_steps_with_their_own_weights(tmp_path: Path):
    """Each round is a node of its own that reads the round before."""
    graph = expand(tmp_path, "inputs: {x: [4]}\nlayers: [{Dense: $(i + 1), repeat: 3}]")
    assert edges(graph) == {"dense0": ["x"], "dense1": ["dense0"], "dense2": ["dense1"]}
    assert [arguments(node)["units"] for node in graph.nodes] == [1, 2, 3]


def test_repeat_zero_is_identity(tmp_path: Path):
    """A step repeated no times is as if it were not there."""
    graph = expand(tmp_path, "inputs: {x: [4]}\nlayers: [{Dense: 1, repeat: 0}, ReLU]")
    assert edges(graph) == {"re_lu0": ["x"]}


def test_for_zips_its_lists(tmp_path: Path):
    """Variables take the items of the same place."""
    text = """
inputs: {x: [4]}
layers:
  - for: {units: [8, 16], rate: [0.1, 0.2]}
    layers: [{Dense: $units}, {Dropout: $rate}]
"""
    graph = expand(tmp_path, text)
    values = [next(iter(arguments(node).values())) for node in graph.nodes]
    assert values == [8, 0.1, 16, 0.2]


def test_for_with_repeat_repeats_each_round(tmp_path: Path):
    """Beside each other, `for` is the outer loop and `$i` counts the repeats."""
    text = "inputs: {x: [4]}\nlayers: [{for: {n: [10, 20]}, repeat: 2, Dense: $(n + i)}]"
    units = [arguments(node)["units"] for node in expand(tmp_path, text).nodes]
    assert units == [10, 11, 20, 21]


def test_when_is_evaluated_in_every_iteration(tmp_path: Path):
    """A condition may read the number of the round."""
    text = "inputs: {x: [4]}\nlayers: [{Dense: $(i + 1), repeat: 3, when: $(i != 1)}]"
    units = [arguments(node)["units"] for node in expand(tmp_path, text).nodes]
    assert units == [1, 3]


def test_empty_branch_is_identity(tmp_path: Path):
    """`[]` is the identity."""
    text = "inputs: {x: [4]}\nlayers: [{branches: [[{Dense: 4}], []], merge: Add}]"
    assert edges(expand(tmp_path, text)) == {"dense0": ["x"], "add0": ["dense0", "x"]}


def test_unmerged_branches_have_several_outputs(tmp_path: Path):
    """They go into a merging layer as its list, and are outputs by name or number."""
    text = """
inputs: {x: [4]}
layers:
  - branches: {left: [{Dense: 4}], right: []}
    name: two
  - Concatenate
  - Add:
    from: [two.left, two.1]
"""
    graph = expand(tmp_path, text)
    assert edges(graph)["add0"] == ["dense0", "x"]


def test_names_in_a_loop_are_visible_after_it(tmp_path: Path):
    """Loops make no scope, so a decoder finds the skips of its encoder."""
    text = """
inputs: {x: [4]}
layers:
  - repeat: 2
    layers:
      - Dense: 8
        name: skip$i
  - repeat: 2
    layers:
      - Add:
        from: [previous, skip$(1 - i)]
"""
    graph = expand(tmp_path, text)
    assert edges(graph) == {
        "skip0": ["x"],
        "skip1": ["skip0"],
        "add0": ["skip1", "skip1"],
        "add1": ["add0", "skip0"],
    }


def test_later_iterations_replace_the_first_source(tmp_path: Path):
    """So a stack of decoder layers reads the same memory in every round."""
    text = """
blocks:
  layer: {inputs: [x, memory], layers: [{Add: , from: [x, memory]}]}
inputs: {x: [4], memory: [4]}
layers:
  - layer:
    from: {x: x, memory: memory}
    repeat: 2
"""
    graph = expand(tmp_path, text)
    assert edges(graph) == {
        "layer0.add0": ["x", "memory"],
        "layer1.add0": ["layer0.add0", "memory"],
    }


@pytest.mark.parametrize("modifiers", ["repeat: 4", "for: {k: [0, 1, 2, 3]}"])
@pytest.mark.parametrize(
    "step",
    [
        "Concatenate: , from: a",
        "Concatenate: , from: {inputs: a}",
        "layers: [Concatenate], from: a",
        "branches: [[Concatenate]], from: a",
        "reuse: join, from: a",
    ],
)
def test_the_first_iteration_that_is_not_skipped_reads_its_source(
    tmp_path: Path, modifiers: str, step: str
):
    """Iterations left out by `when` pass nothing on, neither at the start nor in between."""
    text = f"""
inputs: {{x: [4]}}
layers:
  - {{Dense: 4, name: a}}
  - {{Concatenate: , name: join}}
  - {{Dense: 4, name: b}}
  - {{{step}, {modifiers}, when: $(i % 2 == 1), name: c$i}}
  - {{Add: , from: [b, c1, c3]}}
"""
    graph = expand(tmp_path, text)
    assert list(edges(graph).values())[-3:-1] == [["a"], [graph.nodes[-3].name]]


def test_a_block_is_a_scope_with_its_own_names(tmp_path: Path):
    """The same name in two uses of a block is two nodes, by their paths."""
    text = """
blocks:
  unit: {params: {n: }, layers: [{Dense: $n, name: fc}, {ReLU: , from: fc}]}
inputs: {x: [4]}
layers: [{unit: 8, name: first}, {unit: {n: 9}}]
"""
    graph = expand(tmp_path, text)
    assert list(edges(graph)) == ["first.fc", "first.re_lu0", "unit0.fc", "unit0.re_lu0"]


def test_outputs_of_a_block_have_names(tmp_path: Path):
    """A block that is used once is referred to by its own name."""
    text = """
blocks:
  encoder: {layers: [{Dense: 8, name: low}, {Dense: 4, name: high}], outputs: [low, high]}
inputs: {x: [4]}
layers: [encoder, {Dense: 8, from: encoder.high}, {Add: , from: [previous, encoder.low]}]
"""
    assert edges(expand(tmp_path, text))["add0"] == ["dense0", "encoder0.low"]


def test_ambiguous_block_reference(tmp_path: Path):
    """A reference that could mean two steps is an error that says so."""
    text = """
blocks:
  b: {layers: [ReLU], outputs: {y: previous}}
inputs: {x: [4]}
layers: [b, b, {Dense: 8, from: b.y}]
"""
    assert error_codes(tmp_path, text) == ["unknown-name 6:33"]


def test_reuse_shares_weights_of_a_layer(tmp_path: Path):
    """The node shares with the first one, also through another `reuse`."""
    text = """
inputs: {x: [4]}
layers: [{Dense: 4, name: d}, {reuse: d, name: e}, {reuse: e}]
"""
    graph = expand(tmp_path, text)
    assert [node.weight_owner for node in graph.nodes] == [None, "d", "d"]


def test_reuse_shares_all_layers_of_a_block(tmp_path: Path):
    """Siamese towers: the second use has nodes of its own with the weights of the first."""
    text = """
blocks:
  tower: {layers: [{Dense: 8, name: fc}, {reuse: fc}]}
inputs: {left: [8], right: [8]}
layers:
  - tower:
    name: one
    from: left
  - reuse: one
    name: two
    from: right
  - Add:
    from: [one, two]
"""
    graph = expand(tmp_path, text)
    assert {node.name: node.weight_owner for node in graph.nodes} == {
        "one.fc": None,
        "one.fc_use0": "one.fc",
        "two.fc": "one.fc",
        "two.fc_use0": "one.fc",
        "add0": None,
    }


def test_outputs_of_a_layer_have_numbers(tmp_path: Path):
    """`lstm.1` is the second output of the layer; a list of them is one input."""
    text = """
inputs: {x: [null, 4], y: [null, 4]}
layers:
  - LSTM: {units: 4, return_state: true}
    name: lstm
  - LSTM: 4
    from: {sequences: y, initial_state: [lstm.1, lstm.2]}
"""
    graph = expand(tmp_path, text)
    assert edges(graph)["lstm0"] == ["y", "lstm.1", "lstm.2"]


def test_steps_without_effect_are_left_out(tmp_path: Path):
    """What no output depends on is not in the graph; the owner of shared weights may change."""
    text = """
inputs: {x: [4]}
layers: [{Dense: 4, name: d}, {reuse: d, from: x, name: e}]
"""
    graph = expand(tmp_path, text)
    assert [(node.name, node.weight_owner) for node in graph.nodes] == [("e", None)]


@pytest.mark.parametrize(
    "steps",
    ["layers: [{Dense: 2, name: b}]", "branches: [[{Dense: 2, name: b}], []]\n    merge: Add"],
)
def test_outputs_within_a_step_that_is_left_out(tmp_path: Path, steps: str):
    """An output that stands in a group or a branch without its `when` is left out like others."""
    text = f"""
params: {{both: true}}
inputs: {{x: [2]}}
layers:
  - {{Dense: 2, name: a}}
  - when: $both
    {steps}
outputs: {{a: a, b: b}}
"""
    assert [name for name, _ in expand(tmp_path, text).outputs] == ["a", "b"]
    assert [name for name, _ in expand(tmp_path, text, both=False).outputs] == ["a"]


def test_an_input_is_left_out_by_its_when(tmp_path: Path):
    """With the steps that read it, in a network and in one that is a layer of another."""
    text = """
params: {both: false}
inputs: {x: {shape: [2], when: $both}, y: [2]}
layers:
  - {Add: , from: [x, y], when: $both, name: sum}
  - Dense: 2
"""
    alone, both = expand(tmp_path, text), expand(tmp_path, text, both=True)
    assert [each.name for each in alone.inputs] == ["y"]
    assert edges(alone) == {"dense0": ["y"]}
    assert [each.name for each in both.inputs] == ["x", "y"]
    assert edges(both) == {"sum": ["x", "y"], "dense0": ["sum"]}
    write(tmp_path, text, "inner.yaml")
    outer = """
imports: {inner: ./inner.yaml}
inputs: {a: [2], b: [2]}
layers:
  - {inner: , from: a}
  - {inner: {both: true}, from: {x: previous, y: b}}
"""
    assert edges(expand(tmp_path, outer)) == {
        "inner0.dense0": ["a"],
        "inner1.sum": ["inner0.dense0", "b"],
        "inner1.dense0": ["inner1.sum"],
    }


def test_defaults_may_be_computed_from_each_other(tmp_path: Path):
    """In whatever order they stand."""
    text = """
params: {hidden: $(4 * width), width: 8}
inputs: {x: [4]}
layers: [{Dense: $hidden}]
"""
    assert arguments(expand(tmp_path, text).nodes[0]) == {"units": 32}
    assert arguments(expand(tmp_path, text, width=2).nodes[0]) == {"units": 8}
    assert arguments(expand(tmp_path, text, hidden=3).nodes[0]) == {"units": 3}


def test_a_block_sees_its_file_and_itself_but_not_its_caller(tmp_path: Path):
    """Its own parameters go before those of the file; a caller's loop variables are not seen."""
    text = """
params: {n: 3, m: 5}
blocks:
  own: {params: {n: 7}, layers: [{Dense: $n}, {Dense: $m}]}
inputs: {x: [4]}
layers: [own, {Dense: $n}]
"""
    units = [arguments(node)["units"] for node in expand(tmp_path, text).nodes]
    assert units == [7, 5, 3]
    hidden = text.replace("$m}]", "$i}]").replace("[own,", "[{own: , repeat: 2},")
    assert error_codes(tmp_path, hidden) == ["unknown-parameter 5:55"]


@pytest.mark.parametrize(
    ("shape", "expected"),
    [("[4]", (4,)), ("[null, 3]", (None, 3)), ("[]", ()), ("[$n, $(n * 2)]", (6, 12))],
)
def test_shapes_of_inputs(tmp_path: Path, shape: str, expected: tuple[int | None, ...]):
    """Sizes are integers, open, or formulas."""
    text = f"params: {{n: 6}}\ninputs: {{x: {shape}}}\nlayers: [{{Dense: $n}}]"
    assert expand(tmp_path, text).inputs[0].shape == expected


def test_all_errors_are_reported_at_once(tmp_path: Path):
    """A mistake in one step does not hide those in others, and breeds no false ones."""
    text = """
inputs: {x: [4]}
layers:
  - Dnse: 4
    name: a
  - Dense: {unit: 4}
    name: b
  - Add:
    from: [a, b, nowhere]
  - Dense: 3
    name: b
  - repeat: $(1 / 0)
    layers: [Flatten]
"""
    assert error_codes(tmp_path, text) == [
        "unknown-layer 5:5",
        "unknown-argument 7:13",
        "unknown-name 10:18",
        "duplicate-name 12:11",
        "expression-error 13:17",
    ]


def test_nested_blocks_are_bounded(tmp_path: Path):
    """Ten uses in each of nine blocks would be a billion steps: refused, and at once."""
    blocks = "\n".join(f"  b{n}: {{layers: [{', '.join([f'b{n + 1}'] * 10)}]}}" for n in range(9))
    text = f"inputs: {{x: [4]}}\nlayers: [b0]\nblocks:\n{blocks}\n  b9: {{layers: [ReLU]}}"
    assert [each.split()[0] for each in error_codes(tmp_path, text)] == ["limit-exceeded"]


def test_step_limit_counts_merge_block(tmp_path: Path):
    """The steps of a block that merges branches count before anything is expanded."""
    text = """
params: {units: 4}
blocks:
  join: {inputs: [a, b], layers: [{Add: , from: [a, b]}, {Dense: 4, repeat: 50}]}
inputs: {x: [4]}
layers:
  - Dense: $(units - 4)
  - branches: [[ReLU], [Dense: 4]]
    merge: join
"""
    path = write(tmp_path, text)
    with pytest.raises(BlueprintError) as caught:
        archbuilder.load(path, limits=Limits().replace(expanded_steps=54)).graphs()
    # The expansion would report the units of the first step as well.
    assert [each.code for each in caught.value.diagnostics] == ["limit-exceeded"]
    path = write(tmp_path, text.replace("units: 4", "units: 8"))
    archbuilder.load(path, limits=Limits().replace(expanded_steps=55)).graphs()


def test_nesting_at_the_largest_limits(tmp_path: Path):
    """Blocks, steps and values that are nested as deep as the limits allow fit Python's stack."""
    blocks = "".join(f"  b{n}: {{layers: [b{n + 1}]}}\n" for n in range(1, 64))
    head = f"params: {{p: 1}}\ninputs: {{x: [4]}}\nlayers: [b1]\nblocks:\n{blocks}  b64: {{layers: "
    limits = Limits(block_depth=64, depth=150)
    path = write(tmp_path, head + "[{layers: " * 35 + "[Dense: $p]" + "}]" * 35 + "}")
    (graph,) = archbuilder.load(path, limits=limits).graphs().values()
    assert len(graph.nodes) == 1
    path = write(tmp_path, head + "[Dense: {units: " + "[" * 140 + "$p" + "]" * 140 + "}]}")
    with pytest.raises(BlueprintError, match="'units' of Dense must be an integer"):
        archbuilder.load(path, limits=limits).graphs()


def test_deeply_nested_steps_in_blocks(tmp_path: Path):
    """Each file and each block is within its limit, but all of them together are too deep."""
    nested = "[{layers: " * 25 + "[b%d]" + "}]" * 25
    blocks = "\n".join(f"  b{n}: {{layers: {nested % (n + 1)}}}" for n in range(30))
    text = f"inputs: {{x: [4]}}\nlayers: [b0]\nblocks:\n{blocks}\n  b30: {{layers: [ReLU]}}"
    assert [each.split()[0] for each in error_codes(tmp_path, text)] == ["limit-exceeded"]


def test_step_limit_per_import(tmp_path: Path):
    """Two imports of one file with other parameters have other numbers of steps."""
    lib = """
params: {depth: 1}
blocks:
  inner: {layers: [{Dense: 4, repeat: $depth}]}
  outer: {layers: [inner]}
"""
    write(tmp_path, lib, "lib.yaml")
    text = """
imports:
  a: {file: lib.yaml, params: {depth: 60}}
  b: {file: lib.yaml, params: {depth: 1}}
inputs: {x: [4]}
layers: [a.outer, b.outer]
"""
    path = write(tmp_path, text)
    (graph,) = archbuilder.load(path, limits=Limits().replace(expanded_steps=65)).graphs().values()
    assert len(graph.nodes) == 61
    with pytest.raises(BlueprintError, match="expands to more than 64 steps"):
        archbuilder.load(path, limits=Limits().replace(expanded_steps=64)).graphs()


@pytest.mark.parametrize(("repeat", "count"), [(50, 104), (0, 6)])
def test_step_limit_counts_reused_blocks(tmp_path: Path, repeat: int, count: int):
    """Each of them, and one for a step that is repeated no times: it takes time as well."""
    text = f"""
blocks: {{small: {{layers: [{{Dense: 4, repeat: {repeat}}}, ReLU]}}}}
inputs: {{x: [4]}}
layers: [{{small: , name: a}}, {{reuse: a}}]
"""
    path = write(tmp_path, text)
    archbuilder.load(path, limits=Limits().replace(expanded_steps=count)).graphs()
    with pytest.raises(BlueprintError, match=f"expands to more than {count - 1} steps"):
        archbuilder.load(path, limits=Limits().replace(expanded_steps=count - 1)).graphs()


def notes(folder: Path, text: str, **params: object) -> list[str]:
    """The notes and the chains of all errors of a blueprint."""
    with pytest.raises(BlueprintError) as caught:
        archbuilder.load(write(folder, text)).validate(**params)
    return [line for each in caught.value.diagnostics for line in render([each]).splitlines()]


def test_block_named_like_its_file(tmp_path: Path):
    """The block is meant where a step names it, and it does not use itself."""
    text = "name: swin\nblocks:\n  swin: {layers: [Dense: 4]}\ninputs: {x: [3]}\nlayers: [swin]"
    path = write(tmp_path, f"archbuilder: 1\n{text}\n")
    blueprint = archbuilder.load(path)
    assert blueprint.validate() == ()
    (graph,) = blueprint.graphs().values()
    assert [node.name for node in graph.nodes] == ["swin0.dense0"]


def test_outputs_of_the_previous_step(tmp_path: Path):
    """One of several outputs of the step before needs no name."""
    text = """
inputs: {x: [4, 3]}
layers:
  - LSTM: {units: 5, return_state: true}
  - {Dense: 2, from: previous.1}
"""
    assert edges(expand(tmp_path, text))["dense0"] == ["lstm0.1"]


def test_block_without_parameters(tmp_path: Path):
    """An empty mapping is as good as nothing."""
    text = "inputs: {x: [3]}\nblocks: {b: {layers: [ReLU]}}\nlayers:\n  - b: {}\n  - b: []\n"
    assert [node.name for node in expand(tmp_path, text).nodes] == ["b0.re_lu0", "b1.re_lu0"]


def test_errors_name_the_variant(tmp_path: Path):
    """A mistake that only a variant has says which one, and where it is declared."""
    text = """
params: {width: 4}
inputs: {x: [3]}
blocks: {b: {layers: [Dense: $(width - 8)]}}
layers:
  - when: $(width > 4)
    layers: [b]
  - Dense: 1
variants:
  wide: {width: 5}
"""
    lines = notes(tmp_path, text)
    assert any("= in block 'b', used at" in line for line in lines)
    assert any(re.search(r"in variant 'wide', declared at .*net.yaml:11:3", line) for line in lines)


def test_single_warning_for_an_unused_chain(tmp_path: Path):
    """The last of its steps is the cause; the others are counted."""
    text = """
inputs: {x: [3]}
layers:
  - {Dense: 4, repeat: 14}
  - {Dense: 1, from: x, name: side}
  - {Dense: 2, from: x}
"""
    warnings = archbuilder.load(write(tmp_path, text)).validate()
    assert [each.message for each in warnings] == [
        "no output depends on this step, and the 13 before it; it is not part of the model",
        "no output depends on this step; it is not part of the model",
    ]


def test_named_loop_hint(tmp_path: Path):
    """The note says how to name each round, and how to name all together."""
    text = "inputs: {x: [3]}\nlayers:\n  - {Dense: 4, repeat: 2, name: stack}\n"
    lines = notes(tmp_path, text)
    assert any("name: skip$i" in line for line in lines)
    assert any("put it under 'layers' of a step with a name" in line for line in lines)
    named = "inputs: {x: [3]}\nlayers:\n  - {name: stack, layers: [{Dense: 4, repeat: 2}]}\n"
    assert len(expand(tmp_path, f"{named}  - {{Dense: 1, from: stack}}").nodes) == 3


def test_no_follow_up_errors_in_the_second_use(tmp_path: Path):
    """What is wrong in an import is reported once, and its parameter is not missing besides."""
    write(
        tmp_path,
        "params: {width: {type: integer}}\nblocks: {piece: {layers: [{Dense: $width}]}}",
        "lib.yaml",
    )
    text = """
imports: {a: {file: lib.yaml, params: {width: text}}}
inputs: {x: [4]}
layers: [a.piece, a.piece]
"""
    assert error_codes(tmp_path, text) == ["type-mismatch 3:47"]


def test_block_used_by_an_importing_file_only(tmp_path: Path):
    """Beside a network that does not use it; a block that no file uses has its warning."""
    lib = """
blocks:
  piece: {layers: [inner]}
  inner: {layers: [{Dense: 4}]}
  other: {layers: [{Dense: 4}]}
inputs: {x: [4]}
layers: [{Dense: 4}]
"""
    write(tmp_path, lib, "lib.yaml")
    text = "imports: {lib: lib.yaml}\ninputs: {x: [4]}\nlayers: [lib.piece]"
    warnings = archbuilder.load(write(tmp_path, text)).validate()
    assert [each.message for each in warnings] == ["the block 'other' is not used"]


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        # An input that is not valid still counts as one.
        ("{MultiHeadAttention: {num_heads: 2, key_dim: 2}, from: [x, 3]}", ["invalid-structure"]),
        (
            "{MultiHeadAttention: {num_heads: 2, key_dim: 2}, from: {query: x, value: 3}}",
            ["invalid-structure"],
        ),
        ("{Add: , from: []}", ["invalid-structure"]),
        ("{Dense: 4, from: {}}", ["invalid-structure"]),
        ("{Dense: 4, for: {}}", ["invalid-structure"]),
        # A block that is unknown or could not be read may be referred to.
        ("broken, {Dense: 4, from: broken}", []),
        ("nothing, {Dense: 4, from: nothing}", ["unknown-block"]),
        # The variables of a loop with an error have no values, but they exist.
        ("{Dense: 4, for: {k: $n}, name: a$k}, {Dense: 4, from: a1}", ["type-mismatch"]),
    ],
)
def test_no_follow_up_errors(tmp_path: Path, steps: str, expected: list[str]):
    """What depends on a step with an error is not reported besides."""
    text = f"params: {{n: 3}}\nblocks: {{broken: 3}}\ninputs: {{x: [4, 4]}}\nlayers: [{steps}]"
    codes = [each.split()[0] for each in error_codes(tmp_path, text)]
    assert codes == ["invalid-structure", *expected]


@pytest.mark.parametrize("outputs", ["{}", "[]"])
def test_network_without_output(tmp_path: Path, outputs: str):
    """One without outputs is an error, rather than missing from the result."""
    text = f"""
networks:
  one: {{inputs: {{x: [4]}}, layers: [{{Dense: 4}}]}}
  two: {{inputs: {{x: [4]}}, layers: [{{Dense: 4}}], outputs: {outputs}}}
"""
    assert error_codes(tmp_path, text) == ["invalid-structure 5:58"]


def test_tensors_without_an_input(tmp_path: Path):
    """They read nothing, are the input of the next step, and depend on no error before them."""
    text = """
inputs: {x: [4], y: [4]}
blocks:
  scaled:
    layers:
      - {Parameter: [4], name: scale, repeat: 1}
      - {ops.multiply: , from: [input, scale]}
layers:
  - {Constant: 2}
  - {ops.add: , from: [previous, y], name: first}
  - {scaled: , name: a}
  - {reuse: a}
"""
    graph = expand(tmp_path, text)
    assert edges(graph) == {
        "constant0": [],
        "first": ["constant0", "y"],
        "a.scale": [],
        "a.multiply0": ["first", "a.scale"],
        "a_use0.scale": [],
        "a_use0.multiply0": ["a.multiply0", "a_use0.scale"],
    }
    assert graph.nodes[4].weight_owner == "a.scale"
    wrong = "inputs: {x: [4]}\nlayers:\n  - Dense: 0\n  - {Parameter: 4}\n  - {Flatten: , from: z}"
    assert error_codes(tmp_path, wrong) == [
        "out-of-range 5:12",
        "type-mismatch 6:17",
        "unknown-name 7:23",
    ]


def test_batch_axes(tmp_path: Path):
    """Tensors that depend on no input have no batch axis, and go with the input of their use."""
    text = """
inputs: {x: [4], y: [4]}
layers:
  - {Parameter: [4], name: a}
  - {ops.exp: , name: b}
  - {Constant: 1, name: c}
  - {ops.add: , from: [y, b], name: d}
  - {ops.add: , from: [x, c], name: e}
  - {ops.add: , from: [d, c], name: f}
outputs: [e, f]
"""
    graph = expand(tmp_path, text)
    axes = find_batch_axes(graph)
    assert axes.unbatched == {"a", "b", "c"}
    assert axes.companions == {"a": "y", "b": "y", "c": "x"}
    subgraph = graph.subgraph_for([("b", TensorRef("b"))])
    assert [each.name for each in subgraph.inputs] == ["x"]


def test_values_of_constants_are_limited(tmp_path: Path):
    """Each constant of a network counts, however it is repeated."""
    text = "inputs: {x: [4]}\nlayers:\n  - {Constant: $(range(100)), repeat: 6}\n  - %s"
    path = write(tmp_path, text % "{ops.sum: }\n  - {ops.add: , from: [x, previous]}")
    limits = Limits().replace(constant_values=600)
    assert len(archbuilder.load(path, limits=limits).graphs()["net"].nodes) == 3
    with pytest.raises(BlueprintError, match="more than 599 values") as raised:
        archbuilder.load(path, limits=limits.replace(constant_values=599)).graphs()
    assert [each.code for each in raised.value.diagnostics] == ["limit-exceeded"]
    text = "inputs: {x: [4]}\nlayers: [{Constant: [1, 2, 3, 4], repeat: 6}, {Add: , from: [x, x]}]"
    with pytest.raises(BlueprintError, match="more than 20 values"):
        archbuilder.load(write(tmp_path, text), limits=limits.replace(constant_values=20)).graphs()


def test_files_of_constants(tmp_path: Path):
    """A path is relative to the file that has it; `expand` writes those of the network's file."""
    np.save(tmp_path / "a.npy", np.ones(4))
    (tmp_path / "inner").mkdir()
    np.save(tmp_path / "inner" / "b.npy", np.zeros(4, bool))
    (tmp_path / "inner" / "part.yaml").write_text(
        "archbuilder: 1\nblocks:\n  made:\n    layers: [{Constant: {file: b.npy}}]\n"
    )
    text = """
imports: {part: inner/part.yaml}
inputs: {x: [4]}
layers:
  - {part.made: , name: b}
  - {Constant: {file: a.npy}, name: a}
  - {ops.where: , from: [b, x, a]}
"""
    path = write(tmp_path, text)
    paths = ["inner/b.npy", "a.npy"]
    expanded = archbuilder.load(path).expand()
    assert [line.split()[3] for line in expanded.splitlines() if "Constant" in line] == [
        '"inner/b.npy"}',
        "a.npy}",
    ]
    for each_path in (path, write(tmp_path, expanded, "expanded.yaml")):
        (graph,) = archbuilder.load(each_path).graphs().values()
        assert [str(each.file.path) for each in array_files(graph.nodes)] == [
            str(tmp_path / each) for each in paths
        ]
    limits = Limits().replace(constant_values=7)
    with pytest.raises(BlueprintError, match="more than 7 values"):
        archbuilder.load(path, limits=limits).graphs()
    (tmp_path / "a.npy").unlink()
    assert error_codes(tmp_path, text) == ["file-error 7:23"]
    both = "inputs: {x: [4]}\nlayers: [Constant: {file: a.npy, value: 1}, Flatten: {}]"
    assert error_codes(tmp_path, both) == ["invalid-structure 4:34"]
