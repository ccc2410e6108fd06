"""Checks names: each says what a value is, and each class name of the package is used once."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "archbuilder"
MODULES = sorted(PACKAGE.rglob("*.py"))
PROGRAMS = sorted(
    path for name in ("benchmarks", "scripts", "tests") for path in (ROOT / name).rglob("*.py")
)

EMPTY_WORDS = frozenset(
    (
        "found",
        "given",
        "made",
        "told",
        "said",
        "each",
        "kept",
        "known",
        "own",
        "wanted",
        "like",
        "place",
        "whole",
        "part",
        "one",
        "other",
        "more",
        "called",
        "written",
        "begun",
        "before",
        "behind",
        "what",
    )
)
"""Words that tell the history of a value, or nothing, where its content has a name.

`each` may be the target of a comprehension.
"""


def bindings(tree: ast.AST) -> Iterator[tuple[str, int]]:
    """Yield each name that a module binds, with its line."""
    comprehended = {
        id(name)
        for node in ast.walk(tree)
        if isinstance(node, ast.comprehension)
        for name in ast.walk(node.target)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            yield node.name, node.lineno
        elif isinstance(node, ast.arg):
            yield node.arg, node.lineno
        elif isinstance(node, ast.ExceptHandler) and node.name is not None:
            yield node.name, node.lineno
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            yield node.attr, node.lineno
        elif (
            isinstance(node, ast.Name)
            and isinstance(node.ctx, ast.Store)
            and not (node.id == "each" and id(node) in comprehended)
        ):
            yield node.id, node.lineno


@pytest.mark.parametrize(
    "path", [*MODULES, *PROGRAMS], ids=lambda path: path.relative_to(ROOT).as_posix()
)
def test_no_name_is_an_empty_word(path: Path):
    """No variable, argument, function or class has an empty word for its name."""
    wrong = [
        f"{name} in line {line}"
        for name, line in bindings(ast.parse(path.read_text()))
        if name.strip("_").lower() in EMPTY_WORDS
    ]
    assert not wrong


def test_public_class_names_are_unique():
    """No two modules have a public class of the same name."""
    places: defaultdict[str, list[str]] = defaultdict(list)
    for path in MODULES:
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                places[node.name].append(path.relative_to(PACKAGE).as_posix())
    assert not {name: paths for name, paths in places.items() if len(paths) > 1}


@pytest.mark.parametrize(
    ("code", "names"),
    [
        ("found = 1", ["found"]),
        ("def f(given): ...", ["f", "given"]),
        ("x = [each for each in y]", ["x"]),
        ("for each in y: ...", ["each"]),
        ("try: ...\nexcept E as told: ...", ["told"]),
        ("self.made = 1", ["made"]),
        ("x = lambda part: part", ["part", "x"]),
        ("if (whole := f()): ...", ["whole"]),
    ],
)
def test_bindings_include_every_syntax(code: str, names: list[str]):
    """Assignments, arguments, loops, attributes and exceptions are bindings."""
    assert sorted(name for name, _ in bindings(ast.parse(code))) == names
