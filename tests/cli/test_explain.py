"""`archbuilder explain`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from archbuilder.diagnostics.codes import EXPLANATIONS

if TYPE_CHECKING:
    from tests.cli.conftest import Run


@pytest.mark.parametrize("code", EXPLANATIONS)
def test_every_code(run: Run, code: str) -> None:
    """The title, the text, and both examples, with nothing invisible in them."""
    result = run("explain", code)
    assert result.code == 0
    assert f"[{code}]: {EXPLANATIONS[code].title}\n" in result.out
    assert EXPLANATIONS[code].text in result.out
    assert result.out.replace("\n", "").isprintable()


def test_the_code_as_it_stands_in_a_message(run: Run) -> None:
    """People copy the whole of it."""
    whole = run("explain", "error[unknown-layer]:")
    assert whole == run("explain", "unknown-layer")


def test_without_a_code_all_are_listed(run: Run) -> None:
    """One line each."""
    lines = run("explain").out.splitlines()
    assert [line.split()[0] for line in lines] == list(EXPLANATIONS)


def test_an_unknown_code(run: Run) -> None:
    """The near one is told."""
    result = run("explain", "unknown-layr")
    assert result.code == 2
    assert "did you mean 'unknown-layer'?" in result.err
