"""Blocks as values of parameters: what `$body` becomes, and in which scope its steps are."""

from __future__ import annotations

from pathlib import Path

import pytest
from helpers.blueprints import arguments, edges, error_codes, expand, write

import archbuilder
from archbuilder.diagnostics.errors import BlueprintError
from archbuilder.diagnostics.render import render
from archbuilder.limits import Limits

RESIDUAL = """
blocks:
  residual:
    params: {body: {type: block}, shortcut: {type: block, default: null}}
    layers:
      - {branches: [[$body], [$shortcut]], merge: Add}
  unit:
    params: {units: , activation: relu}
    layers: [{Dense: {units: $units, activation: $activation}}]
"""


def test_a_parameter_holds_a_layer(tmp_path: Path):
    """`$body` is the layer, under a name of the parameter; null is the identity."""
    text = RESIDUAL + "inputs: {x: [4]}\nlayers: [{residual: {body: {Dense: {units: 4}}}}]"
    graph = expand(tmp_path, text)
    assert edges(graph) == {
        "residual0.body0": ["x"],
        "residual0.add0": ["residual0.body0", "x"],
    }
    assert arguments(graph.nodes[0]) == {"units": 4}


def test_a_parameter_holds_a_block(tmp_path: Path):
    """The block is inlined where the parameter is used."""
    text = RESIDUAL + "inputs: {x: [4]}\nlayers: [{residual: {body: {unit: {units: 4}}}}]"
    assert edges(expand(tmp_path, text)) == {
        "residual0.body0.dense0": ["x"],
        "residual0.add0": ["residual0.body0.dense0", "x"],
    }


def test_a_parameter_holds_steps(tmp_path: Path):
    """A list is the value of the first parameter, as any value without a name."""
    text = RESIDUAL + "inputs: {x: [4]}\nlayers: [{residual: [ReLU, {Dense: 4}]}]"
    assert edges(expand(tmp_path, text)) == {
        "residual0.body0.re_lu0": ["x"],
        "residual0.body0.dense0": ["residual0.body0.re_lu0"],
        "residual0.add0": ["residual0.body0.dense0", "x"],
    }


def test_steps_see_what_is_visible_where_they_are_written(tmp_path: Path):
    """Their parameters, loop variables, blocks and names of steps are those of the caller."""
    text = """
params: {width: 4}
blocks:
  twice:
    params: {body: {type: block}, width: 7}
    layers:
      - {Dense: $width, name: inner}
      - {$body: , repeat: 2}
  caller:
    layers:
      - {Dense: 4, name: inner}
      - for: {rate: [0.1, 0.2]}
        twice:
          body:
            - {Dense: $width, name: dense}
            - {Dropout: $rate}
            - {Add: , from: [previous, inner, dense]}
inputs: {x: [4]}
layers: [caller]
"""
    graph = expand(tmp_path, text)
    units = {node.name: arguments(node).get("units") for node in graph.nodes}
    assert units["caller0.twice1.inner"] == 7
    assert units["caller0.twice1.body0.dense"] == 4
    rates = {node.name: arguments(node).get("rate") for node in graph.nodes}
    assert rates["caller0.twice0.body1.dropout0"] == 0.1
    assert rates["caller0.twice1.body0.dropout0"] == 0.2
    assert edges(graph)["caller0.twice1.body1.add0"] == [
        "caller0.twice1.body1.dropout0",
        "caller0.inner",
        "caller0.twice1.body1.dense",
    ]


def test_steps_of_a_callee_are_not_visible(tmp_path: Path):
    """The names within the block that uses the parameter are its own."""
    text = """
blocks:
  outer:
    params: {body: {type: block}}
    layers: [{Dense: 4, name: inner}, $body]
inputs: {x: [4]}
layers:
  - outer:
      body: [{Add: , from: [previous, inner]}]
"""
    assert error_codes(tmp_path, text) == ["unknown-name 10:39"]


def test_a_use_adds_arguments(tmp_path: Path):
    """So a block is given without the arguments that differ from use to use."""
    text = """
blocks:
  stage:
    params: {block: {type: block}, filters: , depth: 2}
    layers:
      - $block: {units: $(filters + i)}
        repeat: $depth
  unit:
    params: {units: , activation: relu}
    layers: [{Dense: {units: $units, activation: $activation}}]
inputs: {x: [4]}
layers:
  - stage: {block: {unit: {activation: tanh}}, filters: 8}
  - stage: {block: {Dense: {use_bias: false}}, filters: 6, depth: 1}
"""
    graph = expand(tmp_path, text)
    assert [(node.name, arguments(node)) for node in graph.nodes] == [
        ("stage0.block0.dense0", {"units": 8, "activation": "tanh"}),
        ("stage0.block1.dense0", {"units": 9, "activation": "tanh"}),
        ("stage1.block0", {"use_bias": False, "units": 6}),
    ]


def test_a_block_is_passed_on(tmp_path: Path):
    """`$body` as an argument is the block that `body` holds, with arguments that it adds."""
    text = """
blocks:
  inner:
    params: {layer: {type: block}}
    layers: [$layer, {ReLU: , when: $(layer != null)}]
  outer:
    params: {layer: {type: block, default: null}}
    layers:
      - inner: {layer: $layer}
      - inner: {layer: {$layer: {activation: tanh}}}
inputs: {x: [4]}
layers:
  - outer: {layer: {Dense: 3}}
  - outer
"""
    graph = expand(tmp_path, text)
    assert [node.name for node in graph.nodes] == [
        "outer0.inner0.layer0",
        "outer0.inner0.re_lu0",
        "outer0.inner1.layer0",
        "outer0.inner1.re_lu0",
    ]
    assert arguments(graph.nodes[2]) == {"units": 3, "activation": "tanh"}


def test_defaults_are_blocks(tmp_path: Path):
    """They read other parameters of the block and of the file."""
    text = """
params:
  rate: 0.3
  drop: {type: block, default: {Dropout: {rate: $rate}}}
blocks:
  unit:
    params:
      units: 3
      layer: {type: block, default: [{Dense: $units}, ReLU]}
    layers: [$layer, $drop]
inputs: {x: [4]}
layers: [unit, {unit: {units: 5}}]
"""
    graph = expand(tmp_path, text)
    assert [(node.name, arguments(node)) for node in graph.nodes[3:]] == [
        ("unit1.layer0.dense0", {"units": 5}),
        ("unit1.layer0.re_lu0", {}),
        ("unit1.drop0", {"rate": 0.3}),
    ]


VARIANTS = """
params:
  n: 1
  block: {type: block, default: basic}
blocks:
  basic: {layers: [{Dense: 4}]}
  deep: {params: {n: 2}, layers: [{Dense: 5, repeat: $n}]}
variants:
  deep: {block: {deep: {n: 3}}}
  none: {block: null}
inputs: {x: [4]}
layers: [$block, {Dense: $n}]
"""


def test_variants_and_callers_select_blocks(tmp_path: Path):
    """Blocks are values in variants and from Python, where a block is written as in the file."""
    blueprint = archbuilder.load(write(tmp_path, VARIANTS))
    assert blueprint.validate() == ()
    counts = [len(blueprint.graphs(variant=each)["net"].nodes) for each in (None, "deep", "none")]
    assert counts == [2, 4, 1]
    for block, count in [
        ({"deep": {"n": 1}}, 2),
        ("deep", 3),
        ([{"Dense": "$n"}, {"Dense": "$(n + 1)"}], 3),
    ]:
        assert len(blueprint.graphs(block=block)["net"].nodes) == count


def test_imports_take_blocks(tmp_path: Path):
    """The blocks of the importing file go into another file, which does not know their names."""
    library = """
params: {norm: {type: block, default: null}}
blocks:
  unit:
    params: {body: {type: block}}
    layers: [$body, $norm]
inputs: {x: [4]}
layers: [{unit: [{Dense: 2}]}]
"""
    write(tmp_path, library, "library.yaml")
    text = """
imports: {lib: {file: ./library.yaml, params: {norm: scaled}}}
blocks:
  scaled: {layers: [{Rescaling: 0.5}]}
inputs: {x: [4]}
layers: [{lib.unit: {body: scaled}}, lib, {lib: {norm: {Rescaling: 2}}}]
"""
    assert edges(expand(tmp_path, text)) == {
        "lib_unit0.body0.rescaling0": ["x"],
        "lib_unit0.norm0.rescaling0": ["lib_unit0.body0.rescaling0"],
        "lib0.unit0.body0.dense0": ["lib_unit0.norm0.rescaling0"],
        "lib0.unit0.norm0.rescaling0": ["lib0.unit0.body0.dense0"],
        "lib1.unit0.body0.dense0": ["lib0.unit0.norm0.rescaling0"],
        "lib1.unit0.norm0": ["lib1.unit0.body0.dense0"],
    }


def test_weights_of_held_blocks_are_reused(tmp_path: Path):
    """`reuse` of a use, and of a block around it; a list may reuse steps of its own scope."""
    text = (
        RESIDUAL
        + """
inputs: {x: [4]}
layers:
  - {Dense: 4, name: shared}
  - residual:
      body: [{Dense: 4}, {reuse: shared}]
    name: first
  - {reuse: first}
"""
    )
    graph = expand(tmp_path, text)
    owners = {node.name: node.weight_owner for node in graph.nodes if node.operation == "Dense"}
    assert owners == {
        "shared": None,
        "first.body0.dense0": None,
        "first.body0.shared_use0": "shared",
        "first_use0.body0.dense0": "first.body0.dense0",
        "first_use0.body0.shared_use0": "shared",
    }


def test_a_parameter_merges_branches(tmp_path: Path):
    """`merge: $merge` joins the branches with the block that `merge` holds."""
    text = """
blocks:
  unit:
    params: {merge: {type: block, default: Add}}
    layers: [{branches: [[], [{Dense: 4}]], merge: $merge}]
inputs: {x: [4]}
layers: [unit, {unit: {Concatenate: {axis: -1}}}, {unit: [Maximum, ReLU]}]
"""
    text = text.replace("{unit: {Con", "{unit: {merge: {Con").replace("-1}}}", "-1}}}}")
    names = list(edges(expand(tmp_path, text)))
    assert [name for name in names if "merge" in name] == [
        "unit0.merge0",
        "unit1.merge0",
        "unit2.merge0.maximum0",
        "unit2.merge0.re_lu0",
    ]


def test_a_held_block_is_nested_in_itself(tmp_path: Path):
    """A block within the list that it takes is no recursion: the list is written elsewhere."""
    text = RESIDUAL + "inputs: {x: [4]}\nlayers: [{residual: [{residual: [{Dense: 4}]}]}]"
    assert list(edges(expand(tmp_path, text))) == [
        "residual0.body0.residual0.body0.dense0",
        "residual0.body0.residual0.add0",
        "residual0.add0",
    ]


def test_errors_in_a_list_show_where_it_is_written_and_used(tmp_path: Path):
    """The location is that of the step; the chain leads from the parameter to the network."""
    text = (
        RESIDUAL
        + """
  outer:
    layers:
      - residual: [{ReLU: , from: skipp}]
inputs: {x: [4]}
layers: [outer]
"""
    )
    with pytest.raises(BlueprintError) as error:
        archbuilder.load(write(tmp_path, text)).graphs()
    message = render(error.value.diagnostics)
    assert "net.yaml:14:35" in message
    chain = [line.split("'")[1] for line in message.splitlines() if line.startswith("   = in ")]
    assert chain == ["$body", "residual", "outer"]


def test_steps_of_a_list_are_checked_where_they_are_written(tmp_path: Path):
    """Also in a block that is not used, and once however often the list is."""
    text = (
        RESIDUAL
        + """
  unused:
    layers:
      - residual: [{Dense: $n}, {Dnse: 3}, {unit: {unit: 4}}]
inputs: {x: [4]}
layers: [ReLU]
"""
    )
    assert error_codes(tmp_path, text) == [
        "unknown-parameter 14:28",
        "unknown-layer 14:34",
        "unknown-argument 14:52",
    ]


def test_recursion_through_parameters_is_bounded(tmp_path: Path):
    """A block that is applied to itself stops at the depth of blocks and the number of steps."""
    text = """
blocks:
  w:
    params: {f: {type: block}}
    layers: [{$f: {f: $f}}, {$f: {f: $f}}]
inputs: {x: [4]}
layers: [{w: {f: w}}]
"""
    blueprint = archbuilder.load(
        write(tmp_path, text), limits=Limits().replace(expanded_steps=500, block_depth=20)
    )
    with pytest.raises(BlueprintError) as error:
        blueprint.graphs()
    assert {each.code for each in error.value.diagnostics} == {"limit-exceeded"}


def test_steps_of_lists_count(tmp_path: Path):
    """A few nested lists stand for millions of steps, and are counted before they are expanded."""
    text = """
blocks:
  ten:
    params: {body: {type: block}}
    layers: [{$body: , repeat: 10}]
inputs: {x: [4]}
layers: [{ten: [{ten: [{ten: [{ten: [{ten: [{ten: [{ten: [ReLU]}]}]}]}]}]}]}]
"""
    assert error_codes(tmp_path, text)[0].startswith("limit-exceeded")


def test_lists_are_levels_of_the_blocks_around_a_layer(tmp_path: Path):
    """The frames of a node are the components of its path, which `show --depth` relies on."""
    text = (
        RESIDUAL
        + """
inputs: {x: [4]}
layers:
  - residual: [{Dense: 4}, {unit: {units: 4}}]
  - residual: {body: {unit: {units: 4}}}
"""
    )
    levels = {
        node.name: [each.name for each in node.frame.chain() if each.kind == "block"][::-1]
        for node in expand(tmp_path, text).nodes
        if node.frame is not None
    }
    assert levels == {
        "residual0.body0.dense0": ["residual", "$body"],
        "residual0.body0.unit0.dense0": ["residual", "$body", "unit"],
        "residual0.add0": ["residual"],
        "residual1.body0.dense0": ["residual", "unit"],
        "residual1.add0": ["residual"],
    }


def test_steps_of_wrapped_blocks_count(tmp_path: Path):
    """Also wrappers in wrappers are counted before they are expanded."""
    text = """
inputs: {x: [4, 4, 4, 4]}
layers: [{TimeDistributed: [{TimeDistributed: [{ReLU: , repeat: 99}], repeat: 99}], repeat: 99}]
"""
    assert error_codes(tmp_path, text)[0].startswith("limit-exceeded")
