"""Every code is explained, and every explanation is true."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import pytest

import archbuilder
from archbuilder import BlueprintError, Diagnostic, UsageError
from archbuilder.config import read_recipe
from archbuilder.diagnostics.code import Code
from archbuilder.diagnostics.explanations import Explanation, explained_codes, load_explanation

PACKAGE = Path(archbuilder.__file__).parent
NEED_KERAS = {
    "shape-mismatch",
    "empty-output",
    "keras-rejected",
    "invalid-axis",
    "mixed-examples",
    "memory-limit",
    "expectation-failed",
}
WITHOUT_EXAMPLE = {"augmentation-mismatch", "keras-too-old", "step-failed", "invalid-data"}
"""Codes that depend on data or on the installed Keras, not on the text of a blueprint alone."""
EXPLANATIONS = {code: load_explanation(code) for code in explained_codes()}
WITH_EXAMPLE = [code for code in EXPLANATIONS if code not in WITHOUT_EXAMPLE]
FAILS = {"error": "Fails", "warning": "Warns"}
FENCE = re.compile(r"^```yaml(?: encoding=([a-z0-9-]+))?\n(.*?)^```$", re.DOTALL | re.MULTILINE)


def headings(explanation: Explanation) -> list[str]:
    return re.findall(r"^## (.+)$", explanation.body, re.MULTILINE)


def example(explanation: Explanation, heading: str) -> bytes:
    """Return the one example in a section of a document, in the encoding that it names."""
    (section,) = (
        text
        for text in re.split(r"^## ", explanation.body, flags=re.MULTILINE)[1:]
        if text.startswith(f"{heading}\n")
    )
    ((encoding, text),) = FENCE.findall(section)
    return text.encode(encoding or "utf-8")


def diagnose(folder: Path, explanation: Explanation, heading: str) -> tuple[Diagnostic, ...]:
    """Return the diagnostics of an example, with the files that it imports next to it."""
    path = folder / "blueprint.yaml"
    path.write_bytes(example(explanation, heading))
    for name in headings(explanation):
        if name.endswith(".yaml"):
            (folder / name).write_bytes(example(explanation, name))
    try:
        blueprint = archbuilder.load(path)
        warnings = blueprint.validate()
        read_recipe(blueprint)
        if explanation.code in NEED_KERAS:
            for variant in ("default", *blueprint.variants):
                for draft in blueprint.build_symbolic(variant=variant).values():
                    draft.check(blueprint.limits)
    except BlueprintError as error:
        return error.diagnostics
    return warnings


@pytest.mark.parametrize("code", WITH_EXAMPLE)
def test_failing_example_has_its_code(code: str, tmp_path: Path) -> None:
    """It has the severity that the explanation says, and no other code."""
    explanation = EXPLANATIONS[code]
    diagnostics = diagnose(tmp_path, explanation, FAILS[explanation.severity])
    assert {each.code for each in diagnostics} == {code}
    assert {each.severity for each in diagnostics} == {explanation.severity}


@pytest.mark.parametrize("code", WITH_EXAMPLE)
def test_fixed_example_is_valid(code: str, tmp_path: Path) -> None:
    """It compiles without an error or a warning."""
    assert diagnose(tmp_path, EXPLANATIONS[code], "Fixed") == ()


GAP = "[a-z]+"
"""What an f-string fills in, as a regular expression."""


def sources() -> Iterator[ast.Module]:
    """Yield the modules of the package, without the list of all codes."""
    for path in set(PACKAGE.rglob("*.py")) - {PACKAGE / "diagnostics" / "code.py"}:
        yield ast.parse(path.read_text(encoding="utf-8"))


def texts(node: ast.AST) -> Iterator[str]:
    """Regular expressions of the texts in a tree; what an f-string fills in can be any word."""
    for child in ast.walk(node):
        if isinstance(child, ast.Constant) and isinstance(child.value, str):
            yield re.escape(child.value)
        elif isinstance(child, ast.JoinedStr):
            yield "".join(
                re.escape(str(piece.value)) if isinstance(piece, ast.Constant) else GAP
                for piece in child.values
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


def test_every_code_has_a_document() -> None:
    """The type checker finds a code that is not in the list, and this test one without document."""
    assert list(EXPLANATIONS) == list(get_args(Code))


def test_every_code_that_is_reported_is_explained() -> None:
    """Nobody sees a code of which 'archbuilder explain' knows nothing."""
    unknown = [
        each for each in reported() if not any(re.fullmatch(each, code) for code in EXPLANATIONS)
    ]
    assert unknown == []


def test_every_code_that_is_explained_is_reported() -> None:
    """No explanation outlives its code."""
    codes = {text for tree in sources() for text in texts(tree)}
    # A text without a gap is found by itself: to compile one expression per text takes seconds.
    with_gaps = [re.compile(each) for each in codes if GAP in each]
    unused = [
        code
        for code in EXPLANATIONS
        if re.escape(code) not in codes and not any(each.fullmatch(code) for each in with_gaps)
    ]
    assert unused == []


@pytest.mark.parametrize("code", EXPLANATIONS)
def test_explanation_structure(code: str) -> None:
    """There is prose, a way to fix the error and, except for a few codes, a pair of examples."""
    explanation = EXPLANATIONS[code]
    required = ["How to fix"]
    if code not in WITHOUT_EXAMPLE:
        required += [FAILS[explanation.severity], "Fixed"]
        assert example(explanation, FAILS[explanation.severity]) != example(explanation, "Fixed")
    sections = headings(explanation)
    assert sections[: len(required)] == required
    assert all(re.fullmatch(r"[a-z]+\.yaml", name) for name in sections[len(required) :])
    assert len(FENCE.findall(explanation.body)) == len(sections) - 1


@pytest.mark.parametrize("code", EXPLANATIONS)
def test_explanations_fit_a_screen(code: str) -> None:
    """The prose is short, and so are its lines and the title."""
    explanation = EXPLANATIONS[code]
    prose = explanation.body.partition("\n## Fails")[0].partition("\n## Warns")[0]
    assert len(explanation.title) <= 60
    assert len(prose.splitlines()) <= 24
    assert all(len(line) <= 88 for line in prose.splitlines())
    assert not prose.startswith("#")


def test_an_unknown_code_gets_a_suggestion() -> None:
    """A mistyped code is an error of the user, and no text reaches the file system."""
    with pytest.raises(UsageError, match="did you mean 'unknown-layer'"):
        load_explanation("unknown-layr")
    with pytest.raises(UsageError, match=r"no code 'zzz'$"):
        load_explanation("zzz")
    with pytest.raises(UsageError, match="no code"):
        load_explanation("../codes/unknown-layer")
