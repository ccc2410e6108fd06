"""Every code is explained, and every explanation is true."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import archbuilder
from archbuilder import BlueprintError, Diagnostic, UsageError
from archbuilder.diagnostics.codes import EXPLANATIONS, MAIN_FILE, Explanation, explain

PACKAGE = Path(archbuilder.__file__).parent
NEED_KERAS = {
    "shape-mismatch",
    "empty-shape",
    "keras-refused",
    "wrong-axis",
    "too-large",
    "expectation",
}
WITH_EXAMPLE = [pytest.param(each, id=each.code) for each in EXPLANATIONS.values() if each.wrong]


def mistakes(folder: Path, explanation: Explanation, text: bytes) -> tuple[Diagnostic, ...]:
    """What archbuilder says of an example, the files that it imports beside it."""
    path = folder / MAIN_FILE
    path.write_bytes(text)
    for name, beside in explanation.imported_files:
        (folder / name).write_text(beside, encoding="utf-8")
    try:
        blueprint = archbuilder.load(path)
        warnings = blueprint.validate()
        blueprint.graphs()
        if explanation.code in NEED_KERAS:
            for variant in ("default", *blueprint.variants):
                for draft in blueprint.build_symbolic(variant=variant).values():
                    draft.check(blueprint.limits)
    except BlueprintError as error:
        return error.diagnostics
    return warnings


@pytest.mark.parametrize("explanation", WITH_EXAMPLE)
def test_a_wrong_example_has_the_mistake_that_it_explains(
    explanation: Explanation, tmp_path: Path
) -> None:
    """Exactly this code, with the severity that the explanation says, and no other."""
    found = mistakes(tmp_path, explanation, explanation.wrong.encode(explanation.encoding))
    assert {each.code for each in found} == {explanation.code}
    assert {each.severity for each in found} == {explanation.severity}


@pytest.mark.parametrize("explanation", WITH_EXAMPLE)
def test_a_right_example_has_no_mistake(explanation: Explanation, tmp_path: Path) -> None:
    """The mended example compiles without a warning."""
    assert mistakes(tmp_path, explanation, explanation.right.encode()) == ()


def sources() -> Iterator[ast.Module]:
    """The package without the explanations themselves."""
    for path in PACKAGE.rglob("*.py"):
        if path.parent.name != "codes":
            yield ast.parse(path.read_text(encoding="utf-8"))


def texts(node: ast.AST) -> Iterator[str]:
    """Regular expressions of the texts in a tree; what an f-string fills in can be any word."""
    for each in ast.walk(node):
        if isinstance(each, ast.Constant) and isinstance(each.value, str):
            yield re.escape(each.value)
        elif isinstance(each, ast.JoinedStr):
            yield "".join(
                re.escape(str(part.value)) if isinstance(part, ast.Constant) else "[a-z]+"
                for part in each.values
            )


def reported() -> Iterator[str]:
    """What is given as a code to `.error`, `.warning` and `Diagnostic`."""
    for tree in sources():
        for node in ast.walk(tree):
            if not isinstance(node, ast.Call) or not node.args:
                continue
            name = ast.unparse(node.func).rpartition(".")[2]
            if name in ("error", "warning", "Diagnostic"):
                code = node.args[0]
                if isinstance(code, ast.Constant | ast.JoinedStr):
                    yield next(texts(code))


def test_every_code_that_is_reported_is_explained() -> None:
    """Nobody sees a code of which 'archbuilder explain' knows nothing."""
    unknown = [
        each for each in reported() if not any(re.fullmatch(each, code) for code in EXPLANATIONS)
    ]
    assert unknown == []


def test_every_code_that_is_explained_is_reported() -> None:
    """No explanation outlives its code."""
    known = {text for tree in sources() for text in texts(tree)}
    unused = [code for code in EXPLANATIONS if not any(re.fullmatch(each, code) for each in known)]
    assert unused == []


@pytest.mark.parametrize("explanation", EXPLANATIONS.values(), ids=lambda each: each.code)
def test_explanations_fit_a_screen(explanation: Explanation) -> None:
    """Short lines, one to six of them, and an example with its remedy or none."""
    lines = explanation.text.split("\n")
    assert 1 <= len(lines) <= 6
    assert all(len(line) <= 96 for line in lines)
    assert bool(explanation.wrong) == bool(explanation.right)
    if explanation.encoding == "utf-8":
        assert not explanation.wrong or explanation.wrong != explanation.right


def test_an_unknown_code_gets_a_suggestion() -> None:
    """A mistyped code is the user's to mend."""
    with pytest.raises(UsageError, match="did you mean 'unknown-layer'"):
        explain("unknown-layr")
    with pytest.raises(UsageError, match=r"no code 'zzz'$"):
        explain("zzz")
