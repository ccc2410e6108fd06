"""The functions of a file: where errors in them are shown, and what a hostile file can cost."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import archbuilder
from archbuilder import BlueprintError, Limits
from archbuilder.diagnostics.render import render
from archbuilder.plain_data import PlainData
from archbuilder.yaml.nodes import to_plain
from tests.helpers.processor_time import at_most


def write_file(folder: Path, functions: str, units: str) -> Path:
    """A network whose layer has `units`."""
    file = folder / "net.yaml"
    file.write_text(
        f"archbuilder: 1\nfunctions:\n{functions}\n"
        f"inputs: {{x: [4]}}\nlayers:\n  - Dense: {units}\n"
    )
    return file


def units_of(file: Path, limits: Limits | None = None) -> PlainData:
    """The units of the layer."""
    graph = archbuilder.load(file, limits=limits).graphs()["net"]
    return to_plain(graph.nodes[0].arguments[0].value)


def test_errors_show_the_chain_of_calls(tmp_path: Path):
    """The location is that of the operation, and each call around it has one."""
    file = write_file(
        tmp_path,
        "  outer: {args: [x], value: $(1 + inner(x - 1))}\n  inner: {args: [x], value: $(8 / x)}",
        "$(int(outer(1)))",
    )
    with pytest.raises(BlueprintError) as caught:
        archbuilder.load(file).expand()
    (diagnostic,) = caught.value.diagnostics
    assert diagnostic.frame is not None
    assert [(each.text, each.span.line, each.span.column) for each in diagnostic.frame.chain()] == [
        ("in function 'inner'", 3, 35),
        ("in function 'outer'", 7, 18),
    ]
    text = render([diagnostic]).replace(str(file), "net.yaml")
    assert text.splitlines()[:8] == [
        "error[expression-error]: division by zero",
        " --> net.yaml:4:33",
        "  |",
        "4 |   inner: {args: [x], value: $(8 / x)}",
        "  |                                 ^",
        "  = in function 'inner', called at net.yaml:3:35",
        "  = in function 'outer', called at net.yaml:7:18",
        "",
    ]


def test_functions_see_their_arguments_alone(tmp_path: Path):
    """Neither a comprehension around the call nor another call changes them."""
    file = write_file(
        tmp_path,
        '  add: {args: [x, y], value: "$(sum([x for i in range(y)]) + half(y))"}\n'
        "  half: {args: [x], value: $(x // 2)}",
        '"$(sum([add(i, half(x)) + x for i, x in [[1, 4], [2, 6]]]))"',
    )
    assert units_of(file) == sum((1 * 2 + 1, 4, 2 * 3 + 1, 6))


def test_calls_cost_their_operations(tmp_path: Path):
    """A function that calls the next one twice, and so on, is stopped by the limit."""
    functions = "\n".join(
        f"  f{i}: {{args: [x], value: $(f{i + 1}(x) + f{i + 1}(x))}}" for i in range(40)
    )
    file = write_file(tmp_path, f"{functions}\n  f40: {{args: [x], value: $(x)}}", "$(f0(1))")
    too_many = pytest.raises(BlueprintError, match=r"limit-exceeded.*more than 10000 operations")
    with at_most(seconds=1), too_many:
        units_of(file)


@pytest.mark.parametrize(
    "body", ["f{}(x)", "-(-f{}(x))", "[f{}(x)][0]", "max(x, f{}(x))", "sum([f{}(y) for y in [x]])"]
)
def test_calls_are_nested_within_the_recursion_limit(tmp_path: Path, body: str):
    """Also in the deepest step, and with the largest limits."""
    functions = "".join(
        f'  f{i}: {{args: [x], value: "$({body.format(i + 1)})"}}\n' for i in range(90)
    )
    steps = [f"b{i + 1}" if i < 62 else "Dense: $(f0(1))" for i in range(63)]
    blocks = "".join(
        f"  b{i}: {{layers: [{step if i > 34 else f'layers: [{step}]'}]}}\n"
        for i, step in enumerate(steps)
    )
    file = tmp_path / "net.yaml"
    file.write_text(
        f"archbuilder: 1\nfunctions:\n{functions}  f90: {{args: [x], value: $(x)}}\n"
        f"blocks:\n{blocks}inputs: {{x: [4]}}\nlayers: [b0]\n"
    )
    limits = Limits(block_depth=64, expression_operations=100_000)
    with pytest.raises(BlueprintError, match=r"limit-exceeded.*functions can be nested"):
        units_of(file, limits)
    file.write_text(file.read_text().replace("f0(1)", "f72(1)"))
    assert units_of(file, limits) == 1


CALLS = st.recursive(
    st.sampled_from(["x", "y", "1", "range(y)", "[x, y]"]),
    lambda inner: st.one_of(
        st.tuples(st.integers(0, 3), inner, inner).map(
            lambda call: f"f{call[0]}({call[1]}, {call[2]})"
        ),
        st.tuples(inner, inner).map(lambda two: f"[{two[0]} for x in {two[1]}]"),
        inner.map(lambda text: f"len({text})"),
    ),
    max_leaves=6,
)


@given(st.lists(CALLS, min_size=4, max_size=4))
def test_any_functions_are_bounded(tmp_path_factory: pytest.TempPathFactory, values: list[str]):
    """However functions and comprehensions are nested, recursion included."""
    functions = "\n".join(
        f'  f{i}: {{args: [x, y], value: "$({value})"}}' for i, value in enumerate(values)
    )
    file = write_file(tmp_path_factory.mktemp("functions"), functions, '"$(len([f0(9, 9)]))"')
    with at_most(seconds=1), contextlib.suppress(BlueprintError):
        assert units_of(file) == 1
