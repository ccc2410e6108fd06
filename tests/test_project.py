"""Holds the project's own files to each other and to the house rules that no linter knows."""

from __future__ import annotations

import ast
import re
import tomllib
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
TESTS = sorted((ROOT / "tests").rglob("test_*.py"))


@pytest.mark.parametrize("path", TESTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_test_has_a_docstring(path: Path):
    """The docstrings of the tests read as a specification."""
    silent = [
        node.name
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef)
        and node.name.startswith("test_")
        and ast.get_docstring(node) is None
    ]
    assert silent == []


def test_functions_fit_a_screen():
    """A function has at most 60 lines besides its docstring."""
    long = []
    for path in sorted((ROOT / "archbuilder").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef) and node.end_lineno is not None:
                docstring = (ast.get_docstring(node, clean=False) or "").count("\n") + 1
                length = node.end_lineno - node.lineno + 1 - docstring
                long += [f"{path.name}: {node.name} has {length} lines"] if length > 60 else []
    assert long == []


def test_lowest_supported_keras_is_tested():
    """The Makefile tests the Keras at the lower end of the range in pyproject.toml."""
    (keras,) = (each for each in PROJECT["dependencies"] if each.startswith("keras"))
    lowest = re.search(r"OLDER_KERAS := (\S+)", (ROOT / "Makefile").read_text())
    assert lowest is not None
    assert keras.startswith(f"keras>={lowest[1].removesuffix('.0')},")


def test_gpu_extra_has_the_range_of_tensorflow():
    """The extra for GPUs does not ask for another TensorFlow."""
    (plain,) = (each for each in PROJECT["dependencies"] if each.startswith("tensorflow"))
    assert PROJECT["optional-dependencies"]["gpu"] == [
        plain.replace("tensorflow", "tensorflow[and-cuda]")
    ]


def test_every_dependency_has_its_reason():
    """docs/decisions.md says why each dependency is there."""
    decisions = (ROOT / "docs" / "decisions.md").read_text().lower()
    names = [re.split(r"[>=<]", each)[0] for each in PROJECT["dependencies"]]
    assert [name for name in names if name not in decisions] == []


def test_contributing_is_short():
    """A guide that is read fits on two screens."""
    assert len((ROOT / "CONTRIBUTING.md").read_text().splitlines()) < 60


def test_architecture_page_matches_the_code():
    """docs/architecture.md names files that are there, and types where they are defined."""
    text = (ROOT / "docs" / "architecture.md").read_text()
    package = ROOT / "archbuilder"
    folders = {each.name for each in package.iterdir()}
    files = set(re.findall(r"(?<![\w/.*-])(\w+(?:/|\.py))(?=\s)", text.split("```")[1]))
    assert {each.strip("/") for each in files} <= folders
    for name, where in re.findall(r"^\| `(?:keras\.)?(\w+)` \| `([\w/]+\.py)`", text, re.MULTILINE):
        paths = [package / where, package / "training" / where, package / "recipe" / where]
        defined = re.compile(rf"^(?:class {name}\b|{name}: TypeAlias)", re.MULTILINE)
        texts = [path.read_text() for path in paths if path.is_file()]
        assert name == "Model" or any(defined.search(each) for each in texts), name


def test_paths_in_the_docs_exist():
    """A path to a file in backticks is one of the repository, or of the package within it."""
    roots = (ROOT, ROOT / "archbuilder")
    pages = [*sorted((ROOT / "docs").glob("*.md")), *sorted(ROOT.glob("*.md"))]
    missing = [
        f"{page.name}: {path}"
        for page in pages
        for path in re.findall(r"`((?:\w[\w.-]*/)+[\w-]+\.(?:py|md|toml))`", page.read_text())
        if not any((root / path).is_file() for root in roots)
    ]
    assert missing == []


def test_automation_uses_existing_make_targets():
    """What pre-commit, the workflows and the guides call exists in the Makefile."""
    makefile = (ROOT / "Makefile").read_text()
    targets = set(re.findall(r"^\.PHONY: ([a-z-]+)$", makefile, re.MULTILINE))
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"][0]["hooks"]
    names = {hook["entry"].removeprefix("make ") for hook in hooks}
    weekly = yaml.safe_load((ROOT / ".github" / "workflows" / "thorough.yml").read_text())
    names |= set(weekly["jobs"]["thorough"]["strategy"]["matrix"]["target"])
    for page in [ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]:
        for targets_text in re.findall(r"`make ([a-z -]+)", page.read_text()):
            names |= set(targets_text.split())
    assert names <= targets


def test_prose_is_wrapped():
    """Lines of prose have at most 100 columns; tables, code and links may be longer."""
    pages = [*sorted((ROOT / "docs").glob("*.md")), *sorted(ROOT.glob("*.md"))]
    generated = {"examples.md", "gallery.md", "parity.md", "results.md", "settings.md"}
    for page in pages:
        if page.name in generated:
            continue
        text = re.sub(r"^```.*?^```$", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)
        long = [
            line
            for line in text.splitlines()
            if len(line) > 100
            and not line.startswith(("|", "#", "<"))
            and " " in line[:100].strip()
        ]
        assert not long, f"{page.name}: {long[0]}"
