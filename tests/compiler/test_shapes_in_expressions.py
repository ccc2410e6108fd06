"""Expressions that read the shapes of steps: what the steps become, with Keras and without."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
from helpers.blueprints import HEADER, arguments, edges, error_codes, expand, write

import archbuilder
from archbuilder.compiler.ir import Graph
from archbuilder.diagnostics.errors import BlueprintError
from archbuilder.limits import Limits

RESIDUAL = """
blocks:
  residual:
    params: {filters: , strides: 1, project: $(channels(input) != filters or strides != 1)}
    layers:
      - branches:
          - - {Conv2D: {filters: $filters, kernel_size: 1, strides: $strides}, when: $project}
          - [Conv2D: {filters: $filters, kernel_size: 3, strides: $strides, padding: same}]
        merge: Add
inputs: {image: [8, 8, 4]}
layers:
  - residual: 4
  - residual: {filters: 4, strides: 2}
  - residual: 6
  - {residual: 6, repeat: 2}
"""


def values(graph: Graph) -> list[object]:
    """The first argument of each node."""
    return [next(iter(arguments(node).values()), None) for node in graph.nodes]


def test_a_block_adapts_to_its_input(tmp_path: Path):
    """A default that reads the input is evaluated where the block is called."""
    graph = expand(tmp_path, RESIDUAL)
    assert [name for name in edges(graph) if name.endswith("conv2d1")] == [
        "residual1.conv2d1",
        "residual2.conv2d1",
    ]
    # 4 -> 4: 148; 4 -> 4 with strides: 20 + 148; 4 -> 6: 30 + 222; 6 -> 6, twice: 330 each.
    model = archbuilder.load(tmp_path / "net.yaml").compile()
    assert model.count_params() == 148 + 168 + 252 + 2 * 330
    assert model.output_shape == (None, 4, 4, 6)


def test_an_argument_takes_precedence_over_the_default(tmp_path: Path):
    """The shape is not even asked for."""
    text = RESIDUAL.replace("- residual: 4\n", "- residual: {filters: 4, project: true}\n")
    assert "residual0.conv2d1" in edges(expand(tmp_path, text))


def test_names_are_those_of_from(tmp_path: Path):
    """Inputs, steps, outputs by name and number, the previous step, and parameters in a name."""
    text = """
params: {source: b}
inputs: {a: [2, 3], b: [5]}
layers:
  - {branches: {left: [Dense: 7], right: [Dense: 8]}, name: two, from: a}
  - {LSTM: {units: 9, return_state: true}, from: a, name: lstm}
  - for: {size: [11, 12]}
    layers: [{Dense: $size, name: size$i, from: b}]
  - Dense: $(channels(two.left))
  - Dense: $(channels(two.1))
  - Dense: $(channels(lstm.2))
  - {Dense: $(channels($source))}
  - {Dense: $(channels(size$i)), repeat: 2}
  - {Dense: "$(shape(a)[0])"}
  - {Dense: $(10 * channels(previous))}
"""
    assert values(expand(tmp_path, text))[-8:] == [7, 8, 9, 5, 11, 12, 2, 20]


def test_previous_is_the_iteration_before(tmp_path: Path):
    """In a loop, each iteration sees the one before it."""
    text = "inputs: {x: [3]}\nlayers: [{Dense: $(2 * channels(previous)), repeat: 3}]"
    assert values(expand(tmp_path, text)) == [6, 12, 24]


def test_shapes_control_steps(tmp_path: Path):
    """`when`, `repeat`, `for`, constants of a call and names can read shapes."""
    text = """
inputs: {x: [16, 4]}
layers:
  - {Conv1D: {filters: 4, kernel_size: 3, strides: 2, padding: same}, repeat: "$(shape(x)[0] // 8)"}
  - {ReLU: , when: "$(shape(previous)[0] == 4)"}
  - {Softmax: , when: "$(shape(previous)[0] == 5)"}
  - for: {units: "$(shape(x))"}
    layers: [{Dense: $units, name: "d$(channels(previous))"}]
"""
    assert list(edges(expand(tmp_path, text))) == ["conv1d0", "conv1d1", "re_lu0", "d4", "d16"]


def test_shapes_have_no_batch_axis(tmp_path: Path):
    """A shape is the list that stands under `inputs`, with null for an open size."""
    text = """
inputs: {x: [null, 6]}
layers:
  - {Dense: 5, when: "$(shape(x) == [null, 6] and len(shape(x)) == 2)"}
  - {Reshape: "$(shape(previous)[1:] + [-1])"}
"""
    assert values(expand(tmp_path, text)) == [5, [5, -1]]


def test_reuse_keeps_the_parameters_of_the_first_call(tmp_path: Path):
    """Shared weights have one shape, so the second input does not change the block."""
    text = """
blocks:
  widen: {params: {units: $(2 * channels(input))}, layers: [Dense: $units, Dense: 4]}
inputs: {a: [4], b: [4]}
layers:
  - {widen: , name: first}
  - {Dense: 4, from: b}
  - {reuse: first}
  - {Add: , from: [first, previous]}
"""
    assert values(expand(tmp_path, text)) == [8, 4, 4, 8, 4, None]


def test_imported_blocks_read_their_inputs(tmp_path: Path):
    """A block of another file reads the shape of what its caller passes."""
    blocks = "blocks: {half: {inputs: [x], layers: [Dense: $(channels(x) // 2)]}}"
    write(tmp_path, f"{HEADER}{blocks}", "blocks.yaml")
    text = "imports: {lib: ./blocks.yaml}\ninputs: {a: [8]}\nlayers: [lib.half, lib.half]"
    assert values(expand(tmp_path, text)) == [4, 2]


def test_blocks_as_arguments_read_shapes_where_they_are_written(tmp_path: Path):
    """Those of the caller in an argument, and those of the block's inputs in a default."""
    text = """
blocks:
  residual:
    params: {body: {type: block}, shortcut: {type: block, default: {Dense: $(channels(input) * 2)}}}
    layers: [{branches: [[$body], [$shortcut]], merge: Add}]
  twice: {params: {body: {type: block}}, layers: [Dense: 3, {$body: , repeat: 2}]}
inputs: {x: [4]}
layers:
  - {residual: {body: {Dense: $(2 * channels(previous))}}}
  - {residual: {body: [Dense: $(channels(previous) + 1), Dense: $(channels(previous) + 7)]}}
  - {twice: {body: {Dense: $(channels(x))}}}
  - {twice: {body: {Dense: $(channels(previous))}}}
"""
    units = [each for each in values(expand(tmp_path, text)) if each is not None]
    assert units == [8, 8, 9, 16, 16, 3, 4, 4, 3, 4, 4]


def test_file_parameters_read_no_shapes(tmp_path: Path):
    """Not as blocks either, from wherever their values come."""
    text = """
params: {body: {type: block, default: ReLU}}
inputs: {x: [4]}
layers: [$body]
"""
    blueprint = archbuilder.load(write(tmp_path, text))
    assert values(blueprint.graphs(body={"Dense": 3})["net"]) == [3]
    with pytest.raises(BlueprintError, match="shapes of tensors are not known here"):
        blueprint.graphs(body={"Dense": "$(channels(x))"})


def test_expanded_text_has_the_values(tmp_path: Path):
    """It compiles into the same model without asking for shapes."""
    write(tmp_path, RESIDUAL)
    original = archbuilder.load(tmp_path / "net.yaml")
    flat = archbuilder.load(write(tmp_path, original.expand(), "flat.yaml"))
    assert original.reads_shapes
    assert not flat.reads_shapes
    models = [each.compile() for each in (original, flat)]
    names = [[weight.path for weight in model.weights] for model in models]
    assert names[0] == names[1]


def test_expansion_leaves_the_random_state_alone(tmp_path: Path):
    """The weights are those of the same network with its numbers written out."""
    write(tmp_path, RESIDUAL)
    original = archbuilder.load(tmp_path / "net.yaml")
    flat = archbuilder.load(write(tmp_path, original.expand(), "flat.yaml"))
    weights = []
    for blueprint in (original, flat):
        keras.utils.set_random_seed(3)
        weights.append(blueprint.compile().get_weights())
    for left, right in zip(*weights, strict=True):
        np.testing.assert_array_equal(left, right)


def test_each_node_is_built_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """The time is linear in the steps, however often shapes are read."""
    from archbuilder.keras_backend import functional

    built = []
    add_node = functional.GraphBuilder.add_node
    monkeypatch.setattr(
        functional.GraphBuilder,
        "add_node",
        lambda builder, node: (built.append(node.name), add_node(builder, node)),
    )
    text = """
inputs: {x: [3]}
layers:
  - {Dense: $(channels(previous) + channels(x) - channels(previous)), repeat: 20}
  - {Dense: 1, name: last}
  - {Dense: 2, from: x, name: side}
  - {Concatenate: , from: [last, side]}
"""
    graph = expand(tmp_path, text)
    # No shape depends on the last three steps.
    assert built == [node.name for node in graph.nodes[:19]]


def test_a_long_chain_needs_no_recursion(tmp_path: Path):
    """The first question may come after thousands of steps."""
    text = f"""
inputs: {{x: [2]}}
layers:
  - {{ReLU: , repeat: {sys.getrecursionlimit() + 100}}}
  - Dense: $(channels(previous))
"""
    assert values(expand(tmp_path, text))[-1] == 2


def test_unused_steps_with_errors_are_not_built(tmp_path: Path):
    """A step that the model does not contain is no error, whether shapes are read or not."""
    text = """
inputs: {x: [4]}
layers:
  - {Conv2D: {filters: 1, kernel_size: 1}, name: unused}
  - {Dense: $(channels(x)), from: x}
"""
    assert list(edges(expand(tmp_path, text))) == ["dense0"]


def test_errors_name_the_open_size(tmp_path: Path):
    """The note says which shape it was."""
    with pytest.raises(BlueprintError) as error:
        expand(tmp_path, 'inputs: {x: [null, 8]}\nlayers: [{Dense: "$(shape(x)[0])"}]')
    (diagnostic,) = error.value.diagnostics
    assert diagnostic.message == "'units' of Dense must be an integer of at least 1, not null"
    (note,) = diagnostic.notes
    assert note.startswith("'x' has the shape [null, 8]; null is a size that is open")


def test_error_in_a_block_points_at_the_node(tmp_path: Path):
    """An error of Keras during the expansion names the blocks around the node, once."""
    text = """
blocks:
  pool: {layers: [MaxPooling2D: 9, Conv2D: {filters: $(channels(previous)), kernel_size: 1}]}
inputs: {image: [8, 8, 4]}
layers: [pool, pool, Dense: $(channels(previous))]
"""
    with pytest.raises(BlueprintError) as error:
        expand(tmp_path, text)
    (diagnostic,) = error.value.diagnostics
    assert diagnostic.code == "empty-output"
    assert (diagnostic.span.line, diagnostic.span.column) == (4, 19)
    assert diagnostic.frame.name == "pool"


# Without Keras


def test_validate_needs_no_keras(tmp_path: Path):
    """Not for a file that reads shapes either."""
    write(tmp_path, RESIDUAL)
    code = "import archbuilder, sys; archbuilder.load('net.yaml').validate();"
    code += "print('keras' in sys.modules)"
    output = subprocess.check_output([sys.executable, "-c", code], cwd=tmp_path, text=True)
    assert output.strip() == "False"


def validation(folder: Path, text: str) -> list[str]:
    """The codes and lines of what `validate` reports without Keras."""
    try:
        diagnostics = archbuilder.load(write(folder, text)).validate()
    except BlueprintError as error:
        diagnostics = error.diagnostics
    return [f"{each.code} {each.span.line}" for each in diagnostics]


@pytest.mark.parametrize(
    "layers",
    [
        # Which of two alternatives there is is not known, so both may have one name.
        """
  - {Dense: 1, name: a, when: $(channels(x) == 4)}
  - {Dense: 2, name: a, when: $(channels(x) != 4), from: x}
  - {Dense: 3, name: a, when: $(not flag), from: x}
  - {Dense: 4, from: a}""",
        # What stands in a step that may be skipped may be wrong if it is.
        """
  - {Dense: "$(sizes[9])", when: $(channels(x) > 100)}
  - {Dense: 4, from: nowhere, when: $(channels(x) > 100)}""",
        # Numbers and names of iterations.
        """
  - {Dense: 2, name: step$i, repeat: $(channels(x))}
  - {Dense: 3, from: step3}
  - for: {size: $(shape(x))}
    layers: [{Dense: $size, name: d$size}]
  - {Dense: 3, from: d4}""",
        # Values that are computed from others, in blocks and in lists.
        """
  - pair: {sizes: ["$(channels(x))", 3], filters: "$(channels(x) if flag else 'x')"}
  - Reshape: ["$(channels(previous))", 1]
  - {Dense: {units: 3, kernel_initializer: {RandomUniform: {minval: $(-1 / channels(x))}}}}""",
    ],
)
def test_unknown_values_cause_no_errors(tmp_path: Path, layers: str):
    """What depends on a shape is left out of the check."""
    text = f"""
params: {{flag: true, sizes: [1]}}
blocks:
  pair:
    params: {{sizes: , filters: , double: $(2 * channels(input))}}
    layers:
      - {{for: {{size: $sizes}}, layers: [Dense: $size]}}
      - {{Dense: $filters, when: $(double in sizes)}}
      - {{Dense: "$(sizes[0] + 1)", when: $flag}}
inputs: {{x: [4]}}
layers:{layers}
"""
    assert [each for each in validation(tmp_path, text) if not each.startswith("unused")] == []


def test_errors_beside_unknown_values_are_found(tmp_path: Path):
    """A block is checked although one of its parameters is unknown; so are steps after it."""
    text = """
blocks:
  b:
    params: {units: $(channels(input)), rate: 1}
    layers: [Dense: $units, {Dropout: $(rate + 1), from: nowhere}]
inputs: {x: [4]}
layers:
  - b
  - {Dense: 0, when: $(channels(x) > 3)}
  - {Dense: $(1 - 2), from: x}
  - {Dense: 3, from: x, name: end}
"""
    assert validation(tmp_path, text) == [
        "out-of-range 6",
        "unknown-name 6",
        "out-of-range 10",
        "out-of-range 11",
    ]


def test_unused_steps_are_found(tmp_path: Path):
    """Steps whose arguments alone are unknown have their places in the graph."""
    text = """
inputs: {x: [4]}
layers:
  - {Dense: $(channels(x)), name: dead}
  - {Dense: $(channels(dead)), from: x}
"""
    assert validation(tmp_path, text) == ["unused-step 5"]


# Limits


def test_steps_are_counted_where_a_shape_decides(tmp_path: Path):
    """A count that depends on a shape meets the limit as well, in time."""
    text = """
blocks:
  many: {layers: [{ReLU: , repeat: "$(1000 * shape(input)[0])"}]}
  more: {layers: [{many: , repeat: "$(1000 * shape(input)[0])"}]}
inputs: {x: [100, 2]}
layers: [more]
"""
    path = write(tmp_path, text)
    with pytest.raises(BlueprintError) as error:
        archbuilder.load(path, limits=Limits().replace(expanded_steps=500)).graphs()
    assert [each.code for each in error.value.diagnostics] == ["limit-exceeded"]
    assert archbuilder.load(path).validate() == ()


def test_long_names_are_errors_within_the_limits(tmp_path: Path):
    """The name of a tensor counts as one token, and its text is bounded by that of the file."""
    name = "a." * 5000 + "a"
    text = f"inputs: {{x: [2]}}\nlayers: [Dense: $(channels({name}))]"
    assert error_codes(tmp_path, text) == ["unknown-name 4:28"]
    calls = " + ".join(["channels(x)"] * 60)
    (code,) = error_codes(tmp_path, f"inputs: {{x: [2]}}\nlayers: [Dense: $({calls})]")
    assert code.startswith("limit-exceeded 4:")
