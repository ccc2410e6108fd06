"""`archbuilder explain`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from archbuilder.diagnostics.explanations import explained_codes, load_explanation

if TYPE_CHECKING:
    from tests.cli.conftest import Run


@pytest.mark.parametrize("code", explained_codes())
def test_explain_every_code(run: Run, code: str) -> None:
    """The title, the text and the examples are shown, without markup and invisible characters."""
    explanation = load_explanation(code)
    result = run("explain", code)
    assert result.code == 0
    assert result.out.startswith(f"{explanation.severity}[{code}]: {explanation.title}\n\n")
    shown = [line.strip() for line in result.out.splitlines()]
    assert [line for line in map(_content, explanation.body.splitlines()) if line] == [
        line for line in shown[2:] if line
    ]
    assert result.out.replace("\n", "").isprintable()


def _content(line: str) -> str:
    """Return what a terminal shows of a line of Markdown."""
    if line.startswith("## "):
        return f"{line.removeprefix('## ')}:"
    return "" if line.startswith("```") else line.strip()


def test_explain_code_in_brackets(run: Run) -> None:
    """People copy the whole of it."""
    output = run("explain", "error[unknown-layer]:")
    assert output == run("explain", "unknown-layer")


def test_explain_lists_all_codes(run: Run) -> None:
    """One line each."""
    lines = run("explain").out.splitlines()
    assert [line.split()[0] for line in lines] == explained_codes()


def test_explain_unknown_code(run: Run) -> None:
    """The near one is told."""
    result = run("explain", "unknown-layr")
    assert result.code == 2
    assert "did you mean 'unknown-layer'?" in result.err
