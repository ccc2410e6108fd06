"""Holds the rooms of the package to their order: a room imports only rooms before it."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "archbuilder"

ROOMS = (
    "version",
    "tree",
    "escaping",
    "errors",
    "parser_errors",
    "zip_archive",
    "tables",
    "excerpt",
    "rendering",
    "limits",
    "places",
    "writing",
    "graph",
    "files",
    "json_files",
    "scalars",
    "source",
    "expressions",
    "catalogue",
    "judging",
    "foreign_keys",
    "arguments",
    "values",
    "document",
    "decode",
    "program",
    "params",
    "expand",
    "check",
    "loading",
    "pipeline",
    "encode",
    "schema",
    "library",
    "codes",
    "layers",
    "losses",
    "schedules",
    "registration",
    "backend",
    "weights",
    "promises",
    "api",
    "tables",
    "report",
    "recipe",
    "launching",
    "training",
    "using",
    "cli",
)
"""The rooms in the order of the data's way; each may import those before it."""

BEHIND_THE_WALL = {"layers", "losses", "schedules", "backend", "weights", "training", "using"}
"""The rooms that may import Keras and TensorFlow when they are imported."""

HEAVY = {"keras", "tensorflow", "numpy"}


def modules() -> dict[str, ast.Module]:
    return {
        path.relative_to(PACKAGE.parent).with_suffix("").as_posix().replace("/", "."): ast.parse(
            path.read_text()
        )
        for path in sorted(PACKAGE.rglob("*.py"))
    }


MODULES = modules()


def room(module: str) -> str:
    parts = module.split(".")
    return parts[1] if len(parts) > 1 else ""


def imported(tree: ast.AST, *, top_level_only: bool = False) -> set[str]:
    """Modules that a module imports; without those under TYPE_CHECKING."""
    found: set[str] = set()
    waiting = list(ast.iter_child_nodes(tree))
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            continue
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            found.add(node.module)
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
        elif not (top_level_only and isinstance(node, ast.FunctionDef)):
            waiting.extend(ast.iter_child_nodes(node))
    return found


def test_every_room_is_in_the_table():
    """A new module has a place in the order."""
    assert {room(name) for name in MODULES} - {"", "__init__", "__main__"} == set(ROOMS)


@pytest.mark.parametrize("module", sorted(set(MODULES) - {"archbuilder.__main__"}))
def test_imports_point_to_earlier_rooms(module: str):
    """No room imports one that stands behind it on the data's way."""
    own = room(module)
    if own in ("", "__init__"):
        return
    for name in imported(MODULES[module]):
        if not name.startswith("archbuilder.") or name not in MODULES:
            if name.startswith("archbuilder.") and name.split(".")[1] in ROOMS:
                other = name.split(".")[1]
                assert ROOMS.index(other) <= ROOMS.index(own), f"{module} imports {name}"
            continue
        other = room(name)
        assert ROOMS.index(other) <= ROOMS.index(own), f"{module} imports {name}"


@pytest.mark.parametrize("module", sorted(MODULES))
def test_only_rooms_behind_the_wall_import_keras(module: str):
    """Keras, TensorFlow and numpy are imported at the top of the rooms that are built on them."""
    if room(module) in BEHIND_THE_WALL:
        return
    names = {name.partition(".")[0] for name in imported(MODULES[module], top_level_only=True)}
    assert not names & HEAVY


def test_there_are_no_circles():
    """No two modules need each other to be imported."""
    graph = {
        name: {each for each in imported(tree, top_level_only=True) if each in MODULES} - {name}
        for name, tree in MODULES.items()
    }
    done: set[str] = set()

    def visit(name: str, path: tuple[str, ...]) -> None:
        assert name not in path, " -> ".join([*path, name])
        if name not in done:
            for other in sorted(graph[name]):
                visit(other, (*path, name))
            done.add(name)

    for name in graph:
        visit(name, ())


@pytest.mark.parametrize("code", ["import archbuilder", "import archbuilder.cli"])
def test_importing_needs_no_keras(code: str):
    """Neither the package nor the command line brings in Keras, TensorFlow or numpy."""
    heavy = "{'keras', 'tensorflow', 'numpy'} & {n.partition('.')[0] for n in sys.modules}"
    command = [sys.executable, "-c", f"{code}\nimport sys\nprint({heavy})"]
    assert subprocess.check_output(command, text=True).strip() == "set()"
