"""Blueprints with a mistake and the code and place that is expected; and blueprints without.

A case begins with one comment for each mistake: `# expect: unknown-argument 7:16`. Those in
`cases/bad` need no Keras, those in `cases/shapes` do. A new bug is a new file.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

import pytest

import archbuilder
from archbuilder import Blueprint, BlueprintError, Diagnostic

CASES = Path(__file__).parent / "cases"
EXPECTATION = re.compile(r"# expect: ([a-z-]+) ([0-9]+):([0-9]+)")

Mistake = tuple[str, int, int]


def cases(folder: str) -> list[pytest.param]:
    """The case files of a folder, each under its name."""
    return [pytest.param(path, id=path.stem) for path in sorted((CASES / folder).glob("*.yaml"))]


def expected(path: Path) -> list[Mistake]:
    """What the comments at the head of a case say."""
    mistakes_of_case: list[Mistake] = []
    for line in path.read_text(encoding="utf-8").splitlines():
        match = EXPECTATION.fullmatch(line)
        if match is None:
            break
        mistakes_of_case.append((match[1], int(match[2]), int(match[3])))
    return sorted(mistakes_of_case)


def codes_and_locations(diagnostics: Iterable[Diagnostic]) -> list[Mistake]:
    """The codes and places of mistakes."""
    return sorted((each.code, *each.location[1:]) for each in diagnostics)


def choices(blueprint: Blueprint) -> tuple[str | None, ...]:
    """What a case is compiled with: its variants, or as it is."""
    return blueprint.variants or (None,)


def mistakes(path: Path, *, shapes: bool) -> tuple[Diagnostic, ...]:
    """What archbuilder says of a file."""
    try:
        blueprint = archbuilder.load(path)
        warnings = blueprint.validate()
        if shapes:
            for variant in choices(blueprint):
                for draft in blueprint.build_symbolic(variant=variant).values():
                    draft.check(blueprint.limits)
    except BlueprintError as error:
        return error.diagnostics
    return warnings


@pytest.mark.parametrize("path", cases("bad"))
def test_bad_cases_report_their_errors(path: Path) -> None:
    """Exactly the mistakes that are expected, where they are expected."""
    assert expected(path)
    assert codes_and_locations(mistakes(path, shapes=False)) == expected(path)


@pytest.mark.parametrize("path", cases("shapes"))
def test_shape_cases_report_their_errors(path: Path) -> None:
    """What only Keras can tell is found without weights, at the step that it is the fault of."""
    assert expected(path)
    assert codes_and_locations(mistakes(path, shapes=False)) == []
    assert codes_and_locations(mistakes(path, shapes=True)) == expected(path)


@pytest.mark.parametrize("path", cases("good"))
def test_good_cases_are_valid(path: Path) -> None:
    """A filter that refuses everything would pass all other cases."""
    assert mistakes(path, shapes=False) == ()


@pytest.mark.parametrize("path", cases("good"))
def test_good_cases_meet_their_expectations(path: Path) -> None:
    """They build in Keras, and keep what they promise under `expect`."""
    if path.stem == "blocks_only":
        pytest.skip("it has nothing to build")
    assert mistakes(path, shapes=True) == ()
