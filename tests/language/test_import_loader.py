"""Files that import files: each is read once, within bounds, and errors point to their own."""

from __future__ import annotations

from pathlib import Path

import pytest
from helpers.blueprints import write

import archbuilder
from archbuilder import BlueprintError, Limits

LEAF = "inputs: {x: [4]}\nlayers: [{Dense: 2}]"


def importing(*files: str) -> str:
    """A blueprint that uses each of some files as a layer."""
    imports = ", ".join(f"n{number}: {file}" for number, file in enumerate(files))
    steps = ", ".join(f"{{n{number}: , from: x}}" for number in range(len(files)))
    return f"imports: {{{imports}}}\ninputs: {{x: [4]}}\nlayers: [{steps}]"


def codes(path: Path, limits: Limits | None = None, allow_dirs: tuple[Path, ...] = ()) -> list[str]:
    """The codes of all errors in a blueprint."""
    try:
        archbuilder.load(path, limits=limits, allow_dirs=allow_dirs)
    except BlueprintError as error:
        return [each.code for each in error.diagnostics if each.severity == "error"]
    return []


def test_shared_import_is_parsed_once(tmp_path: Path) -> None:
    """So that its mistakes are told once."""
    write(tmp_path, LEAF.replace("Dense", "Dnese"), "leaf.yaml")
    write(tmp_path, importing("leaf.yaml"), "left.yaml")
    write(tmp_path, importing("leaf.yaml"), "right.yaml")
    path = write(tmp_path, importing("left.yaml", "right.yaml"))
    with pytest.raises(BlueprintError) as caught:
        archbuilder.load(path)
    errors = [each for each in caught.value.diagnostics if each.severity == "error"]
    assert [(each.code, Path(each.location[0]).name) for each in errors] == [
        ("unknown-layer", "leaf.yaml")
    ]


def test_paths_are_relative_to_the_file_that_names_them(tmp_path: Path) -> None:
    """A folder of parts may be moved as a whole."""
    write(tmp_path, LEAF, "parts/deep/leaf.yaml")
    write(tmp_path, importing("deep/leaf.yaml"), "parts/middle.yaml")
    path = write(tmp_path, importing("./parts/middle.yaml"))
    graph = archbuilder.load(path).graphs()["net"]
    assert [node.operation for node in graph.nodes] == ["Dense"]


def test_import_cycle_error_shows_the_path(tmp_path: Path) -> None:
    """Through however many files."""
    for name, imported in (("a", "b"), ("b", "c"), ("c", "a")):
        write(tmp_path, importing(f"{imported}.yaml"), f"{name}.yaml")
    with pytest.raises(BlueprintError, match=r"a\.yaml -> b\.yaml -> c\.yaml -> a\.yaml"):
        archbuilder.load(tmp_path / "a.yaml")


def test_import_limits(tmp_path: Path) -> None:
    """Both bounds can be raised."""
    write(tmp_path, LEAF, "n10.yaml")
    for number in range(10):
        write(tmp_path, importing(f"n{number + 1}.yaml"), f"n{number}.yaml")
    first = tmp_path / "n0.yaml"
    assert "limit-exceeded" in codes(first)
    assert codes(first, Limits(import_depth=10)) == []
    for number in range(5):
        write(tmp_path, LEAF, f"leaf{number}.yaml")
    wide = write(tmp_path, importing(*(f"leaf{number}.yaml" for number in range(5))))
    assert "limit-exceeded" in codes(wide, Limits(files=5))
    assert codes(wide, Limits(files=6)) == []


def test_allow_dir_for_imports(tmp_path: Path) -> None:
    """And then only that one."""
    write(tmp_path, LEAF, "shared/leaf.yaml")
    write(tmp_path, LEAF, "other/leaf.yaml")
    path = write(tmp_path, importing("../shared/leaf.yaml"), "mine/net.yaml")
    assert codes(path) == ["path-outside-directory"]
    assert codes(path, allow_dirs=(tmp_path / "shared",)) == []
    assert codes(path, allow_dirs=(tmp_path / "other",)) == ["path-outside-directory"]
