"""What formulas become: nodes of keras.ops, their names and their locations."""

from __future__ import annotations

from pathlib import Path

import pytest
from helpers.blueprints import arguments, edges, error_codes, expand, write
from hypothesis import given, settings
from hypothesis import strategies as st

import archbuilder
from archbuilder.compiler.ir import Graph
from archbuilder.diagnostics.errors import BlueprintError, Diagnostics
from archbuilder.diagnostics.span import SourceText, Span
from archbuilder.expressions import NO_FUNCTIONS, parse_formula
from archbuilder.limits import Limits
from archbuilder.yaml.nodes import ScalarNode
from tests.helpers.processor_time import at_most

NETWORK = """
params: {width: 4, sizes: [1, 2], deep: true, word: relu}
inputs: {x: [6, 4], y: [6, 4]}
layers:
"""


def expand_formula(folder: Path, formula: str) -> Graph:
    """The graph of a network with one formula."""
    return expand(folder, f"{NETWORK}  - {{name: z, formula: '{formula}'}}")


def operations(graph: Graph) -> dict[str, str]:
    """The functions of the nodes by name."""
    return {node.name: node.operation for node in graph.nodes}


def test_each_operation_is_a_node(tmp_path: Path):
    """The last one has the name of the step, the others are named as steps within it."""
    graph = expand_formula(tmp_path, "1 - exp(x * 0.5) * y")
    assert operations(graph) == {
        "z.multiply0": "ops.multiply",
        "z.exp0": "ops.exp",
        "z.multiply1": "ops.multiply",
        "z": "ops.subtract",
    }
    assert edges(graph) == {
        "z.multiply0": ["x"],
        "z.exp0": ["z.multiply0"],
        "z.multiply1": ["z.exp0", "y"],
        "z": ["z.multiply1"],
    }
    assert [arguments(node) for node in graph.nodes] == [{"x2": 0.5}, {}, {}, {"x1": 1}]


def test_nodes_are_located_at_their_operators(tmp_path: Path):
    """An error of Keras then points into the formula."""
    path = write(tmp_path, f"{NETWORK}  - {{formula: 1 - exp(x * 0.5) * y}}")
    (graph,) = archbuilder.load(path).graphs().values()
    assert [(node.operation, node.span.text) for node in graph.nodes] == [
        ("ops.multiply", "*"),
        ("ops.exp", "exp"),
        ("ops.multiply", "*"),
        ("ops.subtract", "-"),
    ]
    assert [node.span.column for node in graph.nodes] == [25, 19, 32, 17]


@pytest.mark.parametrize(
    ("formula", "operation", "expected"),
    [
        ("x * (2 / 4 + $width)", "multiply", {"x2": 4.5}),
        ("x * $(width ** 0.5)", "multiply", {"x2": 2.0}),
        ("x ** -2", "power", {"x2": -2}),
        ("2 ** x", "power", {"x1": 2}),
        ("x // $sizes[1]", "floor_divide", {"x2": 2}),
        ("x % max(2, 3)", "mod", {"x2": 3}),
        ("x @ y", "matmul", {}),
        ("-x", "negative", {}),
        ("not x", "logical_not", {}),
        ("x > 0", "greater", {"x2": 0}),
        ("0 != x", "not_equal", {"x1": 0}),
        ("x and y", "logical_and", {}),
        ("x + (1 if $deep else 2)", "add", {"x2": 1}),
        ("exp(x) if $deep else log(x)", "exp", {}),
        ("clip(x, -1, 1)", "clip", {"x_min": -1, "x_max": 1}),
        ("clip(x, x_min=0, x_max=1)", "clip", {"x_min": 0, "x_max": 1}),
        ("sum(x, axis=[1, 2])", "sum", {"axis": [1, 2]}),
        ("sum(x, axis=$sizes, keepdims=true)", "sum", {"axis": [1, 2], "keepdims": True}),
        ("reshape(x, [-1, 6 * $width])", "reshape", {"newshape": [-1, 24]}),
        ("average(x, weights=y)", "average", {}),
        ("image.resize(x, [8, 8])", "image.resize", {"size": [8, 8]}),
        ("x[:, 0]", "get_item", {"key": [":", 0]}),
        ("x[:, -1:, None, ::2]", "get_item", {"key": [":", "-1:", None, "::2"]}),
        ("x[..., $sizes[0]]", "get_item", {"key": ["...", 1]}),
        ("x[:, $(width - 3):3:-1]", "get_item", {"key": [":", "1:3:-1"]}),
        ("x[:, 0,]", "get_item", {"key": [":", 0]}),
        ("stack([x, y], axis=1)", "stack", {"axis": 1}),
    ],
)
def test_operations(tmp_path: Path, formula: str, operation: str, expected: dict[str, object]):
    """Operators and functions have their constants as arguments."""
    graph = expand_formula(tmp_path, formula.replace("'", "''"))
    assert graph.nodes[-1].name == "z"
    assert graph.nodes[-1].operation == f"ops.{operation}"
    assert arguments(graph.nodes[-1]) == expected


def test_einsum_takes_its_subscripts_first(tmp_path: Path):
    """As in Keras, where any number of tensors follow."""
    graph = expand(tmp_path, f"{NETWORK}  - formula: einsum('bij,bkj->bik', x, y)")
    assert arguments(graph.nodes[0]) == {"subscripts": "bij,bkj->bik"}
    assert edges(graph) == {"formula0": ["x", "y"]}


def test_constants_call_the_functions_of_the_file(tmp_path: Path):
    """Which are for numbers, as all functions of expressions."""
    functions = "functions: {half: {args: [n], value: $(n / 2)}}"
    graph = expand(tmp_path, f"{functions}{NETWORK}  - formula: x * half($width)")
    assert arguments(graph.nodes[0]) == {"x2": 2.0}
    text = f"{functions}{NETWORK}  - formula: half(x)"
    assert error_codes(tmp_path, text) == ["expression-error 7:14"]


def test_formulas_read_mappings(tmp_path: Path):
    """As other texts, with a dot between the parameter and the key."""
    text = f"""{NETWORK}
  - {{for: {{row: [{{scale: 2}}, {{scale: 3}}]}}, formula: x * $row.scale, name: a$i}}
  - {{branches: {{left: [], right: [ReLU]}}, name: two1}}
  - {{formula: two$i.right + a$i, for: {{i: [1]}}}}
"""
    graph = expand(tmp_path, text.replace("for: {i: [1]}", "for: {k: [1]}").replace("$i.r", "$k.r"))
    assert [arguments(node) for node in graph.nodes] == [{"x2": 2}, {"x2": 3}, {}, {}]
    assert edges(graph)["formula0"] == ["re_lu0", "a0"]


def test_shapes_that_no_one_knows(tmp_path: Path):
    """Without Keras, what depends on shapes is not checked."""
    text = f"""{NETWORK}
  - {{name: a, formula: "x[:, shape(x)[0] - 1, :channels(x):]"}}
  - {{name: b, formula: "(exp(a) if shape(a)[0] > 2 else a) / channels(a) ** 0.5"}}
  - {{name: c, formula: "split(x, shape(b)[0])[shape(b)[0]] + step$(shape(b)[0])"}}
"""
    archbuilder.load(write(tmp_path, text)).validate()
    bad = f'{NETWORK}  - formula: "x / shape(1)"'
    assert error_codes(tmp_path, bad) == ["expression-syntax 6:25"]


def test_chains_of_comparisons_are_conjunctions(tmp_path: Path):
    """The conjunction is the last operation."""
    graph = expand_formula(tmp_path, "0 < x <= y < 3")
    assert edges(graph) == {
        "z.less0": ["x"],
        "z.less_equal0": ["x", "y"],
        "z.less1": ["y"],
        "z.logical_and0": ["z.less0", "z.less_equal0"],
        "z": ["z.logical_and0", "z.less1"],
    }


def test_a_name_alone_is_another_name(tmp_path: Path):
    """It adds no node."""
    graph = expand(tmp_path, f"{NETWORK}  - {{formula: y, name: z}}\n  - formula: z * x")
    assert edges(graph) == {"formula0": ["y", "x"]}


def test_one_of_several_outputs(tmp_path: Path):
    """Of a function, of branches, of a block."""
    text = f"""
blocks:
  two: {{outputs: {{a: a, b: b}}, layers: [{{Dense: 4, name: a}}, {{Dense: 4, name: b}}]}}
{NETWORK.lstrip()}
  - {{branches: {{left: [ReLU], right: []}}, name: pair}}
  - {{two: , from: x, name: block}}
  - {{ops.split: {{indices_or_sections: 2, axis: -1}}, from: x, name: halves}}
  - formula: pair[1] + pair.left + block[1] + block.a + split(x, 2, axis=-1)[0] + halves[1]
"""
    read = {ref for refs in edges(expand(tmp_path, text)).values() for ref in refs}
    assert {"x", "re_lu0", "block.b", "block.a", "formula0.split0.0", "halves.1"} <= read


def test_parts_of_tensors_without_a_batch_axis(tmp_path: Path):
    """Their first axis is like the others."""
    text = f"""{NETWORK}
  - {{Parameter: [6, 4], name: bias}}
  - formula: x + bias[0] * (2 * bias)[1:, None][0, 0]
"""
    graph = expand(tmp_path, text)
    keys = [arguments(node)["key"] for node in graph.nodes if node.operation == "ops.get_item"]
    assert keys == [[0], ["1:", None], [0, 0]]
    assert error_codes(tmp_path, text + "  - formula: (x + bias)[0]") == ["invalid-inputs 9:24"]


def test_lists_of_numbers_are_constants(tmp_path: Path):
    """They have no batch axis, and are used as they are."""
    graph = expand(tmp_path, f"{NETWORK}  - {{name: z, formula: 'x[..., :2] * $sizes + [0.5]'}}")
    assert operations(graph) == {
        "z.get_item0": "ops.get_item",
        "z.constant0": "Constant",
        "z.multiply0": "ops.multiply",
        "z.constant1": "Constant",
        "z": "ops.add",
    }
    assert edges(graph)["z.multiply0"] == ["z.get_item0", "z.constant0"]
    assert arguments(graph.nodes[1]) == {"value": [1, 2]}


def test_formulas_in_loops_and_blocks(tmp_path: Path):
    """Names may have loop variables in them, and `previous` is the round before."""
    text = f"""
blocks:
  scaled:
    params: {{factor: 2}}
    layers: [{{formula: input * $factor}}]
{NETWORK.lstrip()}
  - {{scaled: $i, repeat: 2, name: block$i}}
  - {{formula: previous + block$i * $(i + 1), repeat: 2, name: sum$i}}
  - {{formula: x * 0, when: $(not deep)}}
"""
    graph = expand(tmp_path, text)
    assert edges(graph) == {
        "block0.formula0": ["x"],
        "block1.formula0": ["block0.formula0"],
        "sum0.multiply0": ["block0.formula0"],
        "sum0": ["block1.formula0", "sum0.multiply0"],
        "sum1.multiply0": ["block1.formula0"],
        "sum1": ["sum0", "sum1.multiply0"],
    }


def test_a_block_with_a_formula_can_be_used_again(tmp_path: Path):
    """Its functions have no weights, so they are simply called again."""
    text = f"""
blocks:
  scaled: {{layers: [{{Dense: 4, name: dense}}, {{formula: dense + input}}]}}
{NETWORK.lstrip()}
  - {{scaled: , name: first}}
  - {{reuse: first, name: second}}
"""
    graph = expand(tmp_path, text)
    assert edges(graph)["second.formula0"] == ["second.dense", "first.formula0"]
    assert [node.weight_owner for node in graph.nodes] == [None, None, "first.dense", None]


def test_a_formula_cannot_be_reused(tmp_path: Path):
    """It has no weights."""
    text = f"{NETWORK}  - {{formula: x + y, name: z}}\n  - reuse: z"
    assert error_codes(tmp_path, text) == ["unknown-name 7:12"]


def test_expanded_blueprints_give_the_same_graph(tmp_path: Path):
    """The text of `expand` has steps of keras.ops in place of formulas."""
    formula = "where(0 < x < 1, split(y, 2, axis=-1)[0][:, None, 1:], -x[..., ::-1]) @ y"
    graph = expand_formula(tmp_path, formula)
    text = archbuilder.load(tmp_path / "net.yaml").expand()
    assert "formula" not in text
    again = expand(tmp_path / "again", text)
    assert (edges(again), operations(again)) == (edges(graph), operations(graph))
    assert [arguments(node) for node in again.nodes] == [arguments(node) for node in graph.nodes]


def test_a_dead_formula_is_one_step(tmp_path: Path):
    """The warning does not count its operations as steps."""
    path = write(
        tmp_path,
        "inputs: {x: [4]}\nlayers: [{formula: exp(x) * 2 + x}, {ReLU: , from: x}]",
    )
    (warning,) = archbuilder.load(path).validate()
    assert warning.message == "no output depends on this step; it is not part of the model"


def test_all_mistakes_of_a_formula_are_reported(tmp_path: Path):
    """Unknown names do not hide each other."""
    text = f"{NETWORK}  - formula: one + two * $width\n  - formula: previous + x"
    assert error_codes(tmp_path, text) == ["unknown-name 6:14", "unknown-name 6:20"]


@pytest.mark.parametrize(
    ("formula", "expected"),
    [
        ("x +", "expression-syntax 17"),
        ("x = 2", "expression-syntax 16"),
        ("x.", "expression-syntax 15"),
        ("f(a=1, x)", "expression-syntax 21"),
        ("[a for a in x]", "invalid-structure 14"),
        ("sum([x for x in y])", "expression-syntax 21"),
        ("(x, y)", "expression-syntax 16"),
        ("x$", "expression-syntax 15"),
        ("x[:, 0.5]", "type-mismatch 19"),
        ("x[:, y]", "invalid-inputs 19"),
        ("x[:, ::0]", "out-of-range 21"),
        ("x[..., ...]", "invalid-inputs 15"),
        ("x + [1, 'a']", "type-mismatch 22"),
        ("x + 'a'", "type-mismatch 18"),
        ("x + $sizes[2]", "expression-error 25"),
        ("$sizes[0, 1] + x", "invalid-inputs 20"),
        ("x in [1, 2]", "invalid-inputs 16"),
        ("x if $width else y", "expression-error 16"),
        ("concatenate([x, 1], axis=1)", "invalid-inputs 30"),
        ("concatenate(x, y)", "unknown-argument 29"),
        ("stack(x, [x, y])", "unknown-argument 23"),
        ("x * [x, y]", "invalid-inputs 18"),
        ("sum(x, axis=x)", "invalid-inputs 21"),
        ("exp(x, x=y)", "unknown-argument 21"),
        ("where(x, y)", "missing-argument 14"),
        ("clip(x, 1)", "missing-argument 14"),
        ("tanh(2) * x", "invalid-inputs 14"),
        ("matmul(x, 2)", "invalid-inputs 24"),
        ("split(x, 2)[2.5]", "type-mismatch 26"),
        ("len(x)", "expression-error 14"),
        ("x @ 2", "invalid-inputs 18"),
        ("exp($width @ $width) + x", "invalid-inputs 25"),
        ("$sizes[x] + x", "invalid-inputs 20"),
        ("exp(tanh(2)) + x", "invalid-inputs 18"),
        ("step$(1 + 'a')", "expression-error 22"),
    ],
)
def test_mistakes_are_located(tmp_path: Path, formula: str, expected: str):
    """Each at the part of the formula that is wrong."""
    codes = error_codes(tmp_path, f"{NETWORK}  - formula: {formula}")
    code, column = expected.split()
    assert codes == [f"{code} 6:{column}"]


def test_operations_count_as_steps(tmp_path: Path):
    """A formula in a loop cannot expand to more nodes than the limit allows."""
    path = write(tmp_path, f"{NETWORK}  - {{formula: {' + '.join(['x'] * 21)}, repeat: 60}}")
    limits = Limits().replace(expanded_steps=1000)
    with pytest.raises(BlueprintError) as error:
        archbuilder.load(path, limits=limits).graphs()
    assert [each.code for each in error.value.diagnostics] == ["limit-exceeded"]


def test_long_formulas_need_no_recursion(tmp_path: Path):
    """A chain of operators may be longer than Python allows frames."""
    limits = Limits().replace(expression_tokens=10_000)
    path = write(tmp_path, f"{NETWORK}  - formula: {' + '.join(['x'] * 3000)}")
    (graph,) = archbuilder.load(path, limits=limits).graphs().values()
    assert len(graph.nodes) == 2999


WORDS = "x y z $width $sizes $(width) 0 1 2.5 'a' None true [ ] ( ) , : ... = . x$width previous"
WORDS += " + - * / // % ** @ < == and or not in if else for sum split concatenate max"


@given(st.lists(st.sampled_from(WORDS.split()), min_size=1, max_size=15).map(" ".join))
def test_fuzz_formulas(text: str):
    """Words in any order are parsed, or there is an error at one of them."""
    span = Span(SourceText("x.yaml", text), 1, 1, 1, len(text) + 1)
    diagnostics = Diagnostics()
    formula = parse_formula(ScalarNode(text, span), Limits(), diagnostics, NO_FUNCTIONS)
    assert (formula is None) == bool(diagnostics.error_count)
    assert all(1 <= each.location[2] <= len(text) + 1 for each in diagnostics)


OPERATORS = ["+", "-", "*", "/", "//", "%", "**", "@", "<", "and"]
FORMULAS = st.recursive(
    st.sampled_from(["x", "y", "$width", "2", "previous", "$(width / 3)", "x[:, 1:]"]),
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from(OPERATORS), inner).map(
            lambda three: f"({' '.join(three)})"
        ),
        inner.map(lambda text: f"exp({text})"),
        inner.map(lambda text: f"split({text}, 2, axis=-1)[1]"),
        inner.map(lambda text: f"concatenate([{text}, x], axis=-1)"),
        inner.map(lambda text: f"({text} if $deep else y)"),
    ),
    max_leaves=12,
)


@settings(max_examples=settings().max_examples // 2)
@given(FORMULAS)
def test_fuzz_expansion(tmp_path_factory: pytest.TempPathFactory, formula: str):
    """Valid formulas expand to graphs that are written and read again, in bounded time."""
    folder = tmp_path_factory.mktemp("formula")
    with at_most(seconds=2):
        path = write(folder, f'{NETWORK}  - formula: "{formula}"')
        try:
            (graph,) = archbuilder.load(path).graphs().values()
        except BlueprintError:
            return
        again = expand(folder / "again", archbuilder.load(path).expand())
        assert edges(again) == edges(graph)
